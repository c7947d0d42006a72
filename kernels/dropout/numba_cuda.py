"""Dropout in Numba CUDA: a thread draws the four words of a Philox block and drops or keeps four elements."""

import numpy as np

from ..numba_cuda.device import ZERO, advance_kernel, device_function
from ..numba_cuda.launch import THREADS, blocks, cuda, launch
from . import MULTIPLIERS, ROUNDS, WEYL, threshold

M0, M1 = (np.uint64(m) for m in MULTIPLIERS)
W0, W1 = (np.uint64(w) for w in WEYL)
LOW = np.uint64(0xFFFFFFFF)
HIGH = np.uint64(32)


@device_function
def philox4x32(block, call, seed):
    """Return the four words of a counter, each 32 bits in a uint64, in which a product of two of them fits."""
    c0, c1, c2, c3 = block & LOW, block >> HIGH, call & LOW, call >> HIGH
    k0, k1 = seed & LOW, seed >> HIGH
    for _ in range(ROUNDS):
        product0, product1 = M0 * c0, M1 * c2
        c0, c1 = (product1 >> HIGH) ^ c1 ^ k0, product1 & LOW
        c2, c3 = (product0 >> HIGH) ^ c3 ^ k1, product0 & LOW
        k0, k1 = (k0 + W0) & LOW, (k1 + W1) & LOW
    return c0, c1, c2, c3


@device_function
def keep_or_drop(x, y, mask, i, word, keep_from, scale):
    if i < x.size:
        kept = word >= keep_from
        mask[i] = kept
        y[i] = x[i] * scale if kept else ZERO


@cuda.jit
def dropout_forward_kernel(x, calls, y, mask, seed, keep_from, scale):
    call = np.uint64(calls[0])
    for block in range(cuda.grid(1), (x.size + 3) // 4, cuda.gridsize(1)):
        w0, w1, w2, w3 = philox4x32(np.uint64(block), call, seed)
        keep_or_drop(x, y, mask, 4 * block, w0, keep_from, scale)
        keep_or_drop(x, y, mask, 4 * block + 1, w1, keep_from, scale)
        keep_or_drop(x, y, mask, 4 * block + 2, w2, keep_from, scale)
        keep_or_drop(x, y, mask, 4 * block + 3, w3, keep_from, scale)


@cuda.jit
def dropout_backward_kernel(dy, mask, dx, scale):
    for i in range(cuda.grid(1), dy.size, cuda.gridsize(1)):
        dx[i] = dy[i] * scale if mask[i] != 0 else ZERO


def dropout_forward(x, calls, y, mask, *, p, seed):
    flat = (x.reshape(-1), calls, y.reshape(-1), mask.reshape(-1))
    scalars = (np.uint64(seed), np.uint64(threshold(p)), np.float32(1 / (1 - p)))
    launch(dropout_forward_kernel, blocks(x.size), THREADS, *flat, *scalars)
    launch(advance_kernel, 1, 1, calls, np.int64(1))


def dropout_backward(dy, mask, dx, *, p):
    flat = (dy.reshape(-1), mask.reshape(-1), dx.reshape(-1))
    launch(dropout_backward_kernel, blocks(dy.size), THREADS, *flat, np.float32(1 / (1 - p)))
