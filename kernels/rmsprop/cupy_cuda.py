"""Launcher of rmsprop.cu."""

import numpy as np

from ..cuda.grids import THREADS, elementwise_blocks
from ..cuda.source import Source

SOURCE = Source(__file__, "rmsprop.cu")


def rmsprop_step(g, lr, grad_scale, p, square_average, *, alpha, eps, weight_decay, maximize):
    options = *map(np.float32, (alpha, 1 - alpha, eps, weight_decay)), np.int32(maximize)
    arrays = g, lr, grad_scale, p, square_average
    SOURCE.launch("rmsprop_step", elementwise_blocks(p.size), THREADS, *arrays, np.int64(p.size), *options)
