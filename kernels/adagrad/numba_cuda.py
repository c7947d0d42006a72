"""Adagrad in Numba CUDA: a grid-stride loop over the flat buffers."""

import numpy as np

from ..numba_cuda.device import signed_scale, sqrt
from ..numba_cuda.launch import THREADS, blocks, cuda, launch


@cuda.jit
def adagrad_step_kernel(g, lr, grad_scale, p, s, sign, eps, decay):
    scale, rate = signed_scale(grad_scale, sign), lr[0]
    for i in range(cuda.grid(1), p.size, cuda.gridsize(1)):
        gi = g[i] * scale + decay * p[i]
        si = s[i] + gi * gi
        s[i] = si
        p[i] -= rate * gi / (sqrt(si) + eps)


def adagrad_step(g, lr, grad_scale, p, square_sum, *, eps, weight_decay, maximize):
    scalars = map(np.float32, (-1 if maximize else 1, eps, weight_decay))
    launch(adagrad_step_kernel, blocks(p.size), THREADS, g, lr, grad_scale, p, square_sum, *scalars)
