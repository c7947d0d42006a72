"""Gradient clipping compiled for the CPU."""

import math

import numpy as np

from ..cpu_program import loops_only
from ..cpu_threads import LIGHT, spread
from ..numba_options import compile_cpu
from . import NORM_EPS


@compile_cpu
def _norm(g, norm, grad_scale, max_norm):
    total = 0.0  # a double: exact to the last bit of float32, and no slower
    for i in range(g.size):
        total += np.float64(g[i]) * np.float64(g[i])
    length = math.sqrt(total)
    ratio = max_norm / (length + NORM_EPS)
    norm[0] = length
    grad_scale[0] = 1.0 if ratio > 1.0 else ratio  # this way round, NaN stays NaN


@compile_cpu
def _clip(g, low, high):
    for i in range(g.size):
        gi = low if g[i] < low else g[i]  # this way round, NaN stays NaN
        g[i] = high if gi > high else gi


def clip_norm(g, norm, grad_scale, partials, *, max_norm):
    _norm(g, norm, grad_scale, float(max_norm))


@loops_only
def clip_value(g, *, limit):
    number = g.dtype.type
    spread(_clip, (g,), number(-limit), number(limit), speed=LIGHT)
