"""Launchers of sgd.cu."""

import numpy as np

from ..cuda.grids import THREADS, elementwise_blocks
from ..cuda.source import Source

SOURCE = Source(__file__, "sgd.cu")


def sgd_step(g, lr, grad_scale, p, momentum_buffer, *, momentum, nesterov, lr_in_buffer, weight_decay, maximize):
    n, decay, sign = np.int64(p.size), np.float32(weight_decay), np.int32(maximize)
    grid = elementwise_blocks(p.size), THREADS
    if momentum_buffer is None:
        SOURCE.launch("sgd_step", *grid, g, lr, grad_scale, p, n, decay, sign)
    else:
        options = np.float32(momentum), np.int32(nesterov), np.int32(lr_in_buffer), decay, sign
        SOURCE.launch("sgd_momentum_step", *grid, g, lr, grad_scale, p, momentum_buffer, n, *options)
