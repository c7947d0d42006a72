"""Stochastic gradient descent in Numba CUDA: a grid-stride loop over the flat buffers."""

import numpy as np

from ..numba_device import signed_scale
from ..numba_launch import THREADS, blocks, cuda, launch


@cuda.jit
def sgd_step_kernel(g, lr, grad_scale, p, b, sign, momentum, nesterov, decay):
    scale, rate = signed_scale(grad_scale, sign), lr[0]
    for i in range(cuda.grid(1), p.size, cuda.gridsize(1)):
        gi = g[i] * scale + decay * p[i]
        direction = gi
        if b.size > 0:
            bi = momentum * b[i] + gi
            b[i] = bi
            direction = gi + momentum * bi if nesterov != 0 else bi
        p[i] -= rate * direction


def sgd_step(g, lr, grad_scale, p, momentum_buffer, *, momentum=0.0, nesterov=False, weight_decay=0.0, maximize=False):
    scalars = (np.float32(-1 if maximize else 1), np.float32(momentum), np.int32(nesterov), np.float32(weight_decay))
    launch(sgd_step_kernel, blocks(p.size), THREADS, g, lr, grad_scale, p, momentum_buffer, *scalars)
