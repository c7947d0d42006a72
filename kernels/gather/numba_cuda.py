"""Minibatches in Numba CUDA: a grid-stride loop over the elements of the batch, compiled for each dtype of the data."""

import math

import numpy as np

from ..numba_cuda.device import advance_kernel
from ..numba_cuda.launch import THREADS, blocks, cuda, launch


@cuda.jit
def next_rows_kernel(order, cursor, rows):
    for i in range(cuda.grid(1), rows.size, cuda.gridsize(1)):
        rows[i] = order[(cursor[0] + i) % order.size]


@cuda.jit
def gather_kernel(data, rows, out, scale):
    n, width = data.shape
    for i in range(cuda.grid(1), out.size, cuda.gridsize(1)):
        row = i // width
        out[i] = np.float32(data[min(max(rows[row], 0), n - 1), i - row * width]) * scale


@cuda.jit
def gather_integers_kernel(data, rows, out):
    n, width = data.shape
    for i in range(cuda.grid(1), out.size, cuda.gridsize(1)):
        row = i // width
        out[i] = data[min(max(rows[row], 0), n - 1), i - row * width]


def next_rows(order, cursor, rows):
    launch(next_rows_kernel, blocks(rows.size), THREADS, order, cursor, rows)
    launch(advance_kernel, 1, 1, cursor, np.int32(rows.size))


def gather(data, rows, out, *, scale):
    data, flat = data.reshape(data.shape[0], math.prod(data.shape[1:])), out.reshape(-1)
    if out.dtype == np.int32:
        launch(gather_integers_kernel, blocks(out.size), THREADS, data, rows, flat)
    else:
        launch(gather_kernel, blocks(out.size), THREADS, data, rows, flat, np.float32(scale))
