"""Activations in NumPy."""

import numpy as np


def sigmoid(z):
    """Return 1 / (1 + e^−z), in the form that does not overflow."""
    small = np.exp(-np.abs(z))
    return np.where(z >= 0, 1 / (1 + small), small / (1 + small)).astype(z.dtype)


def normal_cdf(z):
    from scipy.special import ndtr  # late: SciPy is slow to import; scikit-learn requires it

    return ndtr(z)


def normal_density(z):
    return np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi).astype(z.dtype)


FORWARD = {
    "identity": lambda z, slope: z,
    "relu": lambda z, slope: np.maximum(z, 0),
    "leaky_relu": lambda z, slope: np.where(z > 0, z, z * z.dtype.type(slope)),
    "tanh": lambda z, slope: np.tanh(z),
    "sigmoid": lambda z, slope: sigmoid(z),
    "gelu": lambda z, slope: z * normal_cdf(z),
    "silu": lambda z, slope: z * sigmoid(z),
}

# From the output y, or from the input z if the activation saves it.
DERIVATIVE = {
    "identity": lambda y, slope: np.ones_like(y),
    "relu": lambda y, slope: (y > 0).astype(y.dtype),
    "leaky_relu": lambda y, slope: np.where(y > 0, y.dtype.type(1), y.dtype.type(slope)),
    "tanh": lambda y, slope: 1 - y * y,
    "sigmoid": lambda y, slope: y * (1 - y),
    "gelu": lambda z, slope: normal_cdf(z) + z * normal_density(z),
    "silu": lambda z, slope: sigmoid(z) * (1 + z * (1 - sigmoid(z))),
}


def activation_forward(z, y, *, activation, negative_slope):
    y[...] = FORWARD[activation](z, negative_slope)


def activation_backward(dy, saved, dz, *, activation, negative_slope):
    dz[...] = dy * DERIVATIVE[activation](saved, negative_slope)
