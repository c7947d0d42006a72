"""Stochastic gradient descent in Numba CUDA: a grid-stride loop over the flat buffers."""

import numpy as np

from ..numba_cuda.device import ONE, signed_scale
from ..numba_cuda.launch import THREADS, blocks, cuda, launch


@cuda.jit
def sgd_step_kernel(g, lr, grad_scale, p, b, sign, momentum, nesterov, lr_in_buffer, decay):
    scale, rate = signed_scale(grad_scale, sign), lr[0]
    inner, outer = (rate, ONE) if lr_in_buffer != 0 else (ONE, rate)
    for i in range(cuda.grid(1), p.size, cuda.gridsize(1)):
        gi = inner * (g[i] * scale + decay * p[i])
        direction = gi
        if b.size > 0:
            bi = momentum * b[i] + gi
            b[i] = bi
            direction = gi + momentum * bi if nesterov != 0 else bi
        p[i] -= outer * direction


def sgd_step(g, lr, grad_scale, p, momentum_buffer, *, momentum, nesterov, lr_in_buffer, weight_decay, maximize):
    sign, options = np.float32(-1 if maximize else 1), (np.int32(nesterov), np.int32(lr_in_buffer))
    scalars = (sign, np.float32(momentum), *options, np.float32(weight_decay))
    launch(sgd_step_kernel, blocks(p.size), THREADS, g, lr, grad_scale, p, momentum_buffer, *scalars)
