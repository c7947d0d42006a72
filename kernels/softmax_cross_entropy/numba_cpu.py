"""Softmax cross-entropy compiled for the CPU: each row is read from memory once and stays in the cache."""

import math

import numpy as np

from ..cpu.exp import exp_negative, log_above_one
from ..cpu.options import compile_and_cache, compile_cpu
from ..cpu.program import loops_only
from ..cpu.team import spread
from ..cpu.vectors import MAXIMA, VECTOR, array_at, maxima, maximum, transpose_in, transpose_out

FEW = 64  # up to this many classes, a vector holds one class of many rows: a row would not fill the vectors
BLOCK = 64  # rows processed together then
FEW_SPEED = 2  # speed of that loop for `spread`
assert MAXIMA * VECTOR // 4 <= FEW


@compile_cpu
def _losses(logits, labels, sample_weight, losses, dlogits, class_weight, norm, hard, smooth):
    """Compute losses and gradient row by row; `hard` is 1 − ε and `smooth` is ε/C."""
    batch, n_classes = logits.shape
    number = logits.dtype.type
    smooth_total = smooth * (number(n_classes) if class_weight is None else class_weight.sum())
    for i in range(batch):
        row, label = logits[i], labels[i]
        scale = number(1) / norm[0] if sample_weight is None else sample_weight[i] / norm[0]
        if label < 0 or label >= n_classes:
            label, scale = 0, number(np.nan)

        largest = maximum(row[0], row.ctypes.data, n_classes)  # NaN need not win: the exponentials carry it on
        total = number(0)
        for j in range(n_classes):
            e = exp_negative(row[j] - largest)
            total += e
            if dlogits is not None:
                dlogits[i, j] = e
        log_total = math.log(total)

        target = hard if class_weight is None else hard * class_weight[label]
        loss = number(0)
        if target != 0:
            loss = target * (log_total - (row[label] - largest))
        if smooth != 0:
            smoothing_sum = number(0)
            for j in range(n_classes):
                neg_log = log_total - (row[j] - largest)
                if class_weight is None:
                    smoothing_sum += neg_log
                else:
                    smoothing_sum += class_weight[j] * neg_log if class_weight[j] != 0 else number(0)
            loss += smooth * smoothing_sum
        losses[i] = scale * loss if total == total else total

        if dlogits is not None:
            factor = scale * (target + smooth_total) / total
            for j in range(n_classes):
                smoothed = smooth if class_weight is None else smooth * class_weight[j]
                dlogits[i, j] = factor * dlogits[i, j] - scale * smoothed
            dlogits[i, label] -= scale * target


@compile_cpu
def _losses_of_few(
    logits, labels, sample_weight, losses, out, start, scratch, wanted, class_weight, norm, hard, smooth
):
    """Compute the same for few classes: BLOCK rows at a time, transposed, so that a vector holds one class of many."""
    batch, n_classes = logits.shape
    number, size = logits.dtype.type, logits.itemsize
    smooth_total = smooth * (number(n_classes) if class_weight is None else class_weight.sum())
    weights = norm[0]
    z = array_at(scratch, (FEW, BLOCK), number(0))
    more = array_at(scratch + FEW * BLOCK * size, (7, BLOCK), number(0))
    largest, total, own_logit, smoothing, scale, target, factor = more
    label = array_at(scratch + (FEW + 7) * BLOCK * size, (BLOCK,), np.int32(0))

    for i0 in range(0, batch, BLOCK):
        n = min(BLOCK, batch - i0)
        _transpose_block(logits, i0, n, z, True)
        for i in range(n):
            label[i] = labels[i0 + i]
            scale[i] = number(1) if sample_weight is None else sample_weight[i0 + i]
        for i in range(BLOCK):  # all of them: a loop of known length needs no remainder loop
            inside = 0 <= label[i] < n_classes
            label[i] = label[i] if inside else 0
            scale[i] = scale[i] / weights if inside else number(np.nan)
            target[i] = hard
            total[i] = own_logit[i] = smoothing[i] = 0
        if class_weight is not None:
            for i in range(n):
                target[i] = hard * class_weight[label[i]]

        for i in range(0, BLOCK * size, VECTOR):
            maxima(number(0), z.ctypes.data + i, n_classes, BLOCK * size, largest.ctypes.data + i)
        for j in range(n_classes):
            weight = smooth if class_weight is None else smooth * class_weight[j]
            if weight != 0:
                for i in range(BLOCK):
                    smoothing[i] -= weight * (z[j, i] - largest[i])
            for i in range(BLOCK):
                below = z[j, i] - largest[i]
                own_logit[i] = below if label[i] == j else own_logit[i]
                e = exp_negative(below)
                total[i] += e
                z[j, i] = e

        for i in range(BLOCK):
            log_total = log_above_one(total[i])
            own = target[i] * (log_total - own_logit[i]) if target[i] != 0 else number(0)
            loss = own + (smoothing[i] + smooth_total * log_total)
            own_logit[i] = scale[i] * loss if total[i] == total[i] else total[i]
            factor[i] = scale[i] * (target[i] + smooth_total) / total[i]
            target[i] *= scale[i]
        for i in range(n):
            losses[i0 + i] = own_logit[i]
        if wanted:
            for j in range(n_classes):
                smoothed = smooth if class_weight is None else smooth * class_weight[j]
                for i in range(BLOCK):
                    own = target[i] if label[i] == j else number(0)
                    z[j, i] = factor[i] * z[j, i] - scale[i] * smoothed - own
            _transpose_block(out, i0, n, z, False)


@compile_cpu
def _transpose_block(rows, first, n, z, read):
    """Copy n rows of a matrix, beginning with `first`, to columns of z with `read`, otherwise back."""
    n_classes, like, size = rows.shape[1], rows.dtype.type(0), rows.itemsize
    lanes, stride, z_stride = VECTOR // size, n_classes * size, z.shape[1] * size
    for i in range(0, n, lanes):
        for j in range(0, n_classes, lanes):
            place = rows.ctypes.data + (first + i) * stride + j * size
            column = z.ctypes.data + j * z_stride + i * size
            if read:
                transpose_in(like, place, stride, n - i, n_classes - j, column, z_stride)
            else:
                transpose_out(like, column, z_stride, place, stride, n - i, n_classes - j)


@loops_only
def softmax_cross_entropy(logits, labels, class_weight, sample_weight, norm, losses, dlogits, *, label_smoothing):
    number = logits.dtype.type
    hard, smooth = number(1 - label_smoothing), number(label_smoothing / logits.shape[1])
    arrays, scalars = (logits, labels, sample_weight, losses, dlogits), (class_weight, norm, hard, smooth)
    if logits.shape[1] <= FEW:
        wanted = dlogits is not None  # one loop for both cases, so that the losses round alike
        arrays = arrays if wanted else (*arrays[:-1], logits)
        spread(
            _losses_of_few, arrays, wanted, *scalars, width=logits.shape[1], speed=FEW_SPEED, multiple=BLOCK, extras=2
        )
    else:
        spread(_losses, arrays, *scalars, width=logits.shape[1])


@compile_and_cache
def softmax_cross_entropy_norm(labels, class_weight, sample_weight, norm):
    total = 0.0
    for i in range(labels.size):
        weight = 1.0
        if class_weight is not None:
            inside = 0 <= labels[i] < class_weight.size
            weight = class_weight[labels[i]] if inside else np.nan
        if sample_weight is not None:
            weight *= sample_weight[i]
        total += weight
    norm[0] = total
