"""Launcher of binary_cross_entropy.cu."""

import numpy as np

from ..cuda.grids import THREADS, elementwise_blocks
from ..cuda.source import Source

SOURCE = Source(__file__, "binary_cross_entropy.cu")


def binary_cross_entropy(logits, targets, pos_weight, sample_weight, norm, losses, dlogits):
    arrays = logits, targets, pos_weight, sample_weight, norm, losses, dlogits
    sizes = np.int64(logits.size), np.int32(logits.shape[1])
    SOURCE.launch("binary_cross_entropy", elementwise_blocks(logits.size), THREADS, *arrays, *sizes)
