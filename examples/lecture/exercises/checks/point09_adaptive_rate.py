"""Check of point 9: the adaptive rate of optim.AdagradNorm."""

import numpy as np

import gpugrad as gg

from .checking import Exercise, Task
from .tools import RAVINE, WELL, draw_lines, path_of, walk

PER_COORDINATE = "each coordinate has its own rate, which is Adagrad: expected one sum for all of them, ‖∇f‖² = Σ v_i²"
NORMS = "this adds up norms, expected their squares"
LATE = "the sum is without the current gradient, add it before the step"
OUTSIDE = "ε is added to the root, expected inside: √(ε + s)"
NO_ROOT = "the root is missing: η / √(ε + s)"
NO_SUM = "only the current gradient is used, expected the sum over all so far"
MEAN = "this is the mean of the squares, expected their sum"
OF_SUM = "this is the norm of the sum of gradients, expected the sum of squared norms"
NO_EPSILON = "ε is left out"

# ---- the rates ----

G = np.array([[3.0, 4.0], [1.0, -2.0], [0.5, 0.0]])
ZERO = np.array([[0.0, 0.0], [0.0, 1.0]])


def norms(gradients):
    return np.linalg.norm(gradients, axis=1)


def sums(gradients):
    return np.cumsum(norms(gradients) ** 2)


def by_prefix(gradients, rate, epsilon):
    """Return the rates from the norm of all numbers up to each step, as one long vector."""
    return np.array(
        [rate / np.hypot(np.sqrt(epsilon), np.linalg.norm(gradients[: t + 1])) for t in range(len(gradients))]
    )


RATES = Task(
    "adaptive_rates",
    cases=[(G, 1.0, 0.5), (G[::-1], 0.1, 2.0), (ZERO, 1.0, 0.25), (np.array([[2.0]]), 3.0, 0.0)],
    right=by_prefix,
    formula="η / √(ε + s_t), s_t the sum of the squared norms of the first t gradients",
    mistakes=[
        (PER_COORDINATE, lambda g, rate, e: rate / np.sqrt(e + np.cumsum(g**2, axis=0))),
        (NORMS, lambda g, rate, e: rate / np.sqrt(e + np.cumsum(norms(g)))),
        (LATE, lambda g, rate, e: rate / np.sqrt(e + sums(g) - norms(g) ** 2)),
        (OUTSIDE, lambda g, rate, e: rate / (np.sqrt(sums(g)) + e)),
        (OUTSIDE, lambda g, rate, e: rate / (np.sqrt(sums(g)) + np.sqrt(e))),
        (NO_ROOT, lambda g, rate, e: rate / (e + sums(g))),
        (NO_SUM, lambda g, rate, e: rate / np.sqrt(e + norms(g) ** 2)),
        (MEAN, lambda g, rate, e: rate / np.sqrt(e + sums(g) / np.arange(1, len(g) + 1))),
        (OF_SUM, lambda g, rate, e: rate / np.sqrt(e + norms(np.cumsum(g, axis=0)) ** 2)),
        (NO_EPSILON, lambda g, rate, e: rate / np.sqrt(sums(g))),
        (
            "every step has the sum of all gradients, expected that of the gradients so far",
            lambda g, rate, e: np.full(len(g), rate / np.sqrt(e + sums(g)[-1])),
        ),
        (
            "ε is added in each step, expected once",
            lambda g, rate, e: rate / np.sqrt(sums(g) + e * np.arange(1, len(g) + 1)),
        ),
    ],
    hints=[
        "The longer the gradients have been, the smaller the rate: it only ever falls.",
        "s_t = ‖g_1‖² + … + ‖g_t‖², and the rate is η / √(ε + s_t).",
        "total = 0.0; a loop over the gradients adds to total, and appends … to a list; np.sum(g**2) is ‖g‖².",
    ],
)

# ---- the descent ----

START = np.array([-5.0, 1.0])


def squares(v):
    return np.sum(v**2)


