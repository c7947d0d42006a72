"""AdaGrad-norm in Numba CUDA: a partial sum of squares per block, their sum in one block, then a pass that descends."""

import numpy as np

from ..contract import PARTIALS
from ..numba_cuda.device import ZERO, block_sum, signed_scale, sqrt, sum_of_partials
from ..numba_cuda.launch import THREADS, blocks, cuda, launch


@cuda.jit
def adagrad_norm_partials_kernel(g, grad_scale, p, partials, sign, decay):
    scale, total = signed_scale(grad_scale, sign), ZERO
    for i in range(cuda.grid(1), p.size, cuda.gridsize(1)):
        gi = g[i] * scale + decay * p[i]
        total += gi * gi
    total = block_sum(total)
    if cuda.threadIdx.x == 0:
        partials[cuda.blockIdx.x] = total


@cuda.jit
def adagrad_norm_accumulate_kernel(partials, count, square_sum):
    total = sum_of_partials(partials, count)
    if cuda.threadIdx.x == 0:
        square_sum[0] += total


@cuda.jit
def adagrad_norm_step_kernel(g, lr, grad_scale, square_sum, p, sign, eps, decay):
    scale, rate = signed_scale(grad_scale, sign), lr[0] / sqrt(eps + square_sum[0])
    for i in range(cuda.grid(1), p.size, cuda.gridsize(1)):
        p[i] -= rate * (g[i] * scale + decay * p[i])


def adagrad_norm_accumulate(g, grad_scale, p, square_sum, partials, *, weight_decay, maximize):
    grid = blocks(p.size, PARTIALS)
    scalars = map(np.float32, (-1 if maximize else 1, weight_decay))
    launch(adagrad_norm_partials_kernel, grid, THREADS, g, grad_scale, p, partials, *scalars)
    launch(adagrad_norm_accumulate_kernel, 1, THREADS, partials, np.int32(grid), square_sum)


def adagrad_norm_step(g, lr, grad_scale, square_sum, p, *, eps, weight_decay, maximize):
    scalars = map(np.float32, (-1 if maximize else 1, eps, weight_decay))
    launch(adagrad_norm_step_kernel, blocks(p.size), THREADS, g, lr, grad_scale, square_sum, p, *scalars)
