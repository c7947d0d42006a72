"""Gradient clipping in Numba CUDA: one partial sum of squares per block, their sum in one block."""

import numpy as np

from ..contract import PARTIALS
from ..numba_cuda.device import ONE, ZERO, block_sum, sqrt, sum_of_partials
from ..numba_cuda.launch import THREADS, blocks, cuda, launch
from . import NORM_EPS

EPS = np.float32(NORM_EPS)


@cuda.jit
def clip_norm_partials_kernel(g, partials):
    total = ZERO
    for i in range(cuda.grid(1), g.size, cuda.gridsize(1)):
        total += g[i] * g[i]
    total = block_sum(total)
    if cuda.threadIdx.x == 0:
        partials[cuda.blockIdx.x] = total


@cuda.jit
def clip_norm_kernel(partials, count, norm, grad_scale, max_norm):
    length = sqrt(sum_of_partials(partials, count))
    if cuda.threadIdx.x == 0:
        ratio = max_norm / (length + EPS)
        norm[0] = length
        grad_scale[0] = ONE if ratio > ONE else ratio  # in this order NaN stays NaN


@cuda.jit
def clip_value_kernel(g, limit):
    for i in range(cuda.grid(1), g.size, cuda.gridsize(1)):
        gi = -limit if g[i] < -limit else g[i]  # in this order NaN stays NaN
        g[i] = limit if gi > limit else gi


def clip_norm(g, norm, grad_scale, partials, *, max_norm):
    grid = blocks(g.size, PARTIALS)
    launch(clip_norm_partials_kernel, grid, THREADS, g, partials)
    launch(clip_norm_kernel, 1, THREADS, partials, np.int32(grid), norm, grad_scale, np.float32(max_norm))


def clip_value(g, *, limit):
    launch(clip_value_kernel, blocks(g.size), THREADS, g, np.float32(limit))
