"""Binary cross-entropy on logits, one or many labels per row: the losses and their gradient in one pass.

With logit z, target t in [0, 1], the positive weight q of the output and the weight s of the sample:

    loss    = (s/norm) · (q·t·softplus(−z) + (1 − t)·softplus(z)),   softplus(z) = max(z, 0) + ln(1 + e^−|z|)
    dlogits = (s/norm) · ((1 − t)·σ(z) − q·t·σ(−z)),                 σ(z) = 1 / (1 + e^−z)

This is PyTorch's BCEWithLogitsLoss with pos_weight. The exponential is of −|z|, so nothing overflows and small
probabilities keep their digits. Losses and gradient are divided by `norm`, so that the loss of the batch is Σ losses:
norm is 1 for the reduction "sum" and n_out · Σ sample_weight for "mean".
"""

from __future__ import annotations

from ..contract import Cost, check_array, contract
from ..loss_contract import check_loss


@contract("losses", "dlogits")
def binary_cross_entropy(logits, targets, pos_weight, sample_weight, norm, losses, dlogits):
    """Compute the weighted losses and dlogits = d(Σ losses)/d logits.

    Arrays are float32 or float64, all the same.

    Parameters
    ----------
    logits : array, (batch, n_out)
        Logits z, at least one column. Finite logits of any size are handled; NaN logits, and infinite ones whose loss
        is inf − inf or 0·inf, yield NaN.
    targets : array, (batch, n_out)
        Targets t in [0, 1]; the caller checks them, since a GPU launch cannot.
    pos_weight : array, (n_out,), or None
        Weight q of the positive part per output; None is 1.
    sample_weight : array, (batch,), or None
        Weight s per row; None is 1.
    norm : array, (1,)
        Divisor of losses and gradient.
    losses : array, (batch, n_out)
        Losses, overwritten.
    dlogits : array, (batch, n_out), or None
        Gradient, overwritten; must not overlap `logits`. None in evaluation, where it is not computed.

    Raises
    ------
    ArgumentError
        For another shape or dtype.
    """
    check_loss("logits", logits, sample_weight, norm, losses, dlogits)
    check_array("targets", targets, tuple(logits.shape), logits.dtype)
    if pos_weight is not None:
        check_array("pos_weight", pos_weight, (logits.shape[1],), logits.dtype)


@binary_cross_entropy.cost
def _(logits, targets, pos_weight, sample_weight, norm, losses, dlogits):
    arrays = (logits, targets, pos_weight, sample_weight, losses, dlogits)
    return Cost(bytes=sum(a.nbytes for a in arrays if a is not None), operations=14 * logits.size)
