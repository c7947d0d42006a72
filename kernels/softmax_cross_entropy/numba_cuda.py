"""Softmax cross-entropy in Numba CUDA: one block per row, neighbouring threads read neighbouring classes."""

import numpy as np

from ..numba_cuda.device import INFINITY, NAN, ZERO, block_max, block_sum, exp, log, weight_at
from ..numba_cuda.launch import THREADS, cuda, launch

# Up to this many classes a row gets one warp: more threads would mostly wait at barriers.
CLASSES_OF_A_WARP = 1024
WARP = 32


@cuda.jit
def softmax_cross_entropy_kernel(
    logits, labels, class_weight, sample_weight, norm, losses, dlogits, hard, smooth, n_classes
):
    """Compute one row; `logits` and `dlogits` are flat, `hard` is 1 − ε, `smooth` is ε/C."""
    row, first, threads = cuda.blockIdx.x, cuda.threadIdx.x, cuda.blockDim.x
    start = np.int64(row) * n_classes  # may exceed 2³¹
    label, scale = labels[row], weight_at(sample_weight, row) / norm[0]
    if label < 0 or label >= n_classes:
        label, scale = np.int32(0), NAN

    largest = -INFINITY
    for k in range(first, n_classes, threads):
        largest = max(largest, logits[start + k])
    largest = block_max(largest)

    total, weights = ZERO, ZERO
    for k in range(first, n_classes, threads):
        total += exp(logits[start + k] - largest)
        weights += weight_at(class_weight, k)
    total, weights = block_sum(total), block_sum(weights)

    log_total = log(total)
    target_of_label = hard * weight_at(class_weight, label)
    target_total = target_of_label + smooth * weights
    loss = ZERO
    for k in range(first, n_classes, threads):
        shifted = logits[start + k] - largest
        target = smooth * weight_at(class_weight, k)
        if k == label:
            target += target_of_label
        if target != ZERO:  # otherwise an infinite −ln p would contribute 0·inf
            loss += target * (log_total - shifted)
        if dlogits.size > 0:
            dlogits[start + k] = scale * (target_total * (exp(shifted) / total) - target)
    loss = block_sum(loss)
    if first == 0:
        losses[row] = scale * loss if total == total else NAN


@cuda.jit
def softmax_cross_entropy_norm_kernel(labels, class_weight, sample_weight, norm):
    """Add all weights in one block."""
    total = ZERO
    for i in range(cuda.threadIdx.x, labels.size, cuda.blockDim.x):
        weight = weight_at(sample_weight, i)
        if class_weight.size > 0:
            inside = labels[i] >= 0 and labels[i] < class_weight.size
            weight *= class_weight[labels[i]] if inside else NAN
        total += weight
    total = block_sum(total)
    if cuda.threadIdx.x == 0:
        norm[0] = total


def softmax_cross_entropy(logits, labels, class_weight, sample_weight, norm, losses, dlogits, *, label_smoothing):
    batch, n_classes = logits.shape
    gradient = None if dlogits is None else dlogits.reshape(-1)
    arrays = (logits.reshape(-1), labels, class_weight, sample_weight, norm, losses, gradient)
    scalars = (np.float32(1 - label_smoothing), np.float32(label_smoothing / n_classes), np.int32(n_classes))
    block = WARP if n_classes <= CLASSES_OF_A_WARP else THREADS
    launch(softmax_cross_entropy_kernel, batch, block, *arrays, *scalars)


def softmax_cross_entropy_norm(labels, class_weight, sample_weight, norm):
    launch(softmax_cross_entropy_norm_kernel, 1, THREADS, labels, class_weight, sample_weight, norm)
