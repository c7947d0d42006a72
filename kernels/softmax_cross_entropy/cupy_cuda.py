"""Launchers of softmax_cross_entropy.cu."""

import numpy as np

from ..cuda.grids import THREADS, blocks_for
from ..cuda.source import Source

SOURCE = Source(__file__, "softmax_cross_entropy.cu")

WARP = 32
# Classes that a lane of a warp holds in registers; a row of more than 32 per lane, 1024 classes, gets a block.
PER_LANE = (1, 2, 4, 8, 16, 32)


def softmax_cross_entropy(logits, labels, class_weight, sample_weight, norm, losses, dlogits, *, label_smoothing):
    batch, n_classes = logits.shape
    per_lane = next((held for held in PER_LANE if n_classes <= WARP * held), None)
    if per_lane is None:
        kernel, blocks = "softmax_cross_entropy_by_blocks", blocks_for(batch, 1)
    else:
        kernel, blocks = f"softmax_cross_entropy_by_warps<{per_lane}>", blocks_for(batch, THREADS // WARP)
    arrays = logits, labels, class_weight, sample_weight, norm, losses, dlogits
    hard, smooth = np.float32(1 - label_smoothing), np.float32(label_smoothing / n_classes)
    SOURCE.launch(kernel, blocks, THREADS, *arrays, np.int32(batch), np.int32(n_classes), hard, smooth)


def softmax_cross_entropy_norm(labels, class_weight, sample_weight, norm):
    n_classes = 0 if class_weight is None else class_weight.size
    sizes = np.int32(labels.size), np.int32(n_classes)
    SOURCE.launch("softmax_cross_entropy_norm", 1, THREADS, labels, class_weight, sample_weight, norm, *sizes)
