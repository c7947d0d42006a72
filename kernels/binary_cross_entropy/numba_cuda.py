"""Binary cross-entropy in Numba CUDA: a grid-stride loop over all logits."""

import numpy as np

from ..numba_cuda.device import ONE, ZERO, exp, log1p, weight_at
from ..numba_cuda.launch import THREADS, blocks, cuda, launch


@cuda.jit
def binary_cross_entropy_kernel(logits, targets, pos_weight, sample_weight, norm, losses, dlogits, n_out):
    for i in range(cuda.grid(1), logits.size, cuda.gridsize(1)):
        row = i // n_out
        scale = weight_at(sample_weight, row) / norm[0]
        z = logits[i]
        positive = weight_at(pos_weight, i - row * n_out) * targets[i]
        negative = ONE - targets[i]

        small = exp(-abs(z))  # never overflows
        rest = log1p(small)
        losses[i] = scale * (positive * (max(-z, ZERO) + rest) + negative * (max(z, ZERO) + rest))
        if dlogits.size > 0:
            likely, unlikely = ONE / (ONE + small), small / (ONE + small)
            sigmoid, sigmoid_of_minus = (likely, unlikely) if z >= ZERO else (unlikely, likely)
            dlogits[i] = scale * (negative * sigmoid - positive * sigmoid_of_minus)


def binary_cross_entropy(logits, targets, pos_weight, sample_weight, norm, losses, dlogits):
    gradient = None if dlogits is None else dlogits.reshape(-1)
    weights = (pos_weight, sample_weight, norm)
    flat = (logits.reshape(-1), targets.reshape(-1), *weights, losses.reshape(-1), gradient)
    launch(binary_cross_entropy_kernel, blocks(logits.size), THREADS, *flat, np.int32(logits.shape[1]))
