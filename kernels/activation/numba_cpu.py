"""Activations compiled for the CPU: one loop each, no temporaries.

At 65,536 float32 elements ReLU takes a third of the time of np.maximum, and sigmoid a twentieth of SciPy's time. In
float64 tanh uses NumPy, which is vectorized: a loop over math.tanh takes eighty times as long.
"""

import math

import numpy as np
from numba import types
from numba.extending import overload

from ..cpu.exp import IN_ORDER, exp_negative
from ..cpu.options import compile_cpu
from ..cpu.program import loops_only
from ..cpu.team import LIGHT, prepare, runs_host_code, spread
from . import reference

# Φ(−|z|) = e^(−z²/2) · t·P(t), t = 1/(1 + STRETCH·|z|): P fitted to a relative error of 3e-8 over all z.
STRETCH = np.float32(0.252)
P0, P1, P2, P3, P4, P5, P6, P7, P8, P9 = np.array(
    [
        0.100533452, 0.100534124, 0.0941206481, 0.0818464744, 0.0596250032,
        0.0605254071, -0.0266700171, 0.0879983156, -0.0783172799, 0.0198038843,
    ],
    np.float32,
)  # fmt: skip
ONE, TWO = np.float32(1), np.float32(2)

# tanh z = z + z³·Q(z²) up to SMALL, Q fitted to a relative error of 6e-9; beyond, (1 − e^(−2z)) / (1 + e^(−2z)).
SMALL = np.float32(0.65)
Q0, Q1, Q2, Q3, Q4 = np.array([-0.3333326288, 0.133308997, -0.05369296363, 0.02048330363, -0.005528621519], np.float32)


def _normal_cdf(z, bell):
    """Return Φ(z), given bell = e^(−z²/2): float32 by the fit, float64 by math.erfc."""
    return 0.5 * math.erfc(-z / math.sqrt(2))


@overload(_normal_cdf, jit_options=IN_ORDER)
def _(z, bell):
    def fitted(z, bell):
        t = ONE / (ONE + STRETCH * abs(z))
        high = P5 + t * (P6 + t * (P7 + t * (P8 + t * P9)))
        tail = bell * t * (P0 + t * (P1 + t * (P2 + t * (P3 + t * (P4 + t * high)))))
        return ONE - tail if z > 0 else tail

    return fitted if z == types.float32 else _normal_cdf


@compile_cpu
def _sigmoid(z, one):
    small = exp_negative(-abs(z))  # never overflows
    return (one if z >= 0 else small) / (one + small)


@compile_cpu
def _relu_forward(z, y, slope):
    zero = z.dtype.type(0)
    for i in range(z.size):
        y[i] = zero if z[i] < zero else z[i]  # NaN fails the comparison and stays NaN


@compile_cpu
def _leaky_relu_forward(z, y, slope):
    for i in range(z.size):
        y[i] = z[i] if z[i] > 0 else slope * z[i]


@compile_cpu
def _sigmoid_forward(z, y, slope):
    one = z.dtype.type(1)
    for i in range(z.size):
        y[i] = _sigmoid(z[i], one)


@compile_cpu
def _tanh_forward(z, y, slope):
    for i in range(z.size):
        magnitude = abs(z[i])
        square = z[i] * z[i]
        near = z[i] + z[i] * (square * (Q0 + square * (Q1 + square * (Q2 + square * (Q3 + square * Q4)))))
        small = exp_negative(-TWO * magnitude)
        far = (ONE - small) / (ONE + small)
        y[i] = near if magnitude < SMALL else (far if z[i] > 0 else -far)  # `far` keeps NaN


@compile_cpu
def _gelu_forward(z, y, slope):
    half = z.dtype.type(0.5)
    for i in range(z.size):
        y[i] = z[i] * _normal_cdf(z[i], exp_negative(-half * z[i] * z[i]))


@compile_cpu
def _silu_forward(z, y, slope):
    one = z.dtype.type(1)
    for i in range(z.size):
        y[i] = z[i] * _sigmoid(z[i], one)


@compile_cpu
def _relu_backward(dy, y, dz, slope):
    zero, one = y.dtype.type(0), y.dtype.type(1)
    for i in range(dy.size):
        dz[i] = dy[i] * (one if y[i] > zero else zero)


@compile_cpu
def _leaky_relu_backward(dy, y, dz, slope):
    one = y.dtype.type(1)
    for i in range(dy.size):
        dz[i] = dy[i] * (one if y[i] > 0 else slope)


