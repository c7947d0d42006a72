"""Softmax and cross-entropy as one operation on logits: the losses and their gradient in one pass.

With p = softmax(logits) of one row, label y, C classes, class weights w, smoothing ε and the sample's weight s:

    target_k  = (1 − ε)·w_y·[k = y] + (ε/C)·w_k          total = Σ_k target_k
    loss      = (s/norm) · Σ_k target_k·(−ln p_k)
    dlogits_k = (s/norm) · (total·p_k − target_k)

    −ln p_k = m + ln Σ_j e^(logits_j − m) − logits_k,     m the row's maximum, so that no exponential overflows

These are the class weights and the label smoothing of PyTorch's CrossEntropyLoss: the smoothed part of the target is
weighted by every class's weight. Losses and gradient come divided by `norm`, so that the loss of the batch is Σ losses:
norm is 1 for the reduction "sum"; for "mean" softmax_cross_entropy_norm computes it. Label smoothing: Szegedy et al.,
arXiv:1512.00567.
"""

from __future__ import annotations

import numpy as np

from ...errors import ArgumentError
from ..contract import FLOATS, INT32, Cost, Example, check_array, check_range, contract, draw
from ..loss_contract import SIZES, check_loss, draw_weights, unwritten


@contract("losses", "dlogits")
def softmax_cross_entropy(logits, labels, class_weight, sample_weight, norm, losses, dlogits, *, label_smoothing=0.0):
    """losses = −ln softmax(logits)[label], weighted and divided by norm, and dlogits = d(Σ losses)/d logits.

    logits (batch, n_classes) float32 or float64; labels (batch,) int32; of the dtype of logits: class_weight
    (n_classes,) or None (1), sample_weight (batch,) or None (1), norm (1,), losses (batch,), dlogits (batch, n_classes)
    or None (evaluation: not computed). dlogits does not overlap logits. label_smoothing in [0, 1].

    A label outside 0 … n_classes−1 makes its row's loss and gradient NaN; nothing is read or written out of bounds.
    Finite logits of any size are handled. A logit of −inf is a class of probability 0: it costs nothing unless it is
    the label or is smoothed, then the loss is inf. A logit of +inf or NaN, or a row of −inf, makes its row NaN.
    """
    check_loss("logits", logits, sample_weight, norm, losses, dlogits, per_row=True)
    batch, n_classes = logits.shape
    check_array("labels", labels, (batch,), INT32)
    if class_weight is not None:
        check_array("class_weight", class_weight, (n_classes,), logits.dtype)
    check_range("label_smoothing", label_smoothing, 0.0, 1.0)


@contract("norm")
def softmax_cross_entropy_norm(labels, class_weight, sample_weight, norm):
    """norm = Σ class_weight[label]·sample_weight over the batch: what PyTorch's mean divides by.

    labels (batch,) int32; class_weight (n_classes,) or None (1), sample_weight (batch,) or None (1), norm (1,): float32
    or float64, all the same. A label outside the classes has the weight NaN; without class weights labels are not read.
    One block does it: a batch is short, so no scratch is needed.
    """
    check_array("norm", norm, (1,), FLOATS)
    check_array("labels", labels, (None,), INT32)
    if class_weight is not None:
        check_array("class_weight", class_weight, (None,), norm.dtype)
        if class_weight.shape[0] == 0:
            raise ArgumentError("class_weight is empty, expected a weight for each class: pass None for equal weights")
    if sample_weight is not None:
        check_array("sample_weight", sample_weight, labels.shape, norm.dtype)


