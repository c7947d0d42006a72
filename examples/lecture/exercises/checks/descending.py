"""Descents that stop at a short gradient: the right one, and mistakes that points 1 and 2 share."""

from collections.abc import Callable

import numpy as np

from .checking import Endless

LIMIT = 200  # points after which a descent is given up


class Gradient:
    """A gradient that a task passes; it ends a descent that does not stop. Each call of a student gets a new copy."""

    def __init__(self, name: str, function: Callable):
        self.__name__ = name
        self.function = function
        self.calls = 0
        self.seen: list[np.ndarray] = []

    def __call__(self, x):
        self.calls += 1
        if not self.seen or not np.array_equal(self.seen[-1], x, equal_nan=True):  # it may be asked twice per step
            self.seen.append(np.array(x, float))
        if len(self.seen) > LIMIT or self.calls > 5 * LIMIT:  # the second where x never moves
            raise Endless(np.array(self.seen[:LIMIT]))
        return self.function(np.asarray(x, float))


def stopped(size: Callable = np.linalg.norm, update: Callable | None = None, late: int = 0) -> Callable:
    """Return a descent.

    Parameters
    ----------
    size : callable
        Function from the gradient to what is compared with epsilon.
    update : callable
        Function (x, gradient there, rate) to the next x.
    late : int
        Steps after the stop; negative ones are left out.
    """
    update = update or (lambda x, slope, rate: x - rate * slope)

    def path(gradient, x0, rate, epsilon):
        points = [x0]
        while len(points) < LIMIT and size(gradient.function(points[-1])) >= epsilon:
            points.append(update(points[-1], gradient.function(points[-1]), rate))
        for _ in range(late):
            points.append(update(points[-1], gradient.function(points[-1]), rate))
        return np.array(points[: len(points) + min(late, 0)], float)

    return path


def near_enough(gradient, x0, rate, epsilon):
    """Return the path of a descent that compares its last step with epsilon."""
    return stopped(lambda slope: rate * np.linalg.norm(slope))(gradient, x0, rate, epsilon)


MISTAKES = [
    ("the steps go uphill, subtract instead of adding", stopped(update=lambda x, slope, rate: x + rate * slope)),
    ("the rate is not used, multiply the gradient by it", stopped(update=lambda x, slope, rate: x - slope)),
    ("it goes one step too far: the path ends with the first point where the slope is below ε", stopped(late=1)),
    ("the last point is missing: the path ends with the first point where the slope is below ε", stopped(late=-1)),
    ("it stops where its steps are below ε, expected where the slope is: without the rate", near_enough),
]
WALK = [
    "The number of steps is not known beforehand: go on while the slope is steep.",
    "While |f′(x)| ≥ ε, or in many dimensions ‖∇f(x)‖ ≥ ε: x ← x − η times it, and x goes into the path.",
    "path = [x0]; while … >= epsilon: path.append(…); return path. The loop asks for the slope at path[-1].",
]
