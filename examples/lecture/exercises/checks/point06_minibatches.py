"""Check of point 6: what holds for all minibatches of an epoch, and a line through points."""

import numpy as np

from .checking import Call, Exercise, Task, numbers, same, short
from .tools import draw_lines

# ---- minibatches: what holds for every random order ----


def rows_of(batch):
    """Return the row numbers of a batch, or None."""
    rows = numbers(batch)
    return rows.astype(int) if rows is not None and rows.ndim == 1 and (rows == np.rint(rows)).all() else None


def wrong_batches(call, n, size, _):
    """Return what is wrong with the minibatches of one epoch."""
    if not isinstance(call.value, list | tuple | np.ndarray) or getattr(call.value, "ndim", 1) == 0:
        return f"{call.text} returned {short(call.value)}, expected a list of arrays of row numbers."
    batches = [rows_of(batch) for batch in call.value]
    if not batches or any(batch is None for batch in batches):
        return f"{call.text} returned {short(call.value)}, expected a list of arrays of row numbers."
    rows, sizes = np.concatenate(batches), list(map(len, batches))
    if rows.size and (rows.min() < 0 or rows.max() >= n):
        return (
            f"{call.text}: row {rows.max() if rows.max() >= n else rows.min()} does not exist, expected 0 to {n - 1}."
        )
    expected = [min(size, n - first) for first in range(0, n, size)]
    missing = np.setdiff1d(np.arange(n), rows)
    if len(rows) == n and missing.size:
        twice = np.flatnonzero(np.bincount(rows, minlength=n) > 1)[0]
        return (
            f"{call.text}: row {twice} is there more than once and row {missing[0]} is not: draw without replacement, "
            "by a permutation."
        )
    if sizes == expected[:-1] and expected[-1] < size:
        return f"{call.text} left out the last {expected[-1]} rows: the last batch is smaller."
    if missing.size:
        return f"{call.text} left out {len(missing)} of {n} rows: every row is used once in an epoch."
    if len(rows) > n:
        return f"{call.text} has {len(rows)} rows, expected each of {n} once."
    if 0 in sizes:
        return f"{call.text} has an empty batch: no batch is needed when no row is left."
    if sizes != expected:
        return f"{call.text} has batches of {short(sizes)} rows, expected {short(expected)}."
    if (rows == np.arange(n)).all():
        return f"{call.text}: the rows are in the order of the file, put them in a random order first."
    if len(batches) > 2 and all((np.diff(batch) == 1).all() for batch in batches):
        return f"{call.text}: only the batches are in a random order, and each has rows that follow each other."
    if len(batches) > 2 and all((np.diff(np.sort(batch)) == 1).all() for batch in batches):
        return f"{call.text}: the rows are in a random order within each batch only, put all of them in a random order."
    return None


class Minibatches(Task):
    """The task, with what takes two epochs to see."""

    def check(self, function):
        if wrong := super().check(function):
            return wrong

        def epochs(n, size, generator):
            return [np.concatenate(function(n, size, generator)) for _ in range(2)]

        call = Call.of(self.name, epochs, (24, 6, np.random.default_rng(1)))
        if call.wrong:
            return call.wrong
        if same(*call.value):
            return "minibatches gave the same order in two epochs: go on with the generator that is given."
        return None


def seeded(n, size, seed):
    return n, size, np.random.default_rng(seed)


MINIBATCHES = Minibatches(
    "minibatches",
    cases=[seeded(60, 10, 4), seeded(10, 4, 0), seeded(24, 6, 1), seeded(7, 7, 2), seeded(5, 8, 3)],
    judge=wrong_batches,
    hints=[
        "Shuffle a deck of cards, and deal it in portions.",
        "generator.permutation(n) is a random order; batch b has its rows from b · size to (b + 1) · size − 1.",
        "order = …, return [order[…:…] for first in range(0, n, size)]; a slice past the end is just shorter.",
    ],
)

