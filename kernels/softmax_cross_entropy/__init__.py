"""Softmax and cross-entropy as one operation on logits: the losses and their gradient in one pass.

With p = softmax(logits) of one row, label y, C classes, class weights w, smoothing ε and the weight s of the sample:

    target_k  = (1 − ε)·w_y·[k = y] + (ε/C)·w_k          total = Σ_k target_k
    loss      = (s/norm) · Σ_k target_k·(−ln p_k)
    dlogits_k = (s/norm) · (total·p_k − target_k)

    −ln p_k = m + ln Σ_j e^(logits_j − m) − logits_k,     m the row's maximum, so that no exponential overflows

Class weights and label smoothing are those of PyTorch's CrossEntropyLoss: the smoothed part of the target is weighted
by the weights of all classes. Losses and gradient are divided by `norm`, so that the loss of the batch is Σ losses:
norm is 1 for the reduction "sum"; for "mean" softmax_cross_entropy_norm computes it.

Reference: label smoothing: Szegedy et al., arXiv:1512.00567.
"""

from __future__ import annotations

from ...errors import ArgumentError
from ..contract import FLOATS, INT32, Cost, check_array, check_range, contract
from ..loss_contract import check_loss


@contract("losses", "dlogits")
def softmax_cross_entropy(logits, labels, class_weight, sample_weight, norm, losses, dlogits, *, label_smoothing=0.0):
    """Compute the weighted losses −ln softmax(logits)[label] and dlogits = d(Σ losses)/d logits.

    Arrays except `labels` are float32 or float64, all the same.

    Parameters
    ----------
    logits : array, (batch, n_classes)
        Logits, at least one column.
    labels : array, (batch,), int32
        Classes. A label outside [0, n_classes) makes the loss and gradient of its row NaN.
    class_weight : array, (n_classes,), or None
        Weight w per class; None is 1.
    sample_weight : array, (batch,), or None
        Weight s per row; None is 1.
    norm : array, (1,)
        Divisor of losses and gradient.
    losses : array, (batch,)
        Losses, overwritten.
    dlogits : array, (batch, n_classes), or None
        Gradient, overwritten; must not overlap `logits`. None in evaluation, where it is not computed.
    label_smoothing : float, default 0.0
        Smoothing ε, in [0, 1].

    Raises
    ------
    ArgumentError
        For another shape or dtype, or a scalar outside its range.

    Notes
    -----
    Finite logits of any size are handled. A logit of −inf is a class of probability 0: it adds nothing to the loss,
    unless it is the label or is smoothed, which makes the loss inf. A logit of +inf or NaN, or a row of −inf, makes its
    row NaN.
    """
    check_loss("logits", logits, sample_weight, norm, losses, dlogits, per_row=True)
    batch, n_classes = logits.shape
    check_array("labels", labels, (batch,), INT32)
    if class_weight is not None:
        check_array("class_weight", class_weight, (n_classes,), logits.dtype)
    check_range("label_smoothing", label_smoothing, 0.0, 1.0)


@contract("norm")
def softmax_cross_entropy_norm(labels, class_weight, sample_weight, norm):
    """Compute the divisor of the reduction "mean": the total weight of the batch.

    Arrays except `labels` are float32 or float64, all the same. One block adds all weights: a batch is short, so no
    scratch is needed.

    Parameters
    ----------
    labels : array, (batch,), int32
        Classes, not read without class weights. A label outside the classes has the weight NaN.
    class_weight : array, (n_classes,), or None
        Weight per class; None is 1.
    sample_weight : array, (batch,), or None
        Weight per row; None is 1.
    norm : array, (1,)
        Total weight, overwritten.

    Raises
    ------
    ArgumentError
        For another shape or dtype, or empty class weights.

    Notes
    -----
    norm = Σ class_weight[label]·sample_weight over the batch, PyTorch's divisor.
    """
    check_array("norm", norm, (1,), FLOATS)
    check_array("labels", labels, (None,), INT32)
    if class_weight is not None:
        check_array("class_weight", class_weight, (None,), norm.dtype)
        if class_weight.shape[0] == 0:
            raise ArgumentError("class_weight is empty, expected a weight for each class: pass None for equal weights")
    if sample_weight is not None:
        check_array("sample_weight", sample_weight, labels.shape, norm.dtype)


@softmax_cross_entropy.cost
def _(logits, labels, class_weight, sample_weight, norm, losses, dlogits, **_):
    arrays = (logits, labels, class_weight, sample_weight, losses, dlogits)
    return Cost(bytes=sum(a.nbytes for a in arrays if a is not None), operations=5 * logits.size)


@softmax_cross_entropy_norm.cost
def _(labels, class_weight, sample_weight, norm):
    arrays = (labels if class_weight is not None else None, class_weight, sample_weight, norm)
    return Cost(bytes=sum(a.nbytes for a in arrays if a is not None), operations=2 * labels.size)
