"""Binary cross-entropy in NumPy."""

import numpy as np


# Infinite logits or a norm of 0 yield infinity or NaN without a warning, as in every toolchain.
@np.errstate(divide="ignore", over="ignore", invalid="ignore")
def binary_cross_entropy(logits, targets, pos_weight, sample_weight, norm, losses, dlogits):
    positive = targets if pos_weight is None else pos_weight * targets
    negative = 1 - targets
    scale = 1 / norm if sample_weight is None else (sample_weight / norm)[:, None]

    small = np.exp(-np.abs(logits))
    softplus = np.maximum(logits, 0) + np.log1p(small)
    softplus_of_minus = np.maximum(-logits, 0) + np.log1p(small)
    losses[...] = scale * (positive * softplus_of_minus + negative * softplus)
    if dlogits is not None:
        sigmoid = np.where(logits >= 0, 1, small) / (1 + small)
        sigmoid_of_minus = np.where(logits >= 0, small, 1) / (1 + small)
        dlogits[...] = scale * (negative * sigmoid - positive * sigmoid_of_minus)
