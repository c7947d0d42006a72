"""Exercise for point 7: noise that leaves a saddle.

    python examples/lecture/exercises/point07_escaping_saddles.py [--hint] [--picture]

Noisy gradient descent adds to each gradient a fresh normal random number per coordinate, of standard deviation σ:

    x_{k+1} = x_k − η · (∇f(x_k) + ξ_k),    ξ_k ~ N(0, σ²)

Perturbed gradient descent (Jin et al.) moves x only where the slope is small, and then waits. In step k: if
‖∇f(x_k)‖ < tolerance, and x was not perturbed in any of the last `wait` steps, add to x a random point of the ball of
radius r; then, in every case, take a step of gradient descent from there:

    x ← x + ξ,    ‖ξ‖ ≤ r;    x ← x − η · ∇f(x)

A random point of the ball has a random direction, that of a vector of normal random numbers, and the distance
r · u^(1/D) from the center, u uniform in [0, 1): volume grows with the D-th power of the radius.

Fill in the three functions and run the file. Once all are right, they leave the saddle of x² − y².
"""

from checks.point07_escaping_saddles import EXERCISE


def noisy_descent(gradient, x0, rate, sigma, steps, generator):
    """Return the path of noisy gradient descent: a list of steps + 1 points, the first of them x0, an array (dim,).

    gradient is a function of a point; generator is np.random.default_rng(…), and all that is random comes from it.
    """
    raise NotImplementedError


def random_in_ball(dim, radius, generator):
    """Return a random point of the ball around 0, (dim,), uniformly distributed."""
    raise NotImplementedError


def perturbed_descent(gradient, x0, rate, radius, tolerance, wait, steps, generator):
    """Return the path of perturbed gradient descent: steps + 1 points; random_in_ball draws the perturbations."""
    raise NotImplementedError


if __name__ == "__main__":
    EXERCISE.run(noisy_descent, random_in_ball, perturbed_descent)
