"""Check of point 3: gradient descent on x², whose path is x₀ · (1 − 2η)^k."""

import numpy as np

import gpugrad as gg

from .checking import Exercise, Task
from .tools import draw_lines

RATES = (0.1, 0.01, 1, 100, 1000)


def powers(factor):
    """Return the path x₀ · factor^k; the factor depends on the rate."""
    return lambda x0, rate, steps: np.multiply.outer(factor(rate) ** np.arange(steps + 1), x0)


GRADIENT = Task(
    "gradient",
    cases=[(3.0,), (1.0,), (0.5,), (-2.0,), (0.0,), (np.array([3.0, 1.0, 0.5, -2.0, 0.0]),)],
    right=lambda x: 2 * x,
    formula="the derivative of x² is 2x, of each number if x is an array",
    mistakes=[
        ("the sign is wrong, the gradient points uphill and the step subtracts it", lambda x: -2 * x),
        ("this is f itself, expected its derivative", lambda x: x**2),
        ("the factor of x is 1, expected 2", lambda x: x),
        ("the factor of x is 4, expected 2", lambda x: 4 * x),
    ],
    hints=[
        "The derivative says how much f changes when x changes a little.",
        "The derivative of xⁿ is n · xⁿ⁻¹.",
        "One line: return a number times x; it works for arrays too.",
    ],
)
DESCEND = Task(
    "descend",
    cases=[(3.0, 0.1, 5), (-2.0, 0.3, 3), (1.0, 1.0, 4), (1.5, 0.25, 0), (np.array([1.0, -2.0]), 0.1, 3)],
    right=powers(lambda rate: 1 - 2 * rate),
    formula="x ← x − rate · gradient(x)",
    steps=True,
    mistakes=[
        ("the steps go uphill, subtract rate · gradient(x) instead of adding it", powers(lambda rate: 1 + 2 * rate)),
        ("the rate is not used, multiply the gradient by it", powers(lambda rate: -1.0)),
        (
            "each step uses the gradient at x0, expected the gradient at the current point",
            lambda x0, rate, steps: np.multiply.outer(1 - 2 * rate * np.arange(steps + 1), x0),
        ),
        ("each step subtracts rate · x, expected rate · gradient(x)", powers(lambda rate: 1 - rate)),
    ],
    hints=[
        "Each step goes from the last point of the path against the gradient there, by a distance set by the rate.",
        "x_{k+1} = x_k − rate · gradient(x_k); the path begins with x0.",
        "Begin with path = [x0]; a loop over the steps appends to it what the formula makes of path[-1]; return path.",
    ],
)


class Parabola:
    """The function f(x) = x² with the student's gradient, for gg.minimize."""

    def __init__(self, gradient):
        self.grad = gradient

    def __call__(self, x):
        return (x**2).sum(axis=-1)


def reward(gradient, descend):
    """Return one line per learning rate: how the descent ended, and why."""
    paths = gg.minimize(Parabola(gradient), [1.0], lr=list(RATES), max_steps=100)
    for path in paths:
        assert np.allclose(descend(1.0, path.lr, path.steps), path.points[:, 0]), "descend and gg.minimize disagree"
    return [f"η = {path.lr:g}: {path.verdict}; {path.reason}." for path in paths]


def picture(file, gradient, descend):
    lines = {f"η = {rate:g}": np.abs(descend(1.0, rate, 30)) for rate in RATES}
    draw_lines(file, lines, "step", "$|x|$", yscale="log", ylim=(1e-3, 1e12))


EXERCISE = Exercise([GRADIENT, DESCEND], reward, picture)
