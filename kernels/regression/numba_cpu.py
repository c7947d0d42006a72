"""Regression losses compiled for the CPU: one flat loop per loss, vectorized for any number of outputs."""

from ..cpu.exp import exp_negative
from ..cpu.options import compile_cpu
from ..cpu.program import loops_only
from ..cpu.team import LIGHT, spread


@compile_cpu
def _squared_error(predictions, targets, losses, gradient, norm, delta):
    number = losses.dtype.type
    scale, two = number(1) / norm[0], number(2)
    for i in range(losses.size):
        d = predictions[i] - targets[i]
        losses[i] = scale * d * d
        if gradient is not None:
            gradient[i] = two * scale * d


@compile_cpu
def _absolute_error(predictions, targets, losses, gradient, norm, delta):
    number = losses.dtype.type
    scale, zero = number(1) / norm[0], number(0)
    for i in range(losses.size):
        d = predictions[i] - targets[i]
        losses[i] = scale * abs(d)
        if gradient is not None:
            gradient[i] = scale if d > zero else (-scale if d < zero else d)  # d is 0 or NaN


@compile_cpu
def _huber(predictions, targets, losses, gradient, norm, delta):
    number = losses.dtype.type
    scale, half = number(1) / norm[0], number(0.5)
    for i in range(losses.size):
        d = predictions[i] - targets[i]
        quadratic, linear = half * d * d, delta * (abs(d) - half * delta)
        losses[i] = scale * (quadratic if abs(d) <= delta else linear)
        if gradient is not None:
            gradient[i] = scale * (delta if d > delta else (-delta if d < -delta else d))


@compile_cpu
def _poisson(predictions, targets, losses, gradient, norm, delta):
    one = losses.dtype.type(1)
    scale = one / norm[0]
    for i in range(losses.size):
        p, t = predictions[i], targets[i]
        small = exp_negative(-abs(p))
        mean = small if p < 0 else one / small
        losses[i] = scale * (mean - t * p)
        if gradient is not None:
            gradient[i] = scale * (mean - t)


@compile_cpu
def _weight_rows(sample_weight, losses, gradient):
    for i in range(losses.shape[0]):
        for j in range(losses.shape[1]):
            losses[i, j] *= sample_weight[i]
            if gradient is not None:
                gradient[i, j] *= sample_weight[i]


UNWEIGHTED = {
    "squared_error": _squared_error,
    "absolute_error": _absolute_error,
    "huber": _huber,
    "poisson": _poisson,
}


@loops_only
def regression_loss(predictions, targets, sample_weight, norm, losses, dpredictions, *, loss, delta):
    gradient = None if dpredictions is None else dpredictions.reshape(-1)
    flat = (predictions.reshape(-1), targets.reshape(-1), losses.reshape(-1), gradient)
    spread(UNWEIGHTED[loss], flat, norm, losses.dtype.type(delta))
    if sample_weight is not None:
        spread(_weight_rows, (sample_weight, losses, dpredictions), width=losses.shape[1], speed=LIGHT)
