"""The sum of an array in Numba CUDA: one partial sum per block, their sum in one block."""

import numpy as np

from ..contract import PARTIALS
from ..numba_cuda.device import ZERO, block_sum, sum_of_partials
from ..numba_cuda.launch import THREADS, blocks, cuda, launch


@cuda.jit
def sum_elements_partials_kernel(x, partials):
    total = ZERO
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        total += x[i]
    total = block_sum(total)
    if cuda.threadIdx.x == 0:
        partials[cuda.blockIdx.x] = total


@cuda.jit
def sum_elements_kernel(partials, count, out, scale, accumulate):
    total = scale * sum_of_partials(partials, count)
    if cuda.threadIdx.x == 0:
        out[0] = out[0] + total if accumulate != 0 else total


def sum_elements(x, out, partials, *, scale, accumulate):
    grid = blocks(x.size, PARTIALS)
    launch(sum_elements_partials_kernel, grid, THREADS, x.reshape(-1), partials)
    scalars = (np.float32(scale), np.int32(accumulate))
    launch(sum_elements_kernel, 1, THREADS, partials, np.int32(grid), out, *scalars)
