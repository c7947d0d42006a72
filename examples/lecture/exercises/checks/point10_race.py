"""Check of point 10: Adagrad, RMSprop and Adam, in the form that gpugrad.optim has."""

import numpy as np

from gpugrad.lab import surface

from .checking import Exercise, Task
from .tools import RAVINE, WELL, draw_paths, path_of, walk

START, OTHER = np.array([-5.0, 1.0]), np.array([0.3, 1.2])
UPHILL = "the steps go uphill, subtract instead of adding"
INSIDE = "ε is inside the root, expected outside: √v + ε"
NO_EPSILON = "ε is left out"
NO_ROOT = "the root is missing: the step is divided by √v + ε"
NO_SQUARE = "the gradient is added up without its square"
ONE_RATE = "there is one sum for all coordinates, ‖g‖², expected one for each: g², without a sum or norm"
LATE = "the squares are without the current gradient, add it before the step"
NO_MEMORY = "only the current gradient is used: keep the squares of the past ones"


def root(v, e):
    return np.sqrt(v) + e


def divided(square, ending):
    """Return mistakes that Adagrad and RMSprop share; `square(s, g², …)` renews what they divide by."""
    new = square

    def norm(g):
        return np.full_like(g, np.sum(g**2))

    return [
        (UPHILL, walk(lambda x, s, f, r, *o: (x + r * f(x) / root(s := new(s, f(x) ** 2, *o), o[-1]), s))),
        (INSIDE, walk(lambda x, s, f, r, *o: (x - r * f(x) / np.sqrt((s := new(s, f(x) ** 2, *o)) + o[-1]), s))),
        (INSIDE, walk(lambda x, s, f, r, *o: (x - r * f(x) / np.sqrt((s := new(s, f(x) ** 2, *o)) + o[-1] ** 2), s))),
        (NO_EPSILON, walk(lambda x, s, f, r, *o: (x - r * f(x) / np.sqrt(s := new(s, f(x) ** 2, *o)), s))),
        (NO_ROOT, walk(lambda x, s, f, r, *o: (x - r * f(x) / ((s := new(s, f(x) ** 2, *o)) + o[-1]), s))),
        (ONE_RATE, walk(lambda x, s, f, r, *o: (x - r * f(x) / root(s := new(s, norm(f(x)), *o), o[-1]), s))),
        (NO_SQUARE, walk(lambda x, s, f, r, *o: (x - r * f(x) / root(s := new(s, f(x), *o), o[-1]), s))),
        (NO_SQUARE, walk(lambda x, s, f, r, *o: (x - r * f(x) / (abs(s := new(s, f(x), *o)) + o[-1]), s))),
        (NO_SQUARE, walk(lambda x, s, f, r, *o: (x - r * f(x) / root(s := new(s, abs(f(x)), *o), o[-1]), s))),
        (LATE, walk(lambda x, s, f, r, *o: (x - r * f(x) / root(s, o[-1]), new(s, f(x) ** 2, *o)))),
        (NO_MEMORY, walk(lambda x, s, f, r, *o: (x - r * f(x) / root(new(0, f(x) ** 2, *o), o[-1]), s))),
        (f"the step is not divided, expected η · g / ({ending})", walk(lambda x, s, f, r, *o: (x - r * f(x), s))),
    ]


ADAGRAD = Task(
    "adagrad",
    cases=[(RAVINE, START, 0.5, 0.3, 4), (WELL, OTHER, 0.1, 0.1, 5), (RAVINE, START, 0.1, 0.5, 0)],
    right=lambda f, x0, rate, e, steps: path_of(f, x0, "adagrad", steps, lr=rate, eps=e),
    formula="s ← s + g², then x ← x − η · g / (√s + ε)",
    steps=True,
    mistakes=[
        *divided(lambda s, square, e: s + square, "√s + ε"),
        (
            "the rate itself is divided in each step, expected the first η each time",
            walk(
                lambda x, q, f, r, e: (x - r * (c := q[1] / root(q[0] + f(x) ** 2, e)) * f(x), (q[0] + f(x) ** 2, c)),
                (0.0, 1.0),
            ),
        ),
        (
            "this is the mean of the squares, expected their sum",
            walk(
                lambda x, q, f, r, e: (x - r * f(x) / root((s := q[0] + f(x) ** 2) / (q[1] + 1), e), (s, q[1] + 1)),
                (0.0, 0),
            ),
        ),
    ],
    hints=[
        "A coordinate that has had large gradients takes smaller steps; each has its own rate.",
        "First s ← s + g², then x ← x − η · g / (√s + ε), with g = gradient(x); NumPy does it for all coordinates.",
        "Before the loop x, squares (zeros like x0) and path; in it slope = …, squares = …, x = x − …, path.append(x).",
    ],
)

