"""Check of point 1: differences of polynomials, of which the right ones are known, and descents with their stop."""

import numpy as np

from .checking import Exercise, Task
from .descending import MISTAKES, WALK, Gradient, stopped
from .tools import draw_lines


def f(x):
    return x**3 - 2 * x


def g(x):
    return 5 * x**2 + x


SLOPES = {f: lambda x, h: 3 * x**2 + h**2 - 2, g: lambda x, h: 10 * x + 1}  # of the difference, not of the function


def exact(function, x, h):
    return SLOPES[function](x, h)


SLOPE = Task(
    "slope",
    cases=[(f, 1.0, 0.1), (g, -2.0, 0.25), (f, 0.5, 0.5), (g, 0.0, 0.1)],
    right=exact,
    formula="(f(x + h) − f(x − h)) / 2h",
    mistakes=[
        (
            "the difference is divided by h, expected 2h: the two points are 2h apart",
            lambda f, x, h: 2 * exact(f, x, h),
        ),
        ("/ 2 * h divides by 2 and multiplies by h: write / (2 * h)", lambda f, x, h: h**2 * exact(f, x, h)),
        ("the difference is not divided by 2h", lambda f, x, h: 2 * h * exact(f, x, h)),
        ("the sign is wrong: the value behind is subtracted from the one ahead", lambda f, x, h: -exact(f, x, h)),
        ("the difference is one-sided, expected f at x + h and at x − h", lambda f, x, h: (f(x + h) - f(x)) / h),
        ("the difference is one-sided, expected f at x + h and at x − h", lambda f, x, h: (f(x) - f(x - h)) / h),
        ("the difference is one-sided, expected f at x + h and at x − h", lambda f, x, h: (f(x + h) - f(x)) / (2 * h)),
        ("this is f itself, expected its slope", lambda f, x, h: f(x)),
    ],
    hints=[
        "The slope is how much f changes on the way from a bit before x to a bit after it, per unit of that way.",
        "(f(x + h) − f(x − h)) / 2h: the way is 2h long.",
        "One line: return (f(…) − f(…)) / (…); mind the parentheses around 2 * h.",
    ],
)


BOWL = Gradient("derivative", lambda x: 2.0 * x - 3.0)
STEEP = Gradient("derivative", lambda x: 4.0 * x**3)

DESCEND = Task(
    "descend",
    cases=[(BOWL, 4.0, 0.2, 1e-2), (STEEP, -0.8, 0.1, 1e-1), (BOWL, -2.0, 0.6, 1e-3), (BOWL, 1.5, 0.2, 1e-2)],
    right=stopped(),
    formula="x ← x − rate · derivative(x), until |derivative(x)| < epsilon",
    steps=True,
    mistakes=[
        *MISTAKES,
        (
            "it stops where the slope is negative: compare its absolute value, abs(…), with ε",
            stopped(lambda slope: slope),
        ),
    ],
    hints=WALK,
)


def two_minima(x):
    return 3 * x**4 - 4 * x**3 - 12 * x**2


def paths(slope, descend):
    """Return the paths from four starts on a function with two minima, by the student's slope."""
    return {
        f"from {x0:g}": descend(lambda x: slope(two_minima, x, 1e-5), x0, 0.005, 1e-4) for x0 in (-2.0, -0.5, 0.5, 3.0)
    }


def reward(slope, descend):
    lines = []
    for start, path in paths(slope, descend).items():
        end, value = path[-1], two_minima(path[-1])
        kind = "the global minimum" if value < -30 else "a local minimum"
        lines.append(f"3x⁴ − 4x³ − 12x² {start}: {len(path) - 1} steps to {end:.3f}, {kind}, value {value:.3f}.")
    return [*lines, "The start decides which minimum is found."]


def picture(file, slope, descend):
    lines = {start: np.array(path, float) for start, path in paths(slope, descend).items()}
    draw_lines(file, lines, "step", "$x$")


EXERCISE = Exercise([SLOPE, DESCEND], reward, picture)
