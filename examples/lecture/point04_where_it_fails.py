"""4. Where gradient descent fails: local minima and saddle points.

    python examples/lecture/point04_where_it_fails.py [FOLDER] [--dark]

Question: which minimum does each start lead to, does every descent end at one, and are saddles rare?

Answer: the start decides. The deeper minimum of the double well has the value 0.000, the other one 0.667. From 54% of
the view, the descent reaches the deeper one: from x₁ = 0.05 it goes to x₁ = −1, from 0.3 to x₁ = 1. From the line
between the basins, at x₁ = 0.125, it ends at the saddle, where one eigenvalue of the Hessian is negative. Himmelblau's
function has four equal minima and 4 basins.

In high dimensions saddles are prevalent. Near ten descents of a network of 25 parameters, Newton's method finds 47
critical points of its loss: 4 minima, 43 saddles and 0 maxima. (The loss is convex in the output weights, so it has no
maximum.) The higher the loss, the more directions lead down: below a loss of 0.3, on average 7% of the Hessian's
eigenvalues are negative, from 0.3 to 0.6 19%, and above 0.6 24%. All minima are low, with losses up to 0.198. Dauphin
et al. (2014, https://arxiv.org/abs/1406.2572) found the same in larger networks.
"""

import numpy as np

import gpugrad as gg
from gpugrad.lab import surface
from gpugrad.lab.basins import basins
from gpugrad.lab.hessian import hessian
from gpugrad.lab.objective import Objective
from gpugrad.lab.pictures import draw_basins, draw_paths, saved
from gpugrad.lab.script import present
from gpugrad.lab.view import BLACK, BLUE, ORANGE, slide, tidy, view_of

STARTS = ((0.05, 1.2), (0.3, 1.2), (0.125, 1.2))


def run(name):
    """Return the view of a surface, and the minimum that each of its points leads to."""
    view = view_of(name)
    return view, basins(view, lr=surface(name).lr, resolution=80)


# ---- a network z = v·tanh(W x) + c of 25 parameters: which of its two classes has x₁x₂ > 0? ----

UNITS, DECAY, ROWS = 6, 2e-3, 60
N_PARAMETERS = 4 * UNITS + 1
DESCENTS, LONGEST, MET, RATE, SPREAD = 10, 4000, 13, 0.5, 0.3
NEWTON_STEPS, AT_REST, SAME = 40, 1e-8, 1e-5

generator = np.random.default_rng(0)
X = np.column_stack([generator.uniform(-2, 2, (ROWS, 2)), np.ones(ROWS)])  # the last column multiplies the biases
Y = (X[:, 0] * X[:, 1] > 0).astype(float)


def loss(theta):
    """Return the cross-entropy over all rows plus the weight decay, at several θ (k, 25), in tape operations."""
    w, v, c = theta[..., : 3 * UNITS], theta[..., 3 * UNITS : -1], theta[..., -1:]
    a = (w.reshape(-1, UNITS, 3) @ gg.tensor(X.T)).tanh()
    z = (v.reshape(-1, 1, UNITS) @ a).reshape(-1, ROWS) + c
    targets = gg.tensor(np.tile(Y, (len(z), 1)))
    entropies = gg.functional.binary_cross_entropy_with_logits(z, targets, reduction="none")
    return entropies.mean(axis=-1) + DECAY / 2 * (theta**2).sum(axis=-1)


NETWORK = Objective(loss, N_PARAMETERS, gg.device("cpu"), np.float64)


def parts(theta):
    """Return what the derivatives share: v (k, units, 1), a and its slope (k, units, n), ∂L/∂z and ∂²L/∂z² (k, n)."""
    v, c = theta[:, 3 * UNITS : -1, None], theta[:, -1:]
    a = np.tanh(theta[:, : 3 * UNITS].reshape(-1, UNITS, 3) @ X.T)
    p = 1 / (1 + np.exp(-(v * a).sum(axis=1) - c))
    return v, a, 1 - a**2, (p - Y) / ROWS, p * (1 - p) / ROWS


