"""Softmax cross-entropy compiled for the CPU: each row is read from memory once and stays in the cache."""

import math

import numpy as np

from ..cpu_program import loops_only
from ..cpu_threads import spread
from ..numba_exp import exp_negative
from ..numba_options import compile_cpu


@compile_cpu
def _maximum(row):
    # Four maxima side by side: one alone would wait for each comparison. NaN need not win, the exponentials carry it.
    m0 = m1 = m2 = m3 = row[0]
    tail = row.size - row.size % 4
    for j in range(0, tail, 4):
        m0 = max(m0, row[j])
        m1 = max(m1, row[j + 1])
        m2 = max(m2, row[j + 2])
        m3 = max(m3, row[j + 3])
    for j in range(tail, row.size):
        m0 = max(m0, row[j])
    return max(max(m0, m1), max(m2, m3))


@compile_cpu
def _losses(logits, labels, sample_weight, losses, dlogits, class_weight, norm, hard, smooth):
    """`hard` is 1 − ε, `smooth` ε/C."""
    batch, n_classes = logits.shape
    number = logits.dtype.type
    smooth_total = smooth * (number(n_classes) if class_weight is None else class_weight.sum())
    for i in range(batch):
        row, label = logits[i], labels[i]
        scale = number(1) / norm[0] if sample_weight is None else sample_weight[i] / norm[0]
        if label < 0 or label >= n_classes:
            label, scale = 0, number(np.nan)

        largest = _maximum(row)
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
            rest = number(0)
            for j in range(n_classes):
                surprise = log_total - (row[j] - largest)
                if class_weight is None:
                    rest += surprise
                else:
                    rest += class_weight[j] * surprise if class_weight[j] != 0 else number(0)
            loss += smooth * rest
        losses[i] = scale * loss if total == total else total

        if dlogits is not None:
            factor = scale * (target + smooth_total) / total
            for j in range(n_classes):
                smoothed = smooth if class_weight is None else smooth * class_weight[j]
                dlogits[i, j] = factor * dlogits[i, j] - scale * smoothed
            dlogits[i, label] -= scale * target


@loops_only
def softmax_cross_entropy(logits, labels, class_weight, sample_weight, norm, losses, dlogits, *, label_smoothing=0.0):
    number = logits.dtype.type
    hard, smooth = number(1 - label_smoothing), number(label_smoothing / logits.shape[1])
    arrays = (logits, labels, sample_weight, losses, dlogits)
    spread(_losses, arrays, class_weight, norm, hard, smooth, width=logits.shape[1])


@compile_cpu
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
