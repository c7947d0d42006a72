"""Launchers of clipping.cu."""

import numpy as np

from ..cuda.grids import THREADS, elementwise_blocks, reduction_blocks
from ..cuda.source import Source
from . import NORM_EPS

SOURCE = Source(__file__, "clipping.cu")


def clip_norm(g, norm, grad_scale, partials, *, max_norm):
    options = np.int64(g.size), np.float32(max_norm), np.float32(NORM_EPS)
    SOURCE.launch("clip_norm", reduction_blocks(g.size), THREADS, g, norm, grad_scale, partials, *options)


def clip_value(g, *, limit):
    SOURCE.launch("clip_value", elementwise_blocks(g.size), THREADS, g, np.int64(g.size), np.float32(limit))
