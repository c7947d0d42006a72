"""Check of point 8: momentum, in the form that optim.SGD has."""

import numpy as np

import gpugrad as gg

from .checking import Exercise, Task
from .tools import RAVINE, WELL, draw_paths, path_of, walk

START, RATE = np.array([-5.0, 1.0]), 0.03  # Nesterov's momentum of 0.6 is stable below 0.036
CASES = [
    (RAVINE, START, 0.048, 0.6, 5),
    (WELL, np.array([0.3, 1.2]), 0.05, 0.9, 4),
    (RAVINE, np.array([1.0, -0.5]), 0.01, 0.5, 3),
    (RAVINE, START, 0.048, 0.0, 3),
    (WELL, np.array([1.0, 1.0]), 0.05, 0.9, 0),
]
COMMON = [
    (
        "the velocity is lost after each step, which makes it gradient descent: set it to 0 once, before the loop",
        walk(lambda x, g, f, rate, beta: (x - rate * f(x), g)),
    ),
    (
        "the velocity is a moving average, β · g + (1 − β) · ∇f, expected the sum β · g + ∇f",
        walk(lambda x, g, f, rate, beta: (x - rate * (g := beta * g + (1 - beta) * f(x)), g)),
    ),
    (
        "β and 1 − β are mixed up: the velocity is β · g + ∇f",
        walk(lambda x, g, f, rate, beta: (x - rate * (g := (1 - beta) * g + beta * f(x)), g)),
    ),
    (
        "β multiplies the gradient, expected it at the old velocity: β · g + ∇f",
        walk(lambda x, g, f, rate, beta: (x - rate * (g := g + beta * f(x)), g)),
    ),
    (
        "the old velocity is not multiplied by β",
        walk(lambda x, g, f, rate, beta: (x - rate * (g := g + f(x)), g)),
    ),
    (
        "the rate is applied twice: either in the velocity or in the step, and here in the step",
        walk(lambda x, g, f, rate, beta: (x - rate * (g := beta * g + rate * f(x)), g)),
    ),
    (
        "the rate is not used, multiply the velocity by it",
        walk(lambda x, g, f, rate, beta: (x - (g := beta * g + f(x)), g)),
    ),
    (
        "each step uses the velocity of the step before, renew it first",
        walk(lambda x, g, f, rate, beta: (x - rate * g, beta * g + f(x))),
    ),
]


def at_the_start(gradient, x0, rate, beta, steps):
    return walk(lambda x, g, f, rate, beta: (x - rate * (g := beta * g + f(x0)), g))(gradient, x0, rate, beta, steps)


MOMENTUM = Task(
    "momentum",
    cases=CASES,
    right=lambda f, x0, rate, beta, steps: path_of(f, x0, "sgd", steps, lr=rate, momentum=beta),
    formula="g ← β · g + ∇f(x), then x ← x − η · g",
    steps=True,
    mistakes=[
        (
            "the steps go uphill, subtract η · g instead of adding it",
            walk(lambda x, g, f, rate, beta: (x + rate * (g := beta * g + f(x)), g)),
        ),
        *COMMON,
        ("the gradient is always the one at x0, expected the one at the current point", at_the_start),
        (
            "this is Nesterov's momentum, expected plain momentum",
            walk(lambda x, g, f, rate, beta: (x - rate * (f(x) + beta * (g := beta * g + f(x))), g)),
        ),
    ],
    hints=[
        "Keep two things from step to step: the point and the velocity, which never forgets all of its past.",
        "First g ← β · g + ∇f(x), then x ← x − η · g; g is 0 at the beginning.",
        "Before the loop: path = […] and a velocity of zeros like x0. In the loop two assignments, velocity = … and "
        "x = …, then path.append(x).",
    ],
)
NESTEROV = Task(
    "nesterov",
    cases=CASES,
    right=lambda f, x0, rate, beta, steps: path_of(
        f, x0, "sgd", steps, lr=rate, momentum=beta, **({"nesterov": True} if beta else {})
    ),
    formula="g ← β · g + ∇f(x), then x ← x − η · (∇f(x) + β · g)",
    steps=True,
    mistakes=[
        (
            "this is plain momentum, expected the step along ∇f + β · g",
            walk(lambda x, g, f, rate, beta: (x - rate * (g := beta * g + f(x)), g)),
        ),
        (
            "the step goes along β · g alone, add the gradient",
            walk(lambda x, g, f, rate, beta: (x - rate * beta * (g := beta * g + f(x)), g)),
        ),
        (
            "the step goes along ∇f + g, expected ∇f + β · g",
            walk(lambda x, g, f, rate, beta: (x - rate * (f(x) + (g := beta * g + f(x))), g)),
        ),
        (
            "the gradient is taken at x − η · β · g, which is Nesterov's original form: here it is taken at x, and the "
            "step looks ahead",
            walk(lambda x, g, f, rate, beta: (x - rate * (g := beta * g + f(x - rate * beta * g)), g)),
        ),
        (
            "the steps go uphill, subtract instead of adding",
            walk(lambda x, g, f, rate, beta: (x + rate * (f(x) + beta * (g := beta * g + f(x))), g)),
        ),
        *COMMON[:2],
    ],
    hints=[
        "The velocity is that of momentum; only the step is another: it looks ahead to the next velocity.",
        "After g ← β · g + ∇f(x), the step is x ← x − η · (∇f(x) + β · g), with the same gradient twice.",
        "Copy momentum, store the gradient of the step in a variable, and change the line x = ….",
    ],
)


def steps_to_rest(path):
    """Return the first step at which the norm of the gradient is below 1e-4, or None."""
    norms = np.linalg.norm(RAVINE(np.array(path, float)), axis=1)
    return int(np.argmax(norms < 1e-4)) if (norms < 1e-4).any() else None


def reward(momentum, nesterov):
    """Return steps to the minimum of a ravine, and what gg.minimize says of the first."""
    lines = []
    for name, descend, beta in (
        ("gradient descent", momentum, 0.0),
        ("momentum", momentum, 0.6),
        ("Nesterov", nesterov, 0.6),
    ):
        steps = steps_to_rest(descend(RAVINE, START, RATE, beta, 600))
        lines.append(f"{name}, β = {beta:g}: {steps} steps through the ravine with η = {RATE}.")
    path = gg.minimize("ravine", START, "sgd", lr=RATE, momentum=0.6, tol=1e-4)
    return [*lines, f"gg.minimize, β = 0.6: {path.verdict} after {path.steps} steps; {path.reason}."]


def picture(file, momentum, nesterov):
    paths = {
        "gradient descent": momentum(RAVINE, START, RATE, 0.0, 60),
        "momentum, β = 0.6": momentum(RAVINE, START, RATE, 0.6, 60),
        "Nesterov, β = 0.6": nesterov(RAVINE, START, RATE, 0.6, 60),
    }
    draw_paths(file, "ravine", paths)


EXERCISE = Exercise([MOMENTUM, NESTEROV], reward, picture)
