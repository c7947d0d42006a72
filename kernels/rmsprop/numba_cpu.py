"""RMSprop compiled for the CPU: one pass over the buffers."""

import math

import numpy as np

from ..cpu.denormals import flush
from ..cpu.options import compile_cpu
from ..cpu.team import spread
from ..update_contract import signed_scale


@compile_cpu
def _rmsprop(g, p, v, scale, rate, alpha, one_minus_alpha, eps, decay):
    smallest = np.finfo(p.dtype).tiny
    for i in range(p.size):
        gi = g[i] * scale + decay * p[i]
        v[i] = flush(alpha * v[i] + one_minus_alpha * gi * gi, smallest)
        p[i] -= rate * gi / (math.sqrt(v[i]) + eps)


def rmsprop_step(g, lr, grad_scale, p, square_average, *, alpha, eps, weight_decay, maximize):
    number = p.dtype.type
    scalars = map(number, (alpha, 1 - alpha, eps, weight_decay))
    spread(_rmsprop, (g, p, square_average), signed_scale(grad_scale, maximize, number), lr[0], *scalars)
