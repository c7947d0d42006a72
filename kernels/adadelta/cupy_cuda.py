"""Launcher of adadelta.cu."""

import numpy as np

from ..cuda.grids import THREADS, elementwise_blocks
from ..cuda.source import Source

SOURCE = Source(__file__, "adadelta.cu")


def adadelta_step(g, lr, grad_scale, p, square_average, delta_average, *, rho, eps, weight_decay, maximize):
    options = *map(np.float32, (rho, 1 - rho, eps, weight_decay)), np.int32(maximize)
    arrays = g, lr, grad_scale, p, square_average, delta_average
    SOURCE.launch("adadelta_step", elementwise_blocks(p.size), THREADS, *arrays, np.int64(p.size), *options)
