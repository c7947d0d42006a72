"""5. Loss minimization: L(θ) = (1/n) Σ l(NN_θ(x_i), y_i).

    python examples/lecture/point05_loss.py [FOLDER] [--dark]

Question: what is the loss of a network, and how much does one step of gradient descent on it cost?

Answer: a network is NN_θ(x) = softmax(W_L a(… a(W_0 x))), with biases that are left out here. Its loss is the mean
over n rows of l(ŷ, y) = −yᵀ log ŷ, the cross-entropy. Written out in NumPy, for two hidden layers of 8 units and 200
rows, it equals the tape's loss to 1e-14.

The loss is a mean, and so is its gradient: the mean of 200 gradients, one per row, equals the gradient of all rows to
1e-14. They do not agree with each other. Their distance from the mean is 1.7 times its length, and 37 of the 200 point
away from it. On a plane through the trained parameters, the loss has more than one minimum: from the two starts,
descents end at L = 0.40 and at 0.08.

So one step costs one pass over all n rows: from 4096 to 65536 rows, 16 times as many, the work grows 16 times, and the
measured time grows about as much. Yet one gradient is one step: 65536 rows move θ once.
"""

import dataclasses
import time

import numpy as np

import gpugrad as gg
from gpugrad import nn, optim
from gpugrad.lab.network_loss import moons, network_loss
from gpugrad.lab.pictures import draw_paths, saved
from gpugrad.lab.script import present
from gpugrad.lab.view import BLACK, BLUE, GREEN, ORANGE, RED, draw_contours, slide, tidy, view_of

STARTS = ((-1.0, -1.3), (-1.2, 1.2))  # of descents in a plane through the parameters of a trained network
WIDTH, TRAINING_STEPS = 8, 250
SIZES = (1024, 4096, 16384, 65536)
criterion = nn.CrossEntropyLoss()


# ---- the loss, as it is written: NN_θ(x) = softmax(W_L a(… a(W_0 x))), l(ŷ, y) = −yᵀ log ŷ ----


