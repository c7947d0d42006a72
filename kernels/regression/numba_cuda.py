"""Losses of regression in Numba CUDA: a grid-stride loop; all threads branch to the same loss."""

import numpy as np

from ..numba_cuda.device import HALF, ONE, TWO, ZERO, device_function, exp, weight_at
from ..numba_cuda.launch import THREADS, blocks, cuda, launch
from . import LOSSES

KIND = {name: np.int32(i) for i, name in enumerate(LOSSES)}
SQUARED_ERROR, ABSOLUTE_ERROR, HUBER = KIND["squared_error"], KIND["absolute_error"], KIND["huber"]


@device_function
def value_and_slope(kind, prediction, target, delta):
    """Return the loss and its derivative, unweighted."""
    d = prediction - target
    if kind == SQUARED_ERROR:
        value, slope = d * d, TWO * d
    elif kind == ABSOLUTE_ERROR:
        value = abs(d)
        slope = ONE if d > ZERO else (-ONE if d < ZERO else d)  # d is 0 or NaN
    elif kind == HUBER:
        value = HALF * d * d if abs(d) <= delta else delta * (abs(d) - HALF * delta)
        slope = delta if d > delta else (-delta if d < -delta else d)
    else:
        mean = exp(prediction)
        value, slope = mean - target * prediction, mean - target
    return value, slope


@cuda.jit
def regression_loss_kernel(predictions, targets, sample_weight, norm, losses, dpredictions, kind, delta, n_out):
    for i in range(cuda.grid(1), losses.size, cuda.gridsize(1)):
        scale = weight_at(sample_weight, i // n_out) / norm[0]
        value, slope = value_and_slope(kind, predictions[i], targets[i], delta)
        losses[i] = scale * value
        if dpredictions.size > 0:
            dpredictions[i] = scale * slope


def regression_loss(predictions, targets, sample_weight, norm, losses, dpredictions, *, loss, delta):
    gradient = None if dpredictions is None else dpredictions.reshape(-1)
    flat = (predictions.reshape(-1), targets.reshape(-1), sample_weight, norm, losses.reshape(-1), gradient)
    scalars = (KIND[loss], np.float32(delta), np.int32(predictions.shape[1]))
    launch(regression_loss_kernel, blocks(losses.size), THREADS, *flat, *scalars)