RMSPROP = Task(
    "rmsprop",
    cases=[(RAVINE, START, 0.5, 0.9, 0.3, 4), (WELL, OTHER, 0.1, 0.8, 0.1, 5), (RAVINE, START, 0.1, 0.7, 0.5, 0)],
    right=lambda f, x0, rate, a, e, steps: path_of(f, x0, "rmsprop", steps, lr=rate, alpha=a, eps=e),
    formula="v ← α · v + (1 − α) · g², then x ← x − η · g / (√v + ε)",
    steps=True,
    mistakes=[
        *divided(lambda v, square, a, e: a * v + (1 - a) * square, "√v + ε"),
        (
            "this is Adagrad, the sum of all squares, expected their moving average α · v + (1 − α) · g²",
            walk(lambda x, v, f, r, a, e: (x - r * f(x) / root(v := v + f(x) ** 2, e), v)),
        ),
        (
            "α and 1 − α are mixed up: α · v + (1 − α) · g²",
            walk(lambda x, v, f, r, a, e: (x - r * f(x) / root(v := (1 - a) * v + a * f(x) ** 2, e), v)),
        ),
        (
            "the square is not multiplied by 1 − α: α · v + (1 − α) · g²",
            walk(lambda x, v, f, r, a, e: (x - r * f(x) / root(v := a * v + f(x) ** 2, e), v)),
        ),
        (
            "the average is corrected by 1 − α^t, which only Adam does",
            walk(
                lambda x, q, f, r, a, e: (
                    x - r * f(x) / root((v := a * q[0] + (1 - a) * f(x) ** 2) / (1 - q[1] * a), e),
                    (v, q[1] * a),
                ),
                (0.0, 1.0),
            ),
        ),
        (
            "1 − α multiplies the gradient inside the square: (1 − α) · g², not ((1 − α) · g)²",
            walk(lambda x, v, f, r, a, e: (x - r * f(x) / root(v := a * v + ((1 - a) * f(x)) ** 2, e), v)),
        ),
    ],
    hints=[
        "Like Adagrad, but it forgets: old squares fade, so that the rate can rise again.",
        "First v ← α · v + (1 − α) · g², then x ← x − η · g / (√v + ε).",
        "Copy adagrad, and change the line that renews the squares.",
    ],
)


def adam_like(step):
    """Return a path of steps `step(x, m, v, t, g, …)`, which returns x, m and v."""

    def update(x, state, f, *options):
        m, v, t = state
        x, m, v = step(x, m, v, t + 1, f(x), *options)
        return x, (m, v, t + 1)

    return walk(update, (0.0, 0.0, 0))


def averages(m, v, g, b1, b2):
    return b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2


def corrected(first=lambda t: t, second=lambda t: t, ending=root, sign=-1, renewed=averages, numerator=None):
    """Return Adam, but for what is given: the powers of the corrections, the division, the averages."""

    def step(x, m, v, t, g, r, b1, b2, e):
        m, v = renewed(m, v, g, b1, b2)
        c1 = 1 - b1 ** first(t) if first else 1.0
        c2 = 1 - b2 ** second(t) if second else 1.0
        return x + sign * r * (g if numerator else m / c1) / ending(v / c2, e), m, v

    return adam_like(step)