@softmax_cross_entropy.examples
def _(rng):
    def example(reason, logits, *, class_weight=None, sample_weight=None, evaluation=False, **scalars):
        batch, n_classes = logits.shape
        arrays = {
            "logits": logits,
            "labels": rng.integers(0, n_classes, batch).astype(np.int32),
            "class_weight": class_weight,
            "sample_weight": sample_weight,
            "norm": np.array([batch], np.float32),
            "losses": np.full(batch, np.nan, np.float32),
            "dlogits": None if evaluation else unwritten(logits),
        }
        return Example(reason, arrays, scalars, terms=n_classes)

    for (batch, columns), reason in SIZES.items():
        n_classes = max(2, columns)  # of one class the gradient is 0, and an error has no scale
        logits = rng.normal(0, 3, (batch, n_classes)).astype(np.float32)
        class_weight = rng.uniform(0.2, 3, n_classes).astype(np.float32)
        sample_weight = draw_weights(rng, batch)
        yield example(f"plain, {reason}", logits)
        yield example(f"evaluation, {reason}", logits, evaluation=True)
        yield example(f"smoothed, {reason}", logits, label_smoothing=0.1)
        yield example(f"class weights, {reason}", logits, class_weight=class_weight)
        yield example(f"sample weights, {reason}", logits, sample_weight=sample_weight)
        weights = {"class_weight": class_weight, "sample_weight": sample_weight}
        yield example(f"all weights, smoothed, {reason}", logits, **weights, label_smoothing=0.3)
        yield example(f"all, evaluation, {reason}", logits, **weights, label_smoothing=0.3, evaluation=True)
    outside = example("labels outside the classes make their rows NaN", rng.normal(size=(6, 4)).astype(np.float32))
    outside.arrays["labels"][:] = 0, -1, 3, 4, 2**31 - 1, -(2**31)
    yield outside
    yield example(
        "logits of ±1e4: the row maximum must be subtracted", rng.choice([-1e4, 1e4], (9, 4)).astype(np.float32)
    )
    yield example(
        "smoothing 1: the label does not matter", rng.normal(size=(4, 6)).astype(np.float32), label_smoothing=1.0
    )


@softmax_cross_entropy_norm.examples
def _(rng):
    for batch, reason in {1: "one row", 128: "a minibatch", 5000: "more rows than a block has threads"}.items():
        labels = rng.integers(0, 7, batch).astype(np.int32)
        class_weight = rng.uniform(0.2, 3, 7).astype(np.float32)
        sample_weight = rng.uniform(0.5, 2, batch).astype(np.float32)
        for weights in ((None, None), (class_weight, None), (None, sample_weight), (class_weight, sample_weight)):
            arrays = {
                "labels": labels,
                "class_weight": weights[0],
                "sample_weight": weights[1],
                "norm": np.array([np.nan], np.float32),
            }
            given = f"class weights {weights[0] is not None}, sample weights {weights[1] is not None}"
            yield Example(f"{reason}, {given}", arrays, {}, terms=batch)
    arrays = {
        "labels": np.array([0, 7, 1], np.int32),
        "class_weight": class_weight,
        "sample_weight": None,
        "norm": np.zeros(1, np.float32),
    }
    yield Example("a label outside the classes weighs NaN", arrays, {})


@softmax_cross_entropy.workloads
def _(rng):
    for batch, n_classes in ((64, 10), (512, 10), (1 << 20, 10), (1024, 1000), (1024, 32000)):
        logits = draw(rng, batch, n_classes)
        arrays = {
            "logits": logits,
            "labels": rng.integers(0, n_classes, batch).astype(np.int32),
            "class_weight": None,
            "sample_weight": None,
            "norm": np.array([batch], np.float32),
            "losses": np.zeros(batch, np.float32),
            "dlogits": np.zeros_like(logits),
        }
        yield Example(f"{batch} × {n_classes}", arrays, {}, terms=n_classes)


@softmax_cross_entropy_norm.workloads
def _(rng):
    for batch in (64, 65536):
        labels = rng.integers(0, 10, batch).astype(np.int32)
        weights = {"class_weight": np.ones(10, np.float32), "sample_weight": rng.random(batch, np.float32)}
        arrays = {"labels": labels, **weights, "norm": np.zeros(1, np.float32)}
        yield Example(f"{batch}, all weights", arrays, {}, terms=batch)


@softmax_cross_entropy.cost
def _(logits, labels, class_weight, sample_weight, norm, losses, dlogits, **_):
    arrays = (logits, labels, class_weight, sample_weight, losses, dlogits)
    return Cost(bytes=sum(a.nbytes for a in arrays if a is not None), operations=5 * logits.size)


@softmax_cross_entropy_norm.cost
def _(labels, class_weight, sample_weight, norm):
    arrays = (labels if class_weight is not None else None, class_weight, sample_weight, norm)
    return Cost(bytes=sum(a.nbytes for a in arrays if a is not None), operations=2 * labels.size)