# ---- the mean ----

SLOPES = np.array([[1.0, -2.0], [3.0, 0.5], [-4.0, 10.0]])
SIZES = np.array([50, 50, 20])


def weighted(gradients, weights):
    return (gradients * np.asarray(weights)[:, None]).sum(axis=0)


MEAN = Task(
    "mean_gradient",
    cases=[(SLOPES, SIZES), (SLOPES[:2], np.array([4, 1])), (SLOPES[1:], np.array([3, 3]))],
    right=lambda g, n: np.average(g, axis=0, weights=n),
    formula="Σ (n_b / n) g_b, n = Σ n_b",
    mistakes=[
        (
            "a row of a smaller batch counts more than others: weight each gradient by its batch size",
            lambda g, n: g.mean(axis=0),
        ),
        ("this is the sum weighted by the batch sizes, divide it by the number of rows", lambda g, n: weighted(g, n)),
        ("this divides by the number of batches, expected by the number of rows", lambda g, n: weighted(g, n) / len(n)),
        ("this is the sum of the gradients, without weights", lambda g, n: g.sum(axis=0)),
        (
            "the weights are upside down: n_b / n, so that larger batches count more",
            lambda g, n: np.average(g, axis=0, weights=1 / n),
        ),
        ("this is a mean over coordinates, expected over batches: axis=0", lambda g, n: g.mean(axis=1)),
    ],
    hints=[
        "Every row counts the same, so a batch counts as much as it has rows.",
        "The gradient of a batch times its size is the sum over its rows; add these sums, and divide by all rows.",
        "sum(size * … for size, … in zip(sizes, gradients)) / …",
    ],
)

# ---- steps ----

X = np.random.default_rng(6).uniform(-1, 2, 30)
Y = 0.5 + X + np.random.default_rng(7).normal(scale=0.5, size=30)


def gradient(theta, rows):
    """Return the mean gradient of (θ₁ + θ₂·x − y)² over these rows."""
    off = theta[0] + theta[1] * X[rows] - Y[rows]
    return np.array([2 * off.mean(), 2 * (off * X[rows]).mean()])


def line(theta, k=slice(None)):
    return np.mean((theta[0] + theta[1] * X[k] - Y[k]) ** 2)


def walk(update):
    """Return a path of steps `update(theta, k, rows, gradient, rate, decay)`."""

    def path(gradient, theta, batches, rate, decay):
        points = [theta]
        for k, rows in enumerate(batches):
            points.append(update(points[-1], k, rows, gradient, rate, decay))
        return np.array(points)

    return path


START = np.array([-0.8, -0.6])
ALL = np.arange(30)
BATCHES = [ALL[first::3] for first in range(3)] + [ALL[:4], ALL[10:22]]


def frozen(gradient, theta, batches, rate, decay):
    step = walk(lambda t, k, rows, f, rate, decay: t - rate / (1 + decay * k) * f(theta, rows))
    return step(gradient, theta, batches, rate, decay)


def falling(gradient, theta, batches, rate, decay):
    points = [theta]
    for k, rows in enumerate(batches):
        rate = rate / (1 + decay * k)
        points.append(points[-1] - rate * gradient(points[-1], rows))
    return np.array(points)


def reference(gradient, theta, batches, rate, decay):
    """Return the path, from the linear map that a step on a quadratic loss is."""
    points = [theta]
    for k, rows in enumerate(batches):
        features = np.stack([np.ones(len(rows)), X[rows]], axis=1)
        scaled = 2 * rate / (1 + decay * k) / len(rows) * features.T
        points.append((np.eye(2) - scaled @ features) @ points[-1] + scaled @ Y[rows])
    return np.array(points)