ADAM = Task(
    "adam",
    cases=[
        (RAVINE, START, 0.5, 0.9, 0.99, 0.3, 4),
        (WELL, OTHER, 0.1, 0.8, 0.9, 0.1, 5),
        (RAVINE, START, 0.1, 0.9, 0.99, 0.5, 0),
    ],
    right=lambda f, x0, rate, b1, b2, e, steps: path_of(f, x0, "adam", steps, lr=rate, betas=(b1, b2), eps=e),
    formula="x ← x − η · m̂ / (√v̂ + ε), m̂ = m / (1 − β₁^t), v̂ = v / (1 − β₂^t)",
    steps=True,
    mistakes=[
        ("the averages are not corrected: divide m by 1 − β₁^t and v by 1 − β₂^t", corrected(None, None)),
        ("m is not corrected: divide it by 1 − β₁^t", corrected(first=None)),
        ("v is not corrected: divide it by 1 − β₂^t", corrected(second=None)),
        ("t counts from 0, and 1 − β^0 is 0: the first step has t = 1", corrected(lambda t: t - 1, lambda t: t - 1)),
        ("t begins with 2, expected 1 in the first step", corrected(lambda t: t + 1, lambda t: t + 1)),
        ("the corrections do not change from step to step: β to the power t", corrected(lambda t: 1, lambda t: 1)),
        (INSIDE.replace("√v", "√v̂"), corrected(ending=lambda v, e: np.sqrt(v + e))),
        (INSIDE.replace("√v", "√v̂"), corrected(ending=lambda v, e: np.sqrt(v + e**2))),
        (NO_EPSILON, corrected(ending=lambda v, e: np.sqrt(v))),
        (NO_ROOT.replace("√v", "√v̂"), corrected(ending=lambda v, e: v + e)),
        (UPHILL, corrected(sign=1)),
        (
            "the second average is without the square: (1 − β₂) · g²",
            corrected(renewed=lambda m, v, g, b1, b2: (b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g)),
        ),
        (
            "the second average is without the square: (1 − β₂) · g²",
            corrected(renewed=lambda m, v, g, b1, b2: (b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * abs(g))),
        ),
        (
            "β₁ and β₂ are mixed up: β₁ is for m, β₂ for v",
            lambda f, x0, r, b1, b2, e, steps: corrected()(f, x0, r, b2, b1, e, steps),
        ),
        (
            "β and 1 − β are mixed up: β · m + (1 − β) · g",
            corrected(renewed=lambda m, v, g, b1, b2: averages(m, v, g, 1 - b1, 1 - b2)),
        ),
        (
            "g is not multiplied by 1 − β₁, nor g² by 1 − β₂",
            corrected(renewed=lambda m, v, g, b1, b2: (b1 * m + g, b2 * v + g**2)),
        ),
        ("the step uses the gradient, expected its corrected average m̂", corrected(numerator=True)),
        (
            "the second average is of m², expected of g²",
            corrected(renewed=lambda m, v, g, b1, b2: (m := b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * m**2)),
        ),
        (
            "there is one second average for all coordinates, expected one for each: g², without a sum or norm",
            corrected(renewed=lambda m, v, g, b1, b2: (b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * np.sum(g**2))),
        ),
        (
            "the corrected averages are kept for the next step, expected m and v: give m̂ and v̂ their own names",
            adam_like(
                lambda x, m, v, t, g, r, b1, b2, e: (
                    x
                    - r
                    * (m := (b1 * m + (1 - b1) * g) / (1 - b1**t))
                    / root(v := (b2 * v + (1 - b2) * g**2) / (1 - b2**t), e),
                    m,
                    v,
                )
            ),
        ),
        (
            "the averages are lost after each step: set them to 0 once, before the loop",
            corrected(renewed=lambda m, v, g, b1, b2: averages(0, 0, g, b1, b2)),
        ),
    ],
    hints=[
        "Momentum above, RMSprop below: m is an average of gradients, v one of their squares.",
        "Both begin with 0, so at first they are too small: divide m by 1 − β₁^t and v by 1 − β₂^t, with t = 1 in the "
        "first step, and keep m and v themselves for the next step.",
        "for t in range(1, steps + 1): slope = …, m = …, v = …, x = x − rate * (m / …) / (np.sqrt(v / …) + …).",
    ],
)

SADDLE = surface("saddle")
NEAR = np.array([-1.0, 1e-3])


def racers(adagrad, rmsprop, adam, steps=40):
    """Return the path of each optimizer from near the saddle, at the rates of point 10."""

    def gradient(x):
        return SADDLE.gradient(np.asarray(x, float))

    return {
        "Adagrad": adagrad(gradient, NEAR, SADDLE.rate("adagrad"), 1e-10, steps),
        "RMSprop": rmsprop(gradient, NEAR, SADDLE.rate("rmsprop"), 0.99, 1e-8, steps),
        "Adam": adam(gradient, NEAR, SADDLE.rate("adam"), 0.9, 0.999, 1e-8, steps),
    }


def reward(adagrad, rmsprop, adam):
    lines = []
    for name, path in racers(adagrad, rmsprop, adam).items():
        away = np.flatnonzero(np.abs(np.asarray(path, float)[:, 1]) > SADDLE.bounds[1][1])
        lines.append(f"{name} leaves the view of the saddle after {away[0]} steps.")
    return lines


def picture(file, adagrad, rmsprop, adam):
    draw_paths(file, "saddle", racers(adagrad, rmsprop, adam))


EXERCISE = Exercise([ADAGRAD, RMSPROP, ADAM], reward, picture)
