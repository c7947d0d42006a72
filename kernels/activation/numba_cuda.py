"""Activations in Numba CUDA: a grid-stride loop; all threads branch to the same activation."""

import numpy as np

from ..numba_cuda.device import HALF, ONE, ZERO, device_function, erfc, exp, tanh
from ..numba_cuda.launch import THREADS, blocks, cuda, launch
from . import ACTIVATIONS

KIND = {name: np.int32(i) for i, name in enumerate(ACTIVATIONS)}
RELU, LEAKY_RELU, TANH = KIND["relu"], KIND["leaky_relu"], KIND["tanh"]
SIGMOID, GELU, SILU = KIND["sigmoid"], KIND["gelu"], KIND["silu"]

ROOT_HALF = np.float32(np.sqrt(0.5))
PEAK = np.float32(1 / np.sqrt(2 * np.pi))  # normal density at 0


@device_function
def sigmoid(z):
    small = exp(-abs(z))  # never overflows
    return (ONE if z >= ZERO else small) / (ONE + small)


@device_function
def normal_cdf(z):
    return HALF * erfc(-z * ROOT_HALF)


@device_function
def activate(kind, z, slope):
    """Return act(z)."""
    y = z
    if kind == RELU:
        y = ZERO if z < ZERO else z  # in this order NaN stays NaN
    elif kind == LEAKY_RELU:
        y = z if z > ZERO else slope * z
    elif kind == TANH:
        y = tanh(z)
    elif kind == SIGMOID:
        y = sigmoid(z)
    elif kind == GELU:
        y = z * normal_cdf(z)
    elif kind == SILU:
        y = z * sigmoid(z)
    return y


@device_function
def derivative(kind, saved, slope):
    """Return act' from y or z, by the contract's table."""
    d = ONE
    if kind == RELU:
        d = ONE if saved > ZERO else ZERO
    elif kind == LEAKY_RELU:
        d = ONE if saved > ZERO else slope
    elif kind == TANH:
        d = ONE - saved * saved
    elif kind == SIGMOID:
        d = saved * (ONE - saved)
    elif kind == GELU:
        d = normal_cdf(saved) + saved * (PEAK * exp(-HALF * saved * saved))
    elif kind == SILU:
        s = sigmoid(saved)
        d = s * (ONE + saved * (ONE - s))
    return d


@cuda.jit
def activation_forward_kernel(z, y, kind, slope):
    for i in range(cuda.grid(1), z.size, cuda.gridsize(1)):
        y[i] = activate(kind, z[i], slope)


@cuda.jit
def activation_backward_kernel(dy, saved, dz, kind, slope):
    for i in range(cuda.grid(1), dy.size, cuda.gridsize(1)):
        dz[i] = dy[i] * derivative(kind, saved[i], slope)


def activation_forward(z, y, *, activation, negative_slope):
    flat = (z.reshape(-1), y.reshape(-1))
    scalars = (KIND[activation], np.float32(negative_slope))
    launch(activation_forward_kernel, blocks(z.size), THREADS, *flat, *scalars)


def activation_backward(dy, saved, dz, *, activation, negative_slope):
    flat = (dy.reshape(-1), saved.reshape(-1), dz.reshape(-1))
    scalars = (KIND[activation], np.float32(negative_slope))
    launch(activation_backward_kernel, blocks(dy.size), THREADS, *flat, *scalars)
