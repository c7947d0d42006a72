"""Check of point 2: differences of polynomials, of which the right ones are known, and descents with their stop."""

import numpy as np

import gpugrad as gg
from gpugrad.lab import surface

from .checking import Exercise, Task
from .descending import MISTAKES, WALK, Gradient, stopped
from .tools import draw_paths

HIMMELBLAU = surface("himmelblau")


def f(x):
    return x[0] ** 2 * x[1] + 3 * x[1] ** 2


def g(x):
    return x[0] * x[1] * x[2] + x[0] ** 3


GRADIENTS = {  # of the differences, not of the functions
    f: lambda x, h: np.array([2 * x[0] * x[1], x[0] ** 2 + 6 * x[1]]),
    g: lambda x, h: np.array([x[1] * x[2] + 3 * x[0] ** 2 + h**2, x[0] * x[2], x[0] * x[1]]),
}


def exact(function, x, h):
    return GRADIENTS[function](x, h)


def moved(difference):
    """Return a wrong gradient whose number j is `difference(f, x, h·e_j, h)`."""
    return lambda f, x, h: np.array([difference(f, x, e, h) for e in h * np.eye(len(x))])


ONE_SIDED = "the difference is one-sided, expected f at x + h e_j and at x − h e_j"
NUMERICAL = Task(
    "numerical_gradient",
    cases=[
        (f, np.array([1.0, -2.0]), 0.1),
        (g, np.array([1.0, 2.0, -0.5]), 0.25),
        (f, np.array([0.0, 0.5]), 0.5),
    ],
    right=exact,
    formula="number j is (f(x + h e_j) − f(x − h e_j)) / 2h",
    mistakes=[
        (
            "the difference is divided by h, expected 2h: the two points are 2h apart",
            lambda f, x, h: 2 * exact(f, x, h),
        ),
        ("/ 2 * h divides by 2 and multiplies by h: write / (2 * h)", lambda f, x, h: h**2 * exact(f, x, h)),
        ("the difference is not divided by 2h", lambda f, x, h: 2 * h * exact(f, x, h)),
        ("the sign is wrong: the value behind is subtracted from the one ahead", lambda f, x, h: -exact(f, x, h)),
        (ONE_SIDED, moved(lambda f, x, e, h: (f(x + e) - f(x)) / h)),
        (ONE_SIDED, moved(lambda f, x, e, h: (f(x) - f(x - e)) / h)),
        (ONE_SIDED, moved(lambda f, x, e, h: (f(x + e) - f(x)) / (2 * h))),
        (
            "all coordinates are moved at once, expected one at a time: x + h e_j",
            moved(lambda f, x, e, h: (f(x + h) - f(x - h)) / (2 * h)),
        ),
        (
            "a coordinate stays where it was moved: give it back its value, or move a copy of x",
            lambda f, x, h: np.array(
                [
                    (f(x + e + np.tri(len(x), k=-1)[j] * -h) - f(x - e + np.tri(len(x), k=-1)[j] * -h)) / (2 * h)
                    for j, e in enumerate(h * np.eye(len(x)))
                ]
            ),
        ),
        ("this is the sum of the partial derivatives, expected each of them", lambda f, x, h: exact(f, x, h).sum()),
        ("this is the norm of the gradient, expected the vector", lambda f, x, h: np.linalg.norm(exact(f, x, h))),
    ],
    hints=[
        "Each number says how f changes when one coordinate changes and the others stay.",
        "Number j: f at x + h e_j, minus f at x − h e_j, divided by 2h; np.eye(len(x)) has the e_j.",
        "A list with … for e in np.eye(len(x)), made an array by np.array(…).",
    ],
)

BOWL = Gradient("gradient", lambda x: np.array([2.0, 6.0]) * (x - np.array([1.0, -1.0])))
STEEP = Gradient("gradient", lambda x: 4.0 * x**3)
DESCEND = Task(
    "descend",
    cases=[
        (BOWL, np.array([3.0, 0.5]), 0.1, 0.5),
        (BOWL, np.array([-2.0, -2.0]), 0.2, 1e-2),
        (STEEP, np.array([-0.6, 0.6, -0.5]), 0.1, 0.2),
        (BOWL, np.array([1.0, -1.0]), 0.1, 0.1),
    ],
    right=stopped(),
    formula="x ← x − rate · gradient(x), until the norm of gradient(x) is below epsilon",
    steps=True,
    mistakes=[
        *MISTAKES,
        ("it compares the largest coordinate with ε, expected the norm", stopped(lambda slope: np.abs(slope).max())),
        ("it stops when one coordinate is below ε, expected the norm", stopped(lambda slope: np.abs(slope).min())),
        (
            "it compares the sum of the absolute values with ε, expected the norm",
            stopped(lambda slope: np.abs(slope).sum()),
        ),
        ("it compares the sum of the coordinates with ε, expected the norm", stopped(np.sum)),
        ("it compares the squared norm with ε, expected its root", stopped(lambda slope: np.sum(slope**2))),
        ("it compares the mean of the squares with ε, expected the norm", stopped(lambda slope: np.mean(slope**2))),
    ],
    hints=WALK,
)
STARTS = ((0.3, 0.2), (-1.0, 0.5), (-0.6, -2.2), (0.9, -2.4))


def value(x):
    return float(HIMMELBLAU(gg.tensor(np.asarray(x, float))).numpy())


def paths(numerical_gradient, descend):
    """Return four paths on Himmelblau's function, by the student's gradient."""
    return [
        np.array(descend(lambda x: np.asarray(numerical_gradient(value, x, 1e-5)), np.array(start), 0.01, 1e-3), float)
        for start in STARTS
    ]


def reward(numerical_gradient, descend):
    lines = []
    for path in paths(numerical_gradient, descend):
        start, end = (f"({point[0]:.2f}, {point[1]:.2f})".replace("-", "−") for point in (path[0], path[-1]))
        nearest = np.linalg.norm(np.array(HIMMELBLAU.minima) - path[-1], axis=1).min()
        lines.append(f"Himmelblau from {start}: {len(path) - 1} steps to {end}, {nearest:.0e} from a minimum.")
    return lines


def picture(file, numerical_gradient, descend):
    found = paths(numerical_gradient, descend)
    draw_paths(file, "himmelblau", {f"{len(path) - 1} steps": path for path in found})


EXERCISE = Exercise([NUMERICAL, DESCEND], reward, picture)
