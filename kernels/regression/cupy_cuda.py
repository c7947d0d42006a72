"""Launcher of regression.cu: one template instance per loss."""

import numpy as np

from ..cuda.grids import THREADS, elementwise_blocks
from ..cuda.source import Source

SOURCE = Source(__file__, "regression.cu")


def regression_loss(predictions, targets, sample_weight, norm, losses, dpredictions, *, loss, delta):
    arrays = predictions, targets, sample_weight, norm, losses, dpredictions
    options = np.int64(predictions.size), np.int32(predictions.shape[1]), np.float32(delta)
    SOURCE.launch(f"regression_loss<{loss.upper()}>", elementwise_blocks(predictions.size), THREADS, *arrays, *options)
