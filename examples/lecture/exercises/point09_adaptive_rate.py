"""Exercise for point 9: a learning rate that the gradients set.

    python examples/lecture/exercises/point09_adaptive_rate.py [--hint] [--picture]

Add up the squared norms of all gradients so far, the current one included; in step t = 1, 2, …, with s_0 = 0

    s_t = s_{t−1} + ‖∇f(x_{t−1})‖²,    x_t = x_{t−1} − η / √(ε + s_t) · ∇f(x_{t−1})

It is one rate for all coordinates: ‖v‖² = v_1² + … + v_D². The small ε prevents a division by zero.

Fill in the two functions and run the file. Once both are right, the descent tries nineteen rates in a ravine.
"""

from checks.point09_adaptive_rate import EXERCISE


def adaptive_rates(gradients, rate, epsilon):
    """Return η / √(ε + s_t) for each of several gradients, (steps,); gradients is (steps, dim)."""
    raise NotImplementedError


def adaptive_descent(gradient, x0, rate, epsilon, steps):
    """Return the path from x0: a list of steps + 1 points, the first of them x0; gradient is a function of a point."""
    raise NotImplementedError


if __name__ == "__main__":
    EXERCISE.run(adaptive_rates, adaptive_descent)