def gradient(theta):
    """Return ∇L at several θ, (k, 25)."""
    v, a, slope, first, _ = parts(theta)
    by_w = (v * slope * first[:, None]) @ X
    by_v = (a * first[:, None]).sum(axis=-1)
    by_c = first.sum(axis=-1, keepdims=True)
    return np.concatenate([by_w.reshape(len(theta), -1), by_v, by_c], axis=1) + DECAY * theta


def second_derivatives(theta):
    """Return the Hessians of L at several θ, (k, 25, 25): Σ ∂²L/∂z² ∇z ∇zᵀ + ∂L/∂z ∇²z over the rows, and the decay."""
    v, a, slope, first, second = parts(theta)
    by_w = ((v * slope)[:, :, None] * X.T).reshape(len(theta), -1, ROWS)
    by_theta = np.concatenate([by_w, a, np.ones((len(theta), 1, ROWS))], axis=1)  # ∇z of each row
    matrices = (by_theta * second[:, None]) @ by_theta.swapaxes(1, 2) + DECAY * np.eye(N_PARAMETERS)
    by_w_twice = ((-2 * v * a * slope * first[:, None])[:, :, None] * X.T) @ X
    by_v_and_w = (slope * first[:, None]) @ X
    for j in range(UNITS):  # ∇²z mixes only the weights of one unit
        w, v = slice(3 * j, 3 * j + 3), 3 * UNITS + j
        matrices[:, w, w] += by_w_twice[:, j]
        matrices[:, v, w] += by_v_and_w[:, j]
        matrices[:, w, v] += by_v_and_w[:, j]
    return matrices


def descents():
    """Return steps (s,), and the points of descents from random starts after them (s, DESCENTS, 25)."""
    theta, points = np.random.default_rng(0).normal(scale=SPREAD, size=(DESCENTS, N_PARAMETERS)), []
    steps = np.unique(np.geomspace(1, LONGEST, 100).astype(int))
    for step in range(LONGEST + 1):
        if step in steps:
            points.append(theta)
        theta = theta - RATE * gradient(theta)
    return steps, np.array(points)


def newton(theta):
    """Return the points where damped Newton steps (Levenberg–Marquardt) find ∇L = 0: minima, saddles or maxima."""
    theta, damping, slopes = theta.copy(), np.full(len(theta), 1e-2), gradient(theta)
    for _ in range(NEWTON_STEPS):
        matrices = second_derivatives(theta)
        damped = matrices @ matrices + damping[:, None, None] * np.eye(N_PARAMETERS)
        moved = theta - np.linalg.solve(damped, matrices @ slopes[..., None])[..., 0]
        slopes_there = gradient(moved)
        nearer = np.linalg.norm(slopes_there, axis=1) < np.linalg.norm(slopes, axis=1)
        theta[nearer], slopes[nearer] = moved[nearer], slopes_there[nearer]
        damping = np.maximum(np.where(nearer, damping / 5, damping * 4), 1e-16)
    return theta[np.linalg.norm(slopes, axis=1) < AT_REST]


def critical_points(met):
    """Return loss and eigenvalues (k, 1 + 25) of each critical point that Newton steps find near points of descents.

    Swapped units and units with both signs changed are the same network, with the same loss and eigenvalues: such
    points count once. Tape and `gpugrad.lab.hessian` confirm each one.
    """
    random = np.random.default_rng(0)
    points = newton(met + random.normal(scale=SPREAD, size=met.shape))
    values, slopes = NETWORK.gradients(points)
    assert np.linalg.norm(slopes, axis=1).max() < 2 * AT_REST
    found = []
    for point, value, matrix in zip(points, values, second_derivatives(points), strict=True):
        row = np.array([value, *np.linalg.eigvalsh(matrix)])
        if all(abs(row - other).max() > SAME for other in found):
            assert abs(hessian(NETWORK, point) - matrix).max() < 1e-7
            found.append(row)
    return np.array(found)


# ---- pictures ----


