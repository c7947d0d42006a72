"""Launcher of adagrad.cu."""

import numpy as np

from ..cuda.grids import THREADS, elementwise_blocks
from ..cuda.source import Source

SOURCE = Source(__file__, "adagrad.cu")


def adagrad_step(g, lr, grad_scale, p, square_sum, *, eps=1e-10, weight_decay=0.0, maximize=False):
    options = np.float32(eps), np.float32(weight_decay), np.int32(maximize)
    arrays = g, lr, grad_scale, p, square_sum
    SOURCE.launch("adagrad_step", elementwise_blocks(p.size), THREADS, *arrays, np.int64(p.size), *options)
