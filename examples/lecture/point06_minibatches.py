"""6. Minibatches.

    python examples/lecture/point06_minibatches.py [FOLDER] [--dark]

Question: what are the benefits and costs of a step on a part of the rows?

Answer: more steps per row that is read. In 5 epochs of 120 rows, gradient descent takes 5 steps, minibatches of 10
take 60. Afterwards the loss is 0.1 above its minimum with all rows at once, and 0.0008 above it with random
minibatches. Minibatches in the order of the file, which is sorted, pull to one side and then to the other, and end 0.01
above the minimum. In batches of 50, 50 and 20, a row of the small batch counts 2.5 times as much: the mean of the
gradients is off by 3% of its length, and by 0% if each is weighted by the batch size. On handwritten digits, a batch 16
times as large has a gradient 4 times less noisy, and costs more per step; a loss of 0.2 takes 4 epochs with 8 rows per
batch, 10 with 32, 33 with 128 and 127 with 512.

The noise does not end while the rate is fixed: with η = 0.1 the loss in the last of 100 epochs is still 0.004 above its
minimum on average. A rate that falls, η = 0.1 / (1 + k/60) in step k, tames it: 1e-05.
"""

import dataclasses
import time

import numpy as np

import gpugrad as gg
from gpugrad import data, nn, optim
from gpugrad.lab.pictures import draw_paths, saved
from gpugrad.lab.script import present
from gpugrad.lab.view import BLUE, GREEN, draw_contours, slide, tidy, view_of

N, EPOCHS, RATE = 120, 5, 0.1
LONG, DECAY = 100, 1 / 60
WAYS = {"full": [N], "in order": [10] * 12, "random": [10] * 12, "unequal": [50, 50, 20]}
SIZES = (8, 32, 128, 512)
GOAL = 0.2

generator = np.random.default_rng(0)
X = np.sort(generator.uniform(-1, 2, N))  # sorted, as files often are
Y = 0.5 + X + generator.normal(scale=0.5, size=N)


# ---- a line through points: a loss of two numbers, which can be plotted ----


def loss(theta, rows=slice(None)):
    """Return the mean square of θ₁ + θ₂·x − y over some rows."""
    x, y = gg.tensor(X[rows]), gg.tensor(Y[rows])
    return ((theta[..., :1] + theta[..., 1:] * x - y) ** 2).mean(axis=-1)


def batches(way, epoch):
    """Return the rows of each minibatch of an epoch."""
    order = np.arange(N)
    if way in ("random", "unequal"):
        order = np.random.default_rng([1, epoch]).permutation(N)
    return np.split(order, np.cumsum(WAYS[way])[:-1])


