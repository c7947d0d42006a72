"""Stochastic gradient descent compiled for the CPU: one pass over the buffers."""

import numpy as np

from ..cpu.denormals import flush
from ..cpu.options import compile_cpu
from ..cpu.team import LIGHT, spread
from ..update_contract import signed_scale


@compile_cpu
def _descend(g, p, scale, rate, decay):
    for i in range(p.size):
        p[i] -= rate * (g[i] * scale + decay * p[i])


@compile_cpu
def _descend_with_momentum(g, p, b, scale, inner, outer, momentum, decay):
    smallest = np.finfo(p.dtype).tiny
    for i in range(p.size):
        b[i] = flush(momentum * b[i] + inner * (g[i] * scale + decay * p[i]), smallest)
        p[i] -= outer * b[i]


@compile_cpu
def _descend_nesterov(g, p, b, scale, inner, outer, momentum, decay):
    smallest = np.finfo(p.dtype).tiny
    for i in range(p.size):
        gi = inner * (g[i] * scale + decay * p[i])
        b[i] = flush(momentum * b[i] + gi, smallest)
        p[i] -= outer * (gi + momentum * b[i])


def sgd_step(g, lr, grad_scale, p, momentum_buffer, *, momentum, nesterov, lr_in_buffer, weight_decay, maximize):
    number = p.dtype.type
    scale, decay = signed_scale(grad_scale, maximize, number), number(weight_decay)
    if momentum_buffer is None:
        spread(_descend, (g, p), scale, lr[0], decay, speed=LIGHT)
    else:
        descend = _descend_nesterov if nesterov else _descend_with_momentum
        inner, outer = (lr[0], number(1)) if lr_in_buffer else (number(1), lr[0])
        spread(descend, (g, p, momentum_buffer), scale, inner, outer, number(momentum), decay, speed=LIGHT)
