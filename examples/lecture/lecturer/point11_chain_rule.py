"""Solution of the exercise for point 11."""

import numpy as np


def jacobian_of_log(z):
    return np.diag(1 / z)


def jacobian_of_softmax(z):
    p = np.exp(z) / np.exp(z).sum()
    return np.diag(p) - np.outer(p, p)


def jacobian_of_relu(z):
    return np.diag(np.where(z > 0, 1.0, 0.0))


def factors(x, y, W0, W1):
    u6 = W0 @ x
    u5 = np.maximum(u6, 0)
    u4 = W1 @ u5
    u3 = np.exp(u4) / np.exp(u4).sum()
    return [
        np.eye(1),
        -y[None, :],
        jacobian_of_log(u3),
        jacobian_of_softmax(u4),
        W1,
        jacobian_of_relu(u6),
        np.kron(np.eye(len(W0)), x),
    ]
