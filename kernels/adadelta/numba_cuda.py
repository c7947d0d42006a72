"""Adadelta in Numba CUDA: a grid-stride loop over the flat buffers."""

import numpy as np

from ..numba_cuda.device import signed_scale, sqrt
from ..numba_cuda.launch import THREADS, blocks, cuda, launch


@cuda.jit
def adadelta_step_kernel(g, lr, grad_scale, p, v, u, sign, rho, rest, eps, decay):
    scale, rate = signed_scale(grad_scale, sign), lr[0]
    for i in range(cuda.grid(1), p.size, cuda.gridsize(1)):
        gi = g[i] * scale + decay * p[i]
        vi = rho * v[i] + rest * gi * gi
        delta = sqrt((u[i] + eps) / (vi + eps)) * gi
        v[i] = vi
        u[i] = rho * u[i] + rest * delta * delta
        p[i] -= rate * delta


def adadelta_step(g, lr, grad_scale, p, square_average, delta_average, *, rho, eps, weight_decay, maximize):
    arrays = (g, lr, grad_scale, p, square_average, delta_average)
    scalars = map(np.float32, (-1 if maximize else 1, rho, 1 - rho, eps, weight_decay))
    launch(adadelta_step_kernel, blocks(p.size), THREADS, *arrays, *scalars)
