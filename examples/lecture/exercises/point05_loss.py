"""Exercise for point 5: the loss of a classifier, and its gradient.

    python examples/lecture/exercises/point05_loss.py [--hint] [--picture]

A linear classifier turns a row x_i into one number per class, z_i = W x_i. Softmax makes them probabilities, and the
cross-entropy compares these with the right class, which is the 1 in y_i:

    softmax(z)_j = exp(z_j) / Σ_k exp(z_k)
    L(W) = −(1/n) Σ_i y_iᵀ log softmax(W x_i)
    ∇L(W) = (1/n) Σ_i (softmax(W x_i) − y_i) x_iᵀ,    the mean of the gradients of the rows

exp(1000) overflows. Softmax stays the same when a number is subtracted from all z_j: subtract the largest.

Fill in the three functions and run the file. Once all are right, they train a classifier of handwritten digits.
"""

from checks.point05_loss import EXERCISE


def softmax(z):
    """Return the probabilities of n rows, (n, n_classes), each row with the sum 1; z has the same shape."""
    raise NotImplementedError


def cross_entropy(z, y):
    """Return the mean cross-entropy of n rows, a number; z and y are (n, n_classes), a row of y has a single 1."""
    raise NotImplementedError


def gradient(W, x, y):
    """Return ∇L(W), (n_classes, n_inputs); x is (n, n_inputs), y is (n, n_classes)."""
    raise NotImplementedError


if __name__ == "__main__":
    EXERCISE.run(softmax, cross_entropy, gradient)
