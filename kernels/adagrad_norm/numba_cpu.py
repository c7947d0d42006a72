"""AdaGrad-norm compiled for the CPU: a pass that adds up squares, and a pass that descends."""

import math

import numpy as np

from ..cpu_threads import LIGHT, spread
from ..numba_options import compile_cpu
from ..optimizers import signed_scale


@compile_cpu
def _accumulate(g, scale, p, square_sum, decay):
    total = 0.0  # a double: exact to the last bit of float32, and no slower
    if decay == 0:  # p need not be read
        for i in range(p.size):
            gi = np.float64(g[i] * scale)
            total += gi * gi
    else:
        for i in range(p.size):
            gi = np.float64(g[i] * scale + decay * p[i])
            total += gi * gi
    square_sum[0] += total


@compile_cpu
def _descend(g, p, scale, rate, decay):
    for i in range(p.size):
        p[i] -= rate * (g[i] * scale + decay * p[i])


def adagrad_norm_accumulate(g, grad_scale, p, square_sum, partials, *, weight_decay=0.0, maximize=False):
    number = p.dtype.type
    _accumulate(g, signed_scale(grad_scale, maximize, number), p, square_sum, number(weight_decay))


def adagrad_norm_step(g, lr, grad_scale, square_sum, p, *, eps=1e-10, weight_decay=0.0, maximize=False):
    number = p.dtype.type
    rate = number(lr[0] / math.sqrt(eps + square_sum[0]))
    spread(_descend, (g, p), signed_scale(grad_scale, maximize, number), rate, number(weight_decay), speed=LIGHT)
