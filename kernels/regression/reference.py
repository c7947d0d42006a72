"""Losses of regression in NumPy."""

import numpy as np


def huber(p, t, delta):
    d = p - t
    return np.where(np.abs(d) <= delta, 0.5 * d * d, delta * (np.abs(d) - 0.5 * delta))


VALUE = {
    "squared_error": lambda p, t, delta: (p - t) ** 2,
    "absolute_error": lambda p, t, delta: np.abs(p - t),
    "huber": huber,
    "poisson": lambda p, t, delta: np.exp(p) - t * p,
}

GRADIENT = {
    "squared_error": lambda p, t, delta: 2 * (p - t),
    "absolute_error": lambda p, t, delta: np.sign(p - t),
    "huber": lambda p, t, delta: np.clip(p - t, -delta, delta),
    "poisson": lambda p, t, delta: np.exp(p) - t,
}


# e^p of a large p or a norm of 0 yields infinity or NaN without a warning, as in every toolchain.
@np.errstate(divide="ignore", over="ignore", invalid="ignore")
def regression_loss(predictions, targets, sample_weight, norm, losses, dpredictions, *, loss, delta):
    scale = 1 / norm if sample_weight is None else (sample_weight / norm)[:, None]
    losses[...] = scale * VALUE[loss](predictions, targets, delta)
    if dpredictions is not None:
        dpredictions[...] = scale * GRADIENT[loss](predictions, targets, delta)
