"""Dropout in NumPy, and its generator Philox."""

import numpy as np

from . import MULTIPLIERS, ROUNDS, WEYL, threshold

LOW = np.uint64(0xFFFFFFFF)
HIGH = np.uint64(32)


def philox4x32(counter: np.ndarray, key: tuple[int, int]) -> np.ndarray:
    """Return four random words per counter, by Philox4x32-10.

    Parameters
    ----------
    counter : array, (…, 4), uint32
        Counters.
    key : tuple of int
        Two words of 32 bits.

    Returns
    -------
    array, (…, 4), uint32
        Random words.
    """
    c0, c1, c2, c3 = np.moveaxis(np.asarray(counter).astype(np.uint64), -1, 0)
    k0, k1 = key
    for _ in range(ROUNDS):
        product0, product1 = np.uint64(MULTIPLIERS[0]) * c0, np.uint64(MULTIPLIERS[1]) * c2
        c0, c2 = (product1 >> HIGH) ^ c1 ^ np.uint64(k0), (product0 >> HIGH) ^ c3 ^ np.uint64(k1)
        c1, c3 = product1 & LOW, product0 & LOW
        k0, k1 = (k0 + WEYL[0]) % 2**32, (k1 + WEYL[1]) % 2**32
    return np.stack([c0, c1, c2, c3], axis=-1).astype(np.uint32)


def dropout_forward(x, calls, y, mask, *, p, seed):
    blocks = np.arange(-(-x.size // 4), dtype=np.uint64)
    counter = np.empty((blocks.size, 4), np.uint32)
    counter[:, 0], counter[:, 1] = blocks & LOW, blocks >> HIGH
    counter[:, 2], counter[:, 3] = int(calls[0]) % 2**32, int(calls[0]) >> 32
    words = philox4x32(counter, (seed % 2**32, seed >> 32)).reshape(-1)[: x.size]
    mask[...] = (words >= threshold(p)).reshape(x.shape)
    y[...] = np.where(mask, x * x.dtype.type(1 / (1 - p)), x.dtype.type(0))
    calls += 1


def dropout_backward(dy, mask, dx, *, p):
    dx[...] = np.where(mask, dy * dy.dtype.type(1 / (1 - p)), dy.dtype.type(0))