DESCENT = Task(
    "adaptive_descent",
    cases=[
        (RAVINE, START, 3.0, 0.5, 4),
        (WELL, np.array([0.3, 1.2]), 0.5, 0.1, 5),
        (RAVINE, np.array([1.0, -0.5]), 0.1, 2.0, 3),
        (WELL, np.array([1.0, 1.0]), 0.1, 1.0, 0),
    ],
    right=lambda f, x0, rate, e, steps: path_of(f, x0, "adagrad-norm", steps, lr=rate, eps=e),
    formula="s ← s + ‖∇f(x)‖², then x ← x − η / √(ε + s) · ∇f(x)",
    steps=True,
    mistakes=[
        (PER_COORDINATE, walk(lambda x, s, f, rate, e: (x - rate / np.sqrt(e + (s := s + f(x) ** 2)) * f(x), s))),
        (NORMS, walk(lambda x, s, f, rate, e: (x - rate / np.sqrt(e + (s := s + np.sqrt(squares(f(x))))) * f(x), s))),
        (LATE, walk(lambda x, s, f, rate, e: (x - rate / np.sqrt(e + s) * f(x), s + squares(f(x))))),
        (OUTSIDE, walk(lambda x, s, f, rate, e: (x - rate / (np.sqrt(s := s + squares(f(x))) + e) * f(x), s))),
        (OUTSIDE, walk(lambda x, s, f, rate, e: (x - rate / (np.sqrt(s := s + squares(f(x))) + e**0.5) * f(x), s))),
        (NO_ROOT, walk(lambda x, s, f, rate, e: (x - rate / (e + (s := s + squares(f(x)))) * f(x), s))),
        (NO_SUM, walk(lambda x, s, f, rate, e: (x - rate / np.sqrt(e + squares(f(x))) * f(x), s))),
        (OF_SUM, walk(lambda x, s, f, rate, e: (x - rate / np.sqrt(e + squares(s := s + f(x))) * f(x), s))),
        (NO_EPSILON, walk(lambda x, s, f, rate, e: (x - rate / np.sqrt(s := s + squares(f(x))) * f(x), s))),
        (
            "the steps go uphill, subtract instead of adding",
            walk(lambda x, s, f, rate, e: (x + rate / np.sqrt(e + (s := s + squares(f(x)))) * f(x), s)),
        ),
        (
            "the gradient is not multiplied by the rate, but replaced by its sign",
            walk(lambda x, s, f, rate, e: (x - rate / np.sqrt(e + (s := s + squares(f(x)))) * np.sign(f(x)), s)),
        ),
        ("the rate is fixed, expected η / √(ε + s)", walk(lambda x, s, f, rate, e: (x - rate * f(x), s))),
        (
            "the rate falls from the one of the step before, expected η / √(ε + s) of the first η",
            walk(
                lambda x, q, f, rate, e: (
                    x - rate * (r := q[1] / np.sqrt(e + q[0] + squares(f(x)))) * f(x),
                    (q[0] + squares(f(x)), r),
                ),
                (0.0, 1.0),
            ),
        ),
        (
            MEAN,
            walk(
                lambda x, q, f, rate, e: (
                    x - rate / np.sqrt(e + (s := q[0] + squares(f(x))) / (q[1] + 1)) * f(x),
                    (s, q[1] + 1),
                ),
                (0.0, 0),
            ),
        ),
    ],
    hints=[
        "It is gradient descent, with a number that grows from step to step and divides the rate.",
        "First s ← s + ‖∇f(x)‖², then x ← x − η / √(ε + s) · ∇f(x).",
        "Before the loop x, total and path; in it slope = gradient(x), total = …, x = x − …, path.append(x).",
    ],
)

NINETEEN = np.geomspace(1e-3, 1e3, 19)


def converging(descend):
    """Return the rates that bring the norm of the ravine's gradient below 1e-3 within 500 steps."""
    ends = [np.linalg.norm(RAVINE(np.array(descend(rate)[-1]))) for rate in NINETEEN]
    return NINETEEN[np.array(ends) < 1e-3]


def reward(adaptive_rates, adaptive_descent):
    good = converging(lambda rate: adaptive_descent(RAVINE, START, rate, 1e-10, 500))
    fixed = gg.minimize("ravine", START, lr=list(NINETEEN), tol=1e-3, max_steps=500)
    fixed = [path.lr for path in fixed if path.verdict == "converged"]
    return [
        f"{name}: of 19 rates from 0.001 to 1000, {len(rates)} converge, from {min(rates):.2g} to {max(rates):.4g}."
        for name, rates in (("Your adaptive rate", good), ("A fixed rate", fixed))
    ]


def picture(file, adaptive_rates, adaptive_descent):
    lines = {}
    for rate in (1.0, 10.0, 100.0, 1000.0):
        path = np.array(adaptive_descent(RAVINE, START, rate, 1e-10, 100))
        lines[f"η = {rate:g}"] = adaptive_rates(RAVINE(path), rate, 1e-10)
    lines["2 / largest curvature"] = np.full(100, 0.05)
    draw_lines(file, lines, "step", "rate of the step", yscale="log")


EXERCISE = Exercise([RATES, DESCENT], reward, picture)
