"""AdaGrad-Norm compiled for the CPU: one pass sums squares, another updates the parameters."""

import math

import numpy as np

from ..cpu.options import compile_cpu
from ..cpu.sums import part_of, sums_of_parts
from ..cpu.team import LIGHT, run_once, spread
from ..update_contract import signed_scale


@compile_cpu
def _squares(sums, first, step, gradient, scale, parameters, decay):
    for part in range(sums.size):
        g, p = part_of(gradient, first + part, step), part_of(parameters, first + part, step)
        total = 0.0
        if decay == 0:  # p need not be read
            for i in range(g.size):
                gi = np.float64(g[i] * scale)
                total += gi * gi
        else:
            for i in range(g.size):
                gi = np.float64(g[i] * scale + decay * p[i])
                total += gi * gi
        sums[part] = total


@compile_cpu
def _accumulate(sums, square_sum):
    total = 0.0
    for part in range(sums.size):
        total += sums[part]
    square_sum[0] += total


@compile_cpu
def _descend(g, p, scale, rate, decay):
    for i in range(p.size):
        p[i] -= rate * (g[i] * scale + decay * p[i])


def adagrad_norm_accumulate(g, grad_scale, p, square_sum, partials, *, weight_decay, maximize):
    number = p.dtype.type
    arguments = g, signed_scale(grad_scale, maximize, number), p, number(weight_decay)
    run_once(_accumulate, sums_of_parts(_squares, g.size, partials, *arguments), square_sum)


def adagrad_norm_step(g, lr, grad_scale, square_sum, p, *, eps, weight_decay, maximize):
    number = p.dtype.type
    rate = number(lr[0] / math.sqrt(eps + square_sum[0]))
    spread(_descend, (g, p), signed_scale(grad_scale, maximize, number), rate, number(weight_decay), speed=LIGHT)
