"""Launchers of activation.cu: one template instance per activation, named as in activation.cuh."""

import numpy as np

from ..cuda.grids import THREADS, elementwise_blocks
from ..cuda.source import Source

SOURCE = Source(__file__, "activation.cu")


def activation_forward(z, y, *, activation, negative_slope):
    kernel = f"activation_forward<{activation.upper()}>"
    SOURCE.launch(kernel, elementwise_blocks(z.size), THREADS, z, y, np.int64(z.size), np.float32(negative_slope))


def activation_backward(dy, saved, dz, *, activation, negative_slope):
    kernel = f"activation_backward<{activation.upper()}>"
    options = np.int64(dy.size), np.float32(negative_slope)
    SOURCE.launch(kernel, elementwise_blocks(dy.size), THREADS, dy, saved, dz, *options)