SGD = Task(
    "sgd",
    cases=[
        (gradient, START, BATCHES, 0.1, 0.5),
        (gradient, START, BATCHES[:2], 0.3, 0.0),
        (gradient, START, [], 0.1, 0.1),
    ],
    right=reference,
    formula="θ ← θ − η / (1 + d·k) · ∇L_b(θ)",
    steps=True,
    mistakes=[
        (
            "the rate does not fall: η / (1 + d·k) in step k",
            walk(lambda t, k, rows, f, rate, decay: t - rate * f(t, rows)),
        ),
        (
            "the first step is k = 0, with the whole rate η",
            walk(lambda t, k, rows, f, rate, decay: t - rate / (1 + decay * (k + 1)) * f(t, rows)),
        ),
        (
            "the rate is multiplied by 1 + d·k, expected divided",
            walk(lambda t, k, rows, f, rate, decay: t - rate * (1 + decay * k) * f(t, rows)),
        ),
        (
            "the steps go uphill, subtract instead of adding",
            walk(lambda t, k, rows, f, rate, decay: t + rate / (1 + decay * k) * f(t, rows)),
        ),
        (
            "each step uses all rows, expected those of its batch: gradient(theta, rows)",
            walk(lambda t, k, rows, f, rate, decay: t - rate / (1 + decay * k) * f(t, ALL)),
        ),
        ("each step uses the gradient at the start, expected the one at the current θ", frozen),
        ("the rate falls anew from the one of the step before, expected η / (1 + d·k) of the first η", falling),
        (
            "gradient is a mean already: leave out the factor of the batch size",
            walk(lambda t, k, rows, f, rate, decay: t - rate / (1 + decay * k) * f(t, rows) * len(rows)),
        ),
        (
            "gradient is a mean already: leave out the division by the batch size",
            walk(lambda t, k, rows, f, rate, decay: t - rate / (1 + decay * k) * f(t, rows) / len(rows)),
        ),
    ],
    hints=[
        "It is gradient descent, but each step asks another batch for the gradient, and the rate falls.",
        "In step k, counted from 0 with enumerate, θ ← θ − η / (1 + d·k) · gradient(θ, rows).",
        "path = [theta]; for k, rows in enumerate(batches): theta = theta − …, then append it.",
    ],
)


def losses(minibatches, sgd, size, decay, epochs=40):
    """Return the loss over all rows, above its minimum, at the end of each epoch."""
    generator = np.random.default_rng(0)
    order = [rows for _ in range(epochs) for rows in minibatches(30, size, generator)]
    path = np.array(sgd(gradient, START, order, 0.1, decay))
    best = np.linalg.lstsq(np.stack([np.ones(30), X], axis=1), Y)[0]
    return np.array([line(theta) - line(best) for theta in path[:: -(-30 // size)]])


def reward(minibatches, mean_gradient, sgd):
    lines = []
    for size, decay in ((30, 0.0), (5, 0.0), (5, 1 / 60)):
        last = losses(minibatches, sgd, size, decay)
        falls = f", η = 0.1 / (1 + k·{decay:.3g})" if decay else ", η = 0.1"
        lines.append(
            f"{size} rows per batch{falls}: {last[2]:.2g} above the minimum after 2 epochs, {last[-1]:.2g} after 40."
        )
    batches = minibatches(30, 8, np.random.default_rng(0))
    parts = np.array([gradient(START, rows) for rows in batches])
    off = mean_gradient(parts, np.array(list(map(len, batches)))) - gradient(START, ALL)
    return [
        *lines,
        f"Your mean over batches of {short(list(map(len, batches)))} rows is off by {np.abs(off).max():.0e}.",
    ]


def picture(file, minibatches, mean_gradient, sgd):
    lines = {
        "all rows": losses(minibatches, sgd, 30, 0.0),
        "5 rows": losses(minibatches, sgd, 5, 0.0),
        "5 rows, falling rate": losses(minibatches, sgd, 5, 1 / 60),
    }
    draw_lines(file, lines, "epoch", "loss above the minimum", yscale="log")


EXERCISE = Exercise([MINIBATCHES, MEAN, SGD], reward, picture)
