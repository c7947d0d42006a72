"""Exercise: implement gradient descent on f(x) = x².

    python examples/lecture/exercise.py

Fill in the two functions and run the file. It reports in one sentence what is wrong. Once both are right, it reports
how a descent ends with each of five learning rates, and why.
"""

import copy
import sys

import numpy as np

import gpugrad as gg


def gradient(x):
    """Return the derivative of f(x) = x² at x."""
    raise NotImplementedError


def descend(x0, rate, steps):
    """Return the path of gradient descent from x0: a list of steps + 1 points, the first of them x0."""
    raise NotImplementedError


# ---- the code below checks the two functions above; do not change it ----

RATES = (0.1, 0.01, 1, 100, 1000)
POINTS = (3.0, 1.0, 0.5, -2.0, 0.0)
CASES = ((3.0, 0.1, 5), (-2.0, 0.3, 3), (1.0, 1.0, 4), (1.5, 0.25, 0))


def check(gradient, descend):
    """Return what is wrong with these two functions, in one sentence; None if both are right."""
    return check_gradient(gradient) or check_descend(descend)


def check_gradient(gradient):
    for x in POINTS:
        value, wrong = _called("gradient", gradient, x)
        if wrong:
            return wrong
        if (number := _number(value)) is None:
            return f"gradient({x:g}) returned {value!r}, expected a number: the derivative of x² at x = {x:g}."
        if not np.isclose(number, 2 * x):
            return f"gradient({x:g}) returned {number:g}, expected {2 * x:g}: {_why_gradient(number, x)}."
    given = np.array(POINTS)
    value, wrong = _called("gradient", gradient, given)
    if wrong is None and not np.array_equal(given, POINTS):
        return "gradient changed its argument: return a new array, as 2 * x does, instead of x *= 2."
    if wrong is None and (np.shape(value) != given.shape or not np.allclose(value, 2 * given)):
        return "gradient is right for a number but not for an array of them: leave out branches and float()."
    return wrong


def check_descend(descend):
    for x0, rate, steps in CASES:
        call = f"descend({x0:g}, {rate:g}, {steps})"
        value, wrong = _called("descend", descend, x0, rate, steps)
        if wrong:
            return wrong
        if (path := _path(value)) is None:
            return f"{call} returned {_short(value)}, expected the path: a list of {steps + 1} numbers."
        if wrong := _why_path(path, call, x0, rate, steps):
            return wrong
        again = _path(_called("descend", descend, x0, rate, steps)[0])
        if again is None or not np.array_equal(again, path):
            return f"{call} returned another path when it was called again: make the list inside the function."
        start = np.array([x0])
        _, wrong = _called("descend", descend, start, rate, steps)
        if wrong:
            return wrong
        if start[0] != x0:
            return "descend changed its argument x0: write x = x - …, which creates a new array, instead of x -= …."
    return None


def _called(name, function, *arguments):
    """Return the result of a call, and what is wrong with it; overflow is not an error here."""
    try:
        with np.errstate(all="ignore"):
            value = function(*copy.copy(arguments))
    except NotImplementedError:
        return None, f"{name} is not filled in yet: replace its last line."
    except Exception as error:
        given = ", ".join(map(_short, arguments))
        return None, f"{name}({given}) raised {type(error).__name__}: {error}."
    if value is None:
        return None, f"{name} returned None, expected a value: end it with return."
    return value, None


def _why_gradient(number, x):
    if np.isclose(number, -2 * x):
        return "the sign is wrong, the gradient points uphill and the step subtracts it"
    if np.isclose(number, x**2):
        return "this is f itself, expected its derivative"
    if x and np.isclose(number / x, round(number / x)):
        return f"the factor of x is {number / x:g}, expected 2"
    return "the derivative of x² is 2x"


def _why_path(path, call, x0, rate, steps):
    """Return the first thing that is wrong with a path, or None."""
    right = _right(x0, rate, steps + 1)
    if len(path) != steps + 1:
        if len(path) == steps and np.allclose(path, right[1:-1]):
            return f"{call} left out the start: expected {steps + 1} points, the first of them x0 = {x0:g}."
        if len(path) in (steps, steps + 2) and np.allclose(path, right[: len(path)]):
            less = "one step fewer" if len(path) == steps else "one step more"
            return f"{call} took {less} than it should: expected {steps + 1} points, it returned {len(path)}."
        return f"{call} returned {len(path)} points, expected {steps + 1}: the start and one per step."
    if path[0] != x0:
        return f"{call} starts at {path[0]:g}, expected x0 = {x0:g}: put x0 into the list before the first step."
    if np.allclose(path, right[:-1]):
        return None
    for words, other in _mistakes(x0, rate, steps):
        if np.allclose(path, other):
            return f"{call}: {words}."
    where = int(np.argmin(np.isclose(path, right[:-1])))
    return f"{call}: after step {where} x is {path[where]:g}, expected {right[where]:g}: x ← x − rate · gradient(x)."


def _right(x0, rate, steps):
    return x0 * (1 - 2 * rate) ** np.arange(steps + 1)


def _mistakes(x0, rate, steps):
    """Yield common mistakes, each with the path that it leads to."""
    k = np.arange(steps + 1)
    yield "the steps go uphill, subtract rate · gradient(x) instead of adding it", x0 * (1 + 2 * rate) ** k
    yield "the rate is not used, multiply the gradient by it", x0 * (-1.0) ** k
    yield "each step uses the gradient at x0, expected the gradient at the current point", x0 * (1 - 2 * rate * k)
    yield "each step subtracts rate · x, expected rate · gradient(x)", x0 * (1 - rate) ** k
    yield "the point never moves, assign the new x before the next step", np.full(steps + 1, x0)


def _number(value):
    """Return the value as a finite float, or None."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None


def _path(value):
    """Return the value as an array of finite numbers, or None."""
    try:
        path = np.asarray(value, float)
    except (TypeError, ValueError):
        return None
    return path if path.ndim == 1 and len(path) and np.isfinite(path).all() else None


def _short(value):
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}…"


class Parabola:
    """The function f(x) = x² with the student's gradient, for gg.minimize."""

    def __init__(self, gradient):
        self.grad = gradient

    def __call__(self, x):
        return (x**2).sum(axis=-1)


def verdicts(gradient, descend):
    """Return one line per learning rate: how the descent ended, and why."""
    paths = gg.minimize(Parabola(gradient), [1.0], lr=list(RATES), max_steps=100)
    for path in paths:
        assert np.allclose(descend(1.0, path.lr, path.steps), path.points[:, 0]), "descend and gg.minimize disagree"
    return [f"η = {path.lr:g}: {path.verdict}; {path.reason}." for path in paths]


def main():
    wrong = check(gradient, descend)
    if wrong:
        sys.exit(wrong)
    print("Both functions are right.")
    print(*verdicts(gradient, descend), sep="\n")


if __name__ == "__main__":
    main()
