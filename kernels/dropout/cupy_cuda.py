"""Launchers of dropout.cu."""

import numpy as np

from ..cuda.grids import THREADS, elementwise_blocks
from ..cuda.source import Source
from . import threshold

SOURCE = Source(__file__, "dropout.cu")


def dropout_forward(x, calls, y, mask, *, p, seed):
    options = np.int64(x.size), np.uint32(threshold(p)), np.uint64(seed), np.float32(1 / (1 - p))
    SOURCE.launch("dropout_forward", elementwise_blocks(x.size), THREADS, x, calls, y, mask, *options)


def dropout_backward(dy, mask, dx, *, p):
    options = np.int64(dy.size), np.float32(1 / (1 - p))
    SOURCE.launch("dropout_backward", elementwise_blocks(dy.size), THREADS, dy, mask, dx, *options)