def softmax(z):
    powers = np.exp(z - z.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def network(theta, x):
    """Return NN_θ(x) for rows x (n, 2); θ is a list of W_0, b_0, … W_L, b_L."""
    *hidden, last = zip(theta[::2], theta[1::2], strict=True)
    for w, b in hidden:
        x = np.tanh(x @ w + b)
    w, b = last
    return softmax(x @ w + b)


def loss(theta, x, y):
    """Return L(θ), the mean cross-entropy; y has a row for each row of x, 1 at its class and 0 elsewhere."""
    return np.mean([-target @ np.log(output) for output, target in zip(network(theta, x), y, strict=True)])


# ---- its gradient: a mean of one gradient per row ----


def gradient(model, x, y):
    """Return the gradient of the mean loss over these rows, all parameters in one array."""
    model.zero_grad()
    criterion(model(gg.tensor(x)), gg.tensor(y)).backward()
    return np.concatenate([p.grad.numpy().ravel() for p in model.parameters()])


def gradients(model, x, y):
    """Return the gradient of each row's own loss, (n, parameters)."""
    return np.array([gradient(model, x[i : i + 1], y[i : i + 1]) for i in range(len(x))])


def trained(x, y):
    """Return a network that separates two classes of points (n, 2)."""
    model = nn.MLP(2, [WIDTH, WIDTH], 2, activation="tanh", seed=0, dtype=np.float64)
    optimizer = optim.Adam(model.parameters(), lr=0.02)
    for _ in range(TRAINING_STEPS):
        gradient(model, x, y)
        optimizer.step()
    return model


def place(model, plane, point):
    """Move the parameters to a point of the plane, and return the directions as arrays (2, parameters)."""
    names = model.state_dict()
    moved = [w + point[0] * a + point[1] * b for w, a, b in zip(names.values(), *plane.directions, strict=True)]
    model.load_state_dict(dict(zip(names, moved, strict=True)))
    return np.array([np.concatenate([part.ravel() for part in direction]) for direction in plane.directions])


# ---- its cost ----


def data(n):
    """Return rows of 20 numbers, and the side of a plane that each is on."""
    x = np.random.default_rng(0).normal(size=(n, 20))
    return x, (x.sum(axis=1) > 0).astype(np.int32)


def seconds(model, x, y, repeats=4):
    """Return the shortest of several measurements."""
    measured = []
    for _ in range(repeats):
        start = time.perf_counter()
        gradient(model, x, y)
        measured.append(time.perf_counter() - start)
    return min(measured)


def run(sizes=SIZES):
    model = nn.MLP(20, [64], 2, seed=0, dtype=np.float64)
    x, y = data(max(sizes))
    gradient(model, x[:1], y[:1])  # compiles
    return [seconds(model, x[:n], y[:n]) for n in sizes]


# ---- pictures ----


def draw_descents(plane, paths, slopes, classes, file=None):
    """Draw descents in the plane, and the slope of each row's loss along its two directions at the first start."""
    view = dataclasses.replace(view_of(plane), resolution=30)
    with slide(14, 6.2) as figure:
        left, right = figure.subplots(1, 2)
        draw_contours(left, view)
        draw_paths(left, view.bounds, paths, [(RED, "-"), (BLACK, "-")])
        left.set(xlabel="steps along $d_1$", ylabel="steps along $d_2$")
        left.set_title("A network's loss, on a plane through\nits trained parameters: two descents")
        for which, colour, marker in ((0, BLUE, "o"), (1, ORANGE, "^")):
            chosen = slopes[classes == which]
            right.plot(*chosen.T, marker, color=colour, markersize=6, alpha=0.7, label=f"a row of class {which}")
        mean = {"color": BLACK, "markeredgecolor": "white", "markersize": 24, "label": "their mean: ∇L"}
        right.plot(*slopes.mean(axis=0), "*", **mean)
        right.axhline(0, color=BLACK, linewidth=0.8)
        right.axvline(0, color=BLACK, linewidth=0.8)
        right.set(xlabel="slope along $d_1$", ylabel="slope along $d_2$")
        right.set_title(f"Where the lower one starts, {len(slopes)} rows\npull in {len(slopes)} directions")
        right.set_ylim(top=12.5)
        right.legend(loc="upper left")
        tidy(right)
        return saved(figure, file)


def draw(times, sizes=SIZES, file=None):
    with slide(10, 6.4) as figure:
        axes = figure.subplots()
        linear = np.array(sizes) * times[-1] / sizes[-1] * 1e3
        axes.loglog(sizes, linear, "--", color=GREEN, linewidth=2, label="in proportion to $n$")
        axes.loglog(sizes, np.array(times) * 1e3, "o-", color=BLUE, linewidth=2, markersize=9, label="measured")
        axes.set_xticks(sizes, [f"{n:,}" for n in sizes], minor=False)
        axes.minorticks_off()
        axes.set(xlabel="rows $n$ (log scale)", ylabel="time of one full gradient in ms (log scale)")
        axes.set_title("One step of θ costs a pass over all rows")
        axes.legend()
        tidy(axes)
        return saved(figure, file)


def main(picture):
    x, y = moons()
    model = trained(x, y)
    plane = network_loss(model, x, y)
    paths = gg.minimize(plane, STARTS, lr=0.1)
    directions = place(model, plane, STARTS[0])
    by_hand = loss(list(model.state_dict().values()), x, np.eye(2)[y])
    by_tape = criterion(model(gg.tensor(x)), gg.tensor(y)).item()
    assert abs(by_hand - by_tape) < 1e-14
    print(f"two hidden layers of {WIDTH} units, {len(x)} rows")
    print(f"L(θ) from the formula: {by_hand:.6f}, from the tape: {by_tape:.6f}, equal to 1e-14")
    singles, whole = gradients(model, x, y), gradient(model, x, y)
    mean = singles.mean(axis=0)
    assert abs(mean - whole).max() < 1e-14
    slopes = singles @ directions.T
    assert abs(slopes.mean(axis=0) - plane.grad(np.array(STARTS[:1]))[0]).max() < 1e-13
    print(f"the mean of {len(x)} gradients, one per row, is the gradient of all rows to 1e-14")
    lengths, norm = np.linalg.norm(singles, axis=1), np.linalg.norm(mean)
    spread = np.sqrt(np.mean(np.sum((singles - mean) ** 2, axis=1)))
    print(f"‖∇L‖ = {norm:.1f}; the {len(x)} gradients are {lengths.min():.1f} to {lengths.max():.1f} long")
    print(f"their distance from ∇L is {spread / norm:.1f} times its length (root mean square)")
    print(f"{np.count_nonzero(singles @ mean < 0)} of them point away from ∇L: a step along −∇L raises their loss")
    for path in paths:
        print(f"a descent in the plane: from L = {path.values[0]:.2f} to {path.value:.2f} in {path.steps} steps")
    draw_descents(plane, paths, slopes, y, picture("05_network_loss.png"))
    times = run()
    for n, spent in zip(SIZES, times, strict=True):
        print(f"n = {n:>5}: {spent / times[0]:5.1f} times the time of {SIZES[0]}")
    many, few = SIZES[-1], SIZES[1]
    print(f"from {few} to {many} rows, {many // few} times as many, the time grew {times[-1] / times[1]:.1f} times")
    draw(times, file=picture("05_loss.png"))


if __name__ == "__main__":
    present(__doc__, main)
