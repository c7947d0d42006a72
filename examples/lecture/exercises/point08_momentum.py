"""Exercise for point 8: implement momentum and Nesterov's momentum.

    python examples/lecture/exercises/point08_momentum.py [--hint] [--picture]

Momentum sums up the past gradients in a velocity g, which is 0 before the first step; in step t = 1, 2, …

    g_t = β · g_{t−1} + ∇f(x_{t−1}),    x_t = x_{t−1} − η · g_t

Nesterov's momentum looks ahead: with the same g_t,

    x_t = x_{t−1} − η · (∇f(x_{t−1}) + β · g_t)

Fill in the two functions and run the file. Once both are right, they race through a ravine.
"""

from checks.point08_momentum import EXERCISE


def momentum(gradient, x0, rate, beta, steps):
    """Return the path of momentum from x0: a list of steps + 1 points, the first of them x0.

    gradient is a function: gradient(x) is ∇f at the point x, an array like x0.
    """
    raise NotImplementedError


def nesterov(gradient, x0, rate, beta, steps):
    """Return the path of Nesterov's momentum from x0, as above."""
    raise NotImplementedError


if __name__ == "__main__":
    EXERCISE.run(momentum, nesterov)
