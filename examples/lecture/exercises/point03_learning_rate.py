"""Exercise for point 3: implement gradient descent on f(x) = x².

    python examples/lecture/exercises/point03_learning_rate.py [--hint] [--picture]

Fill in the two functions and run the file. It reports in one sentence what is wrong, and with --hint prints the next
hint. Once both are right, it reports how a descent ends with each of five learning rates, and why.

    x_{k+1} = x_k − η · f′(x_k)
"""

from checks.point03_learning_rate import EXERCISE


def gradient(x):
    """Return the derivative of f(x) = x² at x, a number or an array of them."""
    raise NotImplementedError


def descend(x0, rate, steps):
    """Return the path of gradient descent from x0: a list of steps + 1 points, the first of them x0."""
    raise NotImplementedError


if __name__ == "__main__":
    EXERCISE.run(gradient, descend)