def descend(way, epochs=EPOCHS):
    """Return the path of some epochs: values are losses over all rows, each step descends the loss of a minibatch."""
    per_epoch = len(WAYS[way])

    def minibatch(theta, step):
        return loss(theta, batches(way, step // per_epoch)[step % per_epoch])

    start = [-0.8, -0.6]
    return gg.minimize(loss, start, lr=RATE, max_steps=epochs * per_epoch, minibatch=minibatch)


def run():
    return {way: descend(way) for way in WAYS}


def gradient(rows, theta=(-0.8, -0.6)):
    """Return the gradient of the loss over some rows, (2,)."""
    error = theta[0] + theta[1] * X[rows] - Y[rows]
    return 2 * np.array([error.mean(), (error * X[rows]).mean()])


def descend_for_long(decay):
    """Return the loss over all rows after each step of 100 epochs, with the rate RATE / (1 + decay·k) in step k."""
    theta, path, steps = np.array([-0.8, -0.6]), [], len(WAYS["random"])
    for k in range(LONG * steps):
        rows = batches("random", k // steps)[k % steps]
        theta = theta - RATE / (1 + decay * k) * gradient(rows, theta)
        path.append(theta)
    return loss(gg.tensor(np.array(path))).numpy()


def off_by(way, weighted):
    """Return the distance of the mean minibatch gradient from the full gradient, relative to the norm of the latter."""
    parts = batches(way, 0)
    weights = [len(rows) * len(parts) / N if weighted else 1.0 for rows in parts]
    mean = np.mean([w * gradient(rows) for w, rows in zip(weights, parts, strict=True)], axis=0)
    full = gradient(np.arange(N))
    return np.linalg.norm(mean - full) / np.linalg.norm(full)


# ---- a network: effects of the batch size ----


class UntilGoal(gg.Callback):
    """Stop a run whose loss is low enough."""

    def on_epoch_end(self, trainer, record):
        if record["train_loss"] < GOAL:
            trainer.stop("the loss is low enough")


def train(digits, size):
    """Return the epochs of SGD until the training loss is below GOAL."""
    model = nn.MLP(64, [32], 10, seed=0)
    trainer = gg.Trainer(model, optimizer=optim.SGD(model.parameters(), lr=0.1), device="cpu", seed=0)
    options = {"batch_size": size, "scale": digits.scale, "callbacks": [UntilGoal()], "progress": False}
    return len(trainer.fit(digits.x_train, digits.y_train, epochs=400, **options)["train_loss"])


def milliseconds(digits, size, repeats=200):
    """Return the shortest time of a step."""
    model = nn.MLP(64, [32], 10, seed=0)
    optimizer, criterion = optim.SGD(model.parameters(), lr=0.1), nn.CrossEntropyLoss()
    x, y = gg.tensor(digits.x_train[:size] * np.float32(digits.scale)), gg.tensor(digits.y_train[:size])

    @gg.record
    def step():
        loss = criterion(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def noise(digits, size, draws=100):
    """Return the standard deviation of a minibatch gradient, relative to the norm of the full gradient."""
    model = nn.MLP(64, [32], 10, seed=0)
    criterion = nn.CrossEntropyLoss()
    x, y = digits.x_train * np.float32(digits.scale), digits.y_train

    def slope(rows):
        model.zero_grad()
        criterion(model(gg.tensor(x[rows])), gg.tensor(y[rows])).backward()
        return np.concatenate([p.grad.numpy().ravel() for p in model.parameters()])

    full = slope(np.arange(len(x)))
    chosen = np.random.default_rng(0)
    squares = [np.sum((slope(chosen.integers(len(x), size=size)) - full) ** 2) for _ in range(draws)]
    return np.sqrt(np.mean(squares)) / np.linalg.norm(full)


def run_sizes(sizes=SIZES):
    """Return epochs to the goal, milliseconds per step and noise for each batch size."""
    digits = data.load("digits")
    return [(train(digits, size), milliseconds(digits, size), noise(digits, size)) for size in sizes]


# ---- pictures ----


def draw(paths, file=None):
    view = dataclasses.replace(view_of(loss, bounds=((-1.0, 1.2), (-0.8, 1.6))), resolution=50)
    titles = {
        "full": "all 120 rows per step",
        "in order": "10 rows, in sorted order",
        "random": "10 rows, at random",
        "unequal": "50, 50 and 20 rows",
    }
    with slide(15, 5.4) as figure:
        for axes, (way, path) in zip(figure.subplots(1, 4, sharey=True), paths.items(), strict=True):
            draw_contours(axes, view)
            draw_paths(axes, view.bounds, [path])
            axes.set(xlabel="$θ_1$", ylabel="$θ_2$" if way == "full" else "")
            axes.set_title(f"{titles[way]}:\n{path.steps} steps")
        figure.suptitle(f"{EPOCHS} epochs each on a loss of two numbers")
        return saved(figure, file)


def draw_decay(losses, least, file=None):
    with slide(10, 5.6) as figure:
        axes = figure.subplots()
        for (name, values), colour in zip(losses.items(), (BLUE, GREEN), strict=True):
            means = values.reshape(LONG, -1).mean(axis=1) - least
            axes.loglog(range(1, LONG + 1), means, color=colour, linewidth=2, label=name)
        axes.set(xlabel="epoch (log scale)", ylabel="loss above the minimum (log scale)")
        axes.set(title="A falling rate tames the noise of minibatches")
        axes.set_xticks([1, 10, 100], ["1", "10", "100"])
        axes.legend()
        tidy(axes)
        return saved(figure, file)


def draw_sizes(found, sizes=SIZES, file=None):
    epochs, times, noises = (np.array(column) for column in zip(*found, strict=True))
    with slide(15, 5) as figure:
        panels = figure.subplots(1, 3)
        labels = ("time per step in ms", "noise / norm of the gradient", f"epochs to a loss of {GOAL}")
        titles = ("The larger the batch, the more\na step costs,", "the less noise\nits gradient has,",
                  "and the more passes over\nthe data it takes")  # fmt: skip
        falling = noises[0] * np.sqrt(sizes[0] / np.array(sizes))
        panels[1].loglog(sizes, falling, "--", color=GREEN, linewidth=2, label="1 / √rows")
        panels[1].legend(loc="lower left")
        for axes, values, name, title in zip(panels, (times, noises, epochs), labels, titles, strict=True):
            axes.loglog(sizes, values, "o-", color=BLUE, linewidth=2, markersize=9)
            side = 6 if values[-1] < values[0] else -6  # side of the points without a line
            for size, value in zip(sizes, values, strict=True):
                axes.annotate(f"{value:.2g}" if value < 100 else f"{value:.0f}", (size, value), (side, 8),
                              textcoords="offset points", ha="left" if side > 0 else "right")  # fmt: skip
            axes.set_xticks(sizes, [str(size) for size in sizes])
            axes.minorticks_off()
            ticks = [a * 10.0**b for b in range(-4, 4) for a in (1, 2, 5)]
            axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
            axes.margins(0.35)
            low, high = np.log(values.min()), np.log(values.max())
            axes.set_ylim(*np.exp([low - 0.18 * (high - low), high + 0.18 * (high - low)]))
            axes.set(xlabel="rows per batch (log scale)", ylabel=f"{name} (log scale)", title=title)
            tidy(axes)
        return saved(figure, file)


def main(picture):
    paths = run()
    least = gg.minimize(loss, [0.0, 0.0], lr=RATE).value
    for way, path in paths.items():
        sizes = ", ".join(map(str, sorted(set(WAYS[way]), reverse=True)))
        assert np.allclose(path.points[0] - RATE * gradient(batches(way, 0)[0]), path.points[1], rtol=1e-12)
        print(
            f"{way:<8} batches of {sizes} rows: {path.steps} steps in {EPOCHS} epochs of {N} rows, "
            f"{path.value - least:.1g} above the minimum"
        )
    for weighted in (False, True):
        words = "weighted by their sizes" if weighted else "where a row of the 20 counts 2.5 times as much"
        print(f"the mean gradient of unequal batches, {words}: off by {off_by('unequal', weighted):.0%}")
    found = run_sizes()
    for size, (epochs, spent, noisy) in zip(SIZES, found, strict=True):
        print(f"{size:>3} rows per batch: {epochs} epochs to {GOAL}, noise {noisy:.2f}, {spent:.3f} ms per step")
    print(f"16 times as many rows: {found[0][2] / found[2][2]:.0f} times less noise")
    losses = {"η = 0.1": descend_for_long(0), "η = 0.1 / (1 + k/60)": descend_for_long(DECAY)}
    for name, values in losses.items():
        last = np.mean(values[-len(WAYS["random"]) :]) - least
        print(f"{name}: {last:.1g} above the minimum on average in the last of {LONG} epochs")
    draw(paths, picture("06_minibatches.png"))
    draw_decay(losses, least, picture("06_decay.png"))
    draw_sizes(found, file=picture("06_batch_size.png"))


if __name__ == "__main__":
    present(__doc__, main)
