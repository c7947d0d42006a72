"""Launchers of gather.cu: one template instance per pair of types of data and out."""

import math

import numpy as np

from ..cuda.grids import THREADS, blocks_for, elementwise_blocks
from ..cuda.source import Source

SOURCE = Source(__file__, "gather.cu")

TYPES = {"uint8": "unsigned char", "int32": "int", "float16": "half_bits", "float32": "float", "float64": "double"}


def next_rows(order, cursor, rows):
    blocks = blocks_for(rows.size, THREADS)
    SOURCE.launch("next_rows", blocks, THREADS, order, cursor, rows, np.int32(order.size), np.int32(rows.size))


def gather(data, rows, out, *, scale):
    kernel = f"gather<{TYPES[data.dtype.name]}, {TYPES[out.dtype.name]}>"
    width = math.prod(data.shape[1:])
    options = *map(np.int64, (data.shape[0], rows.size, width)), np.float32(scale)
    SOURCE.launch(kernel, elementwise_blocks(out.size), THREADS, data, rows, out, *options)
