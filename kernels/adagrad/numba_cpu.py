"""Adagrad compiled for the CPU: one pass over the buffers."""

import math

from ..cpu.options import compile_cpu
from ..cpu.team import spread
from ..update_contract import signed_scale


@compile_cpu
def _adagrad(g, p, s, scale, rate, eps, decay):
    for i in range(p.size):
        gi = g[i] * scale + decay * p[i]
        s[i] += gi * gi
        p[i] -= rate * gi / (math.sqrt(s[i]) + eps)


def adagrad_step(g, lr, grad_scale, p, square_sum, *, eps, weight_decay, maximize):
    number = p.dtype.type
    scale = signed_scale(grad_scale, maximize, number)
    spread(_adagrad, (g, p, square_sum), scale, lr[0], number(eps), number(weight_decay))