def draw(double_well, himmelblau, paths, file=None):
    with slide(14, 6.2) as figure:
        left, right = figure.subplots(1, 2, width_ratios=[1.25, 1])
        draw_basins(left, *double_well)
        draw_paths(left, double_well[0].bounds, paths, [(BLACK, "-"), (BLACK, "-"), (BLACK, ":")])
        left.set_title("Double well: the start decides; on the line\nbetween basins, a descent ends at the saddle")
        draw_basins(right, *himmelblau)
        right.set_title("Himmelblau: four minima,\nfour basins of attraction")
        return saved(figure, file)


def draw_critical_points(found, steps, values, file=None):
    losses, negative = found[:, 0], (found[:, 1:] < 0).sum(axis=1)
    with slide(14, 6) as figure:
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=[1.2, 1])
        for kind, colour, marker, name in (
            (negative > 0, ORANGE, "o", "saddles"),
            (negative == 0, BLUE, "*", "minima"),
        ):
            look = {"color": colour, "markersize": 18 if marker == "*" else 11, "alpha": 0.5}
            shares = 100 * negative[kind] / N_PARAMETERS
            right.plot(shares, losses[kind], marker, label=f"{np.count_nonzero(kind)} {name}", **look)
            left.hlines(losses[kind], 1, LONGEST, color=colour, linewidth=1, alpha=0.6)
        left.semilogx(steps, values, color=BLACK, linewidth=2)
        left.set(xlabel="step (log scale)", ylabel="loss", ylim=(0, 0.8), xlim=(1, LONGEST))
        left.set_title(
            f"{DESCENTS} descents of a network of {N_PARAMETERS} parameters;\nlines: losses of critical points"
        )
        right.set(
            xlabel="negative eigenvalues in %",
            title="The higher the loss, the more\ndirections lead down",
            xlim=(-2, None),
        )
        right.legend(loc="lower right")
        for axes in (left, right):
            tidy(axes)
        return saved(figure, file)


def main(picture):
    double_well, himmelblau = run("double well"), run("himmelblau")
    paths = gg.minimize("double well", STARTS, lr=0.05)
    for path in paths:
        print(f"from x₁ = {path.points[0, 0]:g} to x₁ = {path.x[0]:.3g}, value {path.value:.3f}: {path.verdict}")
        print(f"    {path.reason}")
    for view, basin in (double_well, himmelblau):
        shares = ", ".join(f"{np.mean(basin.labels == i):.0%} to {value:.3f}" for i, value in enumerate(basin.values))
        print(f"{view.name}: {len(basin.ends)} basins; of the view {shares}")
    draw(double_well, himmelblau, paths, picture("04_where_it_fails.png"))
    steps, points = descents()
    met = points[:: len(steps) // MET].reshape(-1, N_PARAMETERS)
    found = critical_points(met)
    losses, negative = found[:, 0], (found[:, 1:] < 0).sum(axis=1)
    minima, maxima = negative == 0, negative == N_PARAMETERS
    print(f"a network of {N_PARAMETERS} parameters: {len(found)} critical points, from {len(met)} points of descents")
    print(f"{sum(minima)} minima, {sum(~minima & ~maxima)} saddles, {sum(maxima)} maxima")
    print(
        f"the minima have losses up to {losses[minima].max():.3f}; "
        f"no eigenvalue is closer to 0 than {abs(found[:, 1:]).min():.0e}"
    )
    for low, high in ((0, 0.3), (0.3, 0.6), (0.6, 1)):
        inside = negative[(losses >= low) & (losses < high)]
        print(
            f"loss from {low:g} to {high:g}: {len(inside)} points, of {N_PARAMETERS} eigenvalues "
            f"{inside.min()} to {inside.max()} are negative, {inside.mean() / N_PARAMETERS:.0%} on average"
        )
    print(f"correlation of the loss with the share of negative eigenvalues: {np.corrcoef(losses, negative)[0, 1]:.2f}")
    values = NETWORK.values(points.reshape(-1, N_PARAMETERS)).reshape(points.shape[:2])
    draw_critical_points(found, steps, values, picture("04_critical_points.png"))


if __name__ == "__main__":
    present(__doc__, main)
