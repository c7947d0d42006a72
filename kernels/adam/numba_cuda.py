"""Adam in Numba CUDA: a grid-stride loop over the flat buffers; then one thread increments the step counter."""

import math

import numpy as np

from ..numba_cuda.device import ONE, advance_kernel, expm1, signed_scale, sqrt
from ..numba_cuda.launch import THREADS, blocks, cuda, launch


@cuda.jit
def adam_step_kernel(
    g,
    lr,
    grad_scale,
    p,
    m,
    v,
    v_max,
    step,
    sign,
    beta1,
    rest1,
    log_beta1,
    beta2,
    rest2,
    log_beta2,
    eps,
    eps_hat,
    decay,
    shrink,
):
    scale, rate = signed_scale(grad_scale, sign), lr[0]
    t = np.float32(step[0] + 1)
    c1, c2 = -expm1(t * log_beta1), -expm1(t * log_beta2)
    keep, floor = ONE - rate * shrink, eps / sqrt(c2) if eps_hat != 0 else eps
    for i in range(cuda.grid(1), p.size, cuda.gridsize(1)):
        gi = g[i] * scale + decay * p[i]
        mi = beta1 * m[i] + rest1 * gi
        vi = beta2 * v[i] + rest2 * gi * gi
        m[i], v[i] = mi, vi
        if v_max.size > 0:
            vi = v_max[i] if v_max[i] >= vi else vi  # in this order NaN passes
            v_max[i] = vi
        p[i] = keep * p[i] - rate * (mi / c1) / (sqrt(vi / c2) + floor)


def adam_step(
    g, lr, grad_scale, p, m, v, v_max, step, *, beta1, beta2, eps, eps_hat, weight_decay, decoupled, maximize
):
    # The contract requires logarithms in double precision; the logarithm of 0 makes the correction 1.
    log1, log2 = (math.log(beta) if beta > 0 else -math.inf for beta in (beta1, beta2))
    decay, shrink = (0.0, weight_decay) if decoupled else (weight_decay, 0.0)
    scalars = (-1 if maximize else 1, beta1, 1 - beta1, log1, beta2, 1 - beta2, log2, eps, eps_hat, decay, shrink)
    arrays = (g, lr, grad_scale, p, m, v, v_max, step)
    launch(adam_step_kernel, blocks(p.size), THREADS, *arrays, *map(np.float32, scalars))
    launch(advance_kernel, 1, 1, step, np.int32(1))
