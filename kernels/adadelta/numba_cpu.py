"""Adadelta compiled for the CPU: one pass over the buffers."""

import math

import numpy as np

from ..cpu.denormals import flush
from ..cpu.options import compile_cpu
from ..cpu.team import spread
from ..update_contract import signed_scale


@compile_cpu
def _adadelta(g, p, v, u, scale, rate, rho, one_minus_rho, eps, decay):
    smallest = np.finfo(p.dtype).tiny
    for i in range(p.size):
        gi = g[i] * scale + decay * p[i]
        v[i] = flush(rho * v[i] + one_minus_rho * gi * gi, smallest)
        delta = math.sqrt((u[i] + eps) / (v[i] + eps)) * gi
        u[i] = flush(rho * u[i] + one_minus_rho * delta * delta, smallest)
        p[i] -= rate * delta


def adadelta_step(g, lr, grad_scale, p, square_average, delta_average, *, rho, eps, weight_decay, maximize):
    number = p.dtype.type
    scalars = map(number, (rho, 1 - rho, eps, weight_decay))
    scale = signed_scale(grad_scale, maximize, number)
    spread(_adadelta, (g, p, square_average, delta_average), scale, lr[0], *scalars)
