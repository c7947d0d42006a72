"""Exercise for point 2: gradient descent in many dimensions.

    python examples/lecture/exercises/point02_many_dimensions.py [--hint] [--picture]

The gradient has one partial derivative per coordinate. With the j-th unit vector e_j, differences approximate it:

    ∂f/∂x_j ≈ (f(x + h e_j) − f(x − h e_j)) / 2h

Gradient descent stops where the norm of the gradient is below ε:

    x ← x − η · ∇f(x),    until ‖∇f(x)‖ = √(Σ_j (∂f/∂x_j)²) < ε

Fill in the two functions and run the file. Once both are right, four starts find four minima of Himmelblau's function.
"""

from checks.point02_many_dimensions import EXERCISE


def numerical_gradient(f, x, h):
    """Return the differences above, (dim,), at x, (dim,); f is a function of an array that returns a number."""
    raise NotImplementedError


def descend(gradient, x0, rate, epsilon):
    """Return the path from x0: a list of points, the first of them x0, the last the first with ‖∇f(x)‖ < epsilon.

    gradient is a function: gradient(x) is ∇f(x), (dim,).
    """
    raise NotImplementedError


if __name__ == "__main__":
    EXERCISE.run(numerical_gradient, descend)
