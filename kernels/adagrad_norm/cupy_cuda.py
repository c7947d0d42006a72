"""Launchers of adagrad_norm.cu."""

import numpy as np

from ..cuda.grids import THREADS, elementwise_blocks, reduction_blocks
from ..cuda.source import Source

SOURCE = Source(__file__, "adagrad_norm.cu")


def adagrad_norm_accumulate(g, grad_scale, p, square_sum, partials, *, weight_decay, maximize):
    arrays = g, grad_scale, p, square_sum, partials
    options = np.int64(g.size), np.float32(weight_decay), np.int32(maximize)
    SOURCE.launch("adagrad_norm_accumulate", reduction_blocks(g.size), THREADS, *arrays, *options)


def adagrad_norm_step(g, lr, grad_scale, square_sum, p, *, eps, weight_decay, maximize):
    arrays = g, lr, grad_scale, square_sum, p
    options = np.int64(p.size), np.float32(eps), np.float32(weight_decay), np.int32(maximize)
    SOURCE.launch("adagrad_norm_step", elementwise_blocks(p.size), THREADS, *arrays, *options)
