"""Softmax cross-entropy in NumPy."""

import numpy as np


# Infinite logits or a norm of 0 yield infinity or NaN without a warning, as in every toolchain.
@np.errstate(divide="ignore", over="ignore", invalid="ignore")
def softmax_cross_entropy(logits, labels, class_weight, sample_weight, norm, losses, dlogits, *, label_smoothing):
    batch, n_classes = logits.shape
    rows = np.arange(batch)
    valid = (labels >= 0) & (labels < n_classes)
    label = np.where(valid, labels, 0)
    weight = np.ones(n_classes, logits.dtype) if class_weight is None else class_weight

    target = np.tile(weight * logits.dtype.type(label_smoothing / n_classes), (batch, 1))
    target[rows, label] += weight[label] * logits.dtype.type(1 - label_smoothing)

    shifted = logits - logits.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    sums = exponentials.sum(axis=1, keepdims=True)
    nll = np.log(sums) - shifted  # −ln p
    loss = np.where(target == 0, 0, target * nll).sum(axis=1)
    loss[np.isnan(sums[:, 0])] = np.nan

    scale = np.where(valid, logits.dtype.type(1), np.nan) / norm
    if sample_weight is not None:
        scale = scale * sample_weight
    losses[...] = scale * loss
    if dlogits is not None:
        total = target.sum(axis=1, keepdims=True)
        dlogits[...] = scale[:, None] * (total * (exponentials / sums) - target)


def softmax_cross_entropy_norm(labels, class_weight, sample_weight, norm):
    weight = np.ones(labels.shape, norm.dtype)
    if class_weight is not None:
        n_classes = class_weight.shape[0]
        valid = (labels >= 0) & (labels < n_classes)
        weight = np.where(valid, class_weight[np.where(valid, labels, 0)], np.nan)
    if sample_weight is not None:
        weight = weight * sample_weight
    norm[0] = weight.sum(dtype=np.float64)