@compile_cpu
def _tanh_backward(dy, y, dz, slope):
    one = y.dtype.type(1)
    for i in range(dy.size):
        dz[i] = dy[i] * (one - y[i] * y[i])


@compile_cpu
def _sigmoid_backward(dy, y, dz, slope):
    one = y.dtype.type(1)
    for i in range(dy.size):
        dz[i] = dy[i] * (y[i] * (one - y[i]))


@compile_cpu
def _gelu_backward(dy, z, dz, slope):
    half, peak = z.dtype.type(0.5), z.dtype.type(1 / math.sqrt(2 * math.pi))
    for i in range(dy.size):
        bell = exp_negative(-half * z[i] * z[i])
        dz[i] = dy[i] * (_normal_cdf(z[i], bell) + z[i] * (peak * bell))


@compile_cpu
def _silu_backward(dy, z, dz, slope):
    one = z.dtype.type(1)
    for i in range(dy.size):
        s = _sigmoid(z[i], one)
        dz[i] = dy[i] * (s * (one + z[i] * (one - s)))


FORWARD = {
    "relu": _relu_forward,
    "leaky_relu": _leaky_relu_forward,
    "tanh": _tanh_forward,
    "sigmoid": _sigmoid_forward,
    "gelu": _gelu_forward,
    "silu": _silu_forward,
}
BACKWARD = {
    "relu": _relu_backward,
    "leaky_relu": _leaky_relu_backward,
    "tanh": _tanh_backward,
    "sigmoid": _sigmoid_backward,
    "gelu": _gelu_backward,
    "silu": _silu_backward,
}


# Loops with exponentials; the others are limited by memory.
HEAVY = (_tanh_forward, _sigmoid_forward, _gelu_forward, _silu_forward, _gelu_backward, _silu_backward)


def _compiled(table, activation, dtype):
    """Return the loop of an activation, or None where NumPy computes it."""
    slow = table is FORWARD and activation == "tanh" and dtype != np.float32
    return None if slow else table.get(activation)


def _prepare(loop, arrays, negative_slope):
    """Return a function of the arrays that does the same as `_spread`, or None if there is no faster one."""
    if loop is None:
        return None
    like = arrays[0]
    run, scalars = prepare(loop, like.size, speed=_speed(loop)), (like.dtype.type(negative_slope),)
    if run is None or like.ndim == 1:
        return run and (lambda *arrays: run(arrays, scalars))
    return lambda *arrays: run(tuple([array.reshape(-1) for array in arrays]), scalars)


def activate(z, y, activation, negative_slope):
    """Compute y = act(z) for contiguous arrays of any shape; y may be z."""
    if activation == "identity":
        if y is not z:
            runs_host_code()
            np.copyto(y, z)
    elif (loop := _compiled(FORWARD, activation, z.dtype)) is None:
        runs_host_code()
        reference.activation_forward(z, y, activation=activation, negative_slope=negative_slope)
    else:
        _spread(loop, (z, y), negative_slope)


def scale_by_derivative(dy, saved, dz, activation, negative_slope):
    """Compute dz = dy · act' for contiguous arrays of any shape; `saved` is as in the contract, and dz may be dy."""
    if activation == "identity":
        runs_host_code()
        np.copyto(dz, dy)
    elif (loop := _compiled(BACKWARD, activation, dz.dtype)) is None:
        runs_host_code()
        reference.activation_backward(dy, saved, dz, activation=activation, negative_slope=negative_slope)
    else:
        _spread(loop, (dy, saved, dz), negative_slope)


def _spread(loop, arrays, negative_slope):
    slope = arrays[0].dtype.type(negative_slope)
    flat = arrays if arrays[0].ndim == 1 else tuple([array.reshape(-1) for array in arrays])
    spread(loop, flat, slope, speed=_speed(loop))


def _speed(loop):
    return 1 if loop in HEAVY else LIGHT


@loops_only
def activation_forward(z, y, *, activation, negative_slope):
    activate(z, y, activation, negative_slope)


@loops_only
def activation_backward(dy, saved, dz, *, activation, negative_slope):
    scale_by_derivative(dy, saved, dz, activation, negative_slope)


activation_forward.prepare = lambda z, y, *, activation, negative_slope: _prepare(
    _compiled(FORWARD, activation, z.dtype), (z, y), negative_slope
)
activation_backward.prepare = lambda dy, saved, dz, *, activation, negative_slope: _prepare(
    _compiled(BACKWARD, activation, dz.dtype), (dy, saved, dz), negative_slope
)
