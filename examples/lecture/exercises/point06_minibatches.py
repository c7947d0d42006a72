"""Exercise for point 6: minibatches, and gradient descent with them.

    python examples/lecture/exercises/point06_minibatches.py [--hint] [--picture]

In an epoch, each of n rows is used once, in a random order: the first minibatch has the first `size` rows of that
order, the next one the next, and the last one those that are left. If B batches have n_b rows and the gradients g_b,
which are means over their rows, the gradient of all n rows is

    ∇L = Σ_b (n_b / n) g_b

Stochastic gradient descent takes one step per batch, here with a rate that falls; in step k = 0, 1, 2, …

    θ_{k+1} = θ_k − η / (1 + d·k) · ∇L_b(θ_k)

Fill in the three functions and run the file. Once all are right, they fit a line to points.
"""

from checks.point06_minibatches import EXERCISE


def minibatches(n, size, generator):
    """Return the minibatches of an epoch, a list of arrays of row numbers from 0 to n − 1.

    generator is np.random.default_rng(…): all that is random comes from it, from generator.permutation(n) for instance.
    """
    raise NotImplementedError


def mean_gradient(gradients, sizes):
    """Return the gradient of all rows, (dim,), from those of B batches, (B, dim), with that many rows each, (B,)."""
    raise NotImplementedError


def sgd(gradient, theta, batches, rate, decay):
    """Return the path of one step per batch: a list of len(batches) + 1 points, the first of them theta.

    gradient is a function: gradient(theta, rows) is the mean gradient of these rows.
    """
    raise NotImplementedError


if __name__ == "__main__":
    EXERCISE.run(minibatches, mean_gradient, sgd)
