"""Exercise for point 1: gradient descent in one dimension, until the slope is almost zero.

    python examples/lecture/exercises/point01_one_dimension.py [--hint] [--picture]

Where no formula of the derivative is at hand, a difference approximates it:

    f′(x) ≈ (f(x + h) − f(x − h)) / 2h

Gradient descent follows the slope downhill, and stops at the first point where it is shorter than ε:

    x ← x − η · f′(x),    until |f′(x)| < ε

Fill in the two functions and run the file. Once both are right, they descend a function with two minima.
"""

from checks.point01_one_dimension import EXERCISE


def slope(f, x, h):
    """Return the difference above, a number; f is a function of a number."""
    raise NotImplementedError


def descend(derivative, x0, rate, epsilon):
    """Return the path from x0: a list of points, the first of them x0, the last the first with |f′(x)| < epsilon.

    derivative is a function: derivative(x) is f′(x).
    """
    raise NotImplementedError


if __name__ == "__main__":
    EXERCISE.run(slope, descend)
