"""Gradient clipping compiled for the CPU."""

import math

import numpy as np

from ..cpu.options import compile_cpu
from ..cpu.program import loops_only
from ..cpu.sums import part_of, sums_of_parts
from ..cpu.team import LIGHT, run_once, spread
from . import NORM_EPS


@compile_cpu
def _squares(sums, first, step, g):
    for part in range(sums.size):
        numbers = part_of(g, first + part, step)
        total = 0.0
        for i in range(numbers.size):
            total += np.float64(numbers[i]) * np.float64(numbers[i])
        sums[part] = total


@compile_cpu
def _norm(sums, norm, grad_scale, max_norm):
    total = 0.0
    for part in range(sums.size):
        total += sums[part]
    length = math.sqrt(total)
    ratio = max_norm / (length + NORM_EPS)
    norm[0] = length
    grad_scale[0] = 1.0 if ratio > 1.0 else ratio  # NaN fails the comparison and stays NaN


@compile_cpu
def _clip(g, low, high):
    for i in range(g.size):
        gi = low if g[i] < low else g[i]  # NaN fails the comparison and stays NaN
        g[i] = high if gi > high else gi


@loops_only
def clip_norm(g, norm, grad_scale, partials, *, max_norm):
    run_once(_norm, sums_of_parts(_squares, g.size, partials, g), norm, grad_scale, float(max_norm))


@loops_only
def clip_value(g, *, limit):
    number = g.dtype.type
    spread(_clip, (g,), number(-limit), number(limit), speed=LIGHT)
