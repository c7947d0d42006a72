"""Adam compiled for the CPU: one pass over the buffers; NumPy needs fourteen."""

import math

import numpy as np

from ..cpu.denormals import flush
from ..cpu.options import compile_cpu
from ..cpu.team import spread


@compile_cpu
def _adam(g, p, m, v, scale, beta1, one_minus_beta1, beta2, one_minus_beta2, rate, floor, decay, keep):
    smallest = np.finfo(p.dtype).tiny
    for i in range(p.size):
        gi = g[i] * scale + decay * p[i]
        mi = flush(beta1 * m[i] + one_minus_beta1 * gi, smallest)
        vi = flush(beta2 * v[i] + one_minus_beta2 * gi * gi, smallest)
        m[i], v[i] = mi, vi
        p[i] = keep * p[i] - rate * mi / (math.sqrt(vi) + floor)


@compile_cpu
def _amsgrad(g, p, m, v, v_max, scale, beta1, one_minus_beta1, beta2, one_minus_beta2, rate, floor, decay, keep):
    smallest = np.finfo(p.dtype).tiny
    for i in range(p.size):
        gi = g[i] * scale + decay * p[i]
        mi = flush(beta1 * m[i] + one_minus_beta1 * gi, smallest)
        vi = flush(beta2 * v[i] + one_minus_beta2 * gi * gi, smallest)
        largest = v_max[i] if v_max[i] >= vi else vi  # NaN fails the comparison and passes
        m[i], v[i], v_max[i] = mi, vi, largest
        p[i] = keep * p[i] - rate * mi / (math.sqrt(largest) + floor)


def adam_step(
    g, lr, grad_scale, p, m, v, v_max, step, *, beta1, beta2, eps, eps_hat, weight_decay, decoupled, maximize
):
    t, rate = int(step[0]) + 1, float(lr[0])
    # √(v/c2) + eps = (√v + eps·√c2) / √c2: both bias corrections become scalars, computed once per step.
    c1 = -math.expm1(t * math.log(beta1)) if beta1 > 0 else 1.0
    root2 = math.sqrt(-math.expm1(t * math.log(beta2))) if beta2 > 0 else 1.0
    scale = (1.0 if grad_scale is None else float(grad_scale[0])) * (-1 if maximize else 1)
    moments = (m, v) if v_max is None else (m, v, v_max)
    decay, keep = (0.0, 1 - rate * weight_decay) if decoupled else (weight_decay, 1.0)
    floor = eps if eps_hat else eps * root2
    scalars = (scale, beta1, 1 - beta1, beta2, 1 - beta2, rate * root2 / c1, floor, decay, keep)
    number = p.dtype.type
    spread(_adam if v_max is None else _amsgrad, (g, p, *moments), *map(number, scalars))
    step[0] = t
