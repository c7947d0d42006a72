"""Losses of regression: the losses and their gradient in one pass.

With prediction p, target t, difference d = p − t and the weight s of the sample; value and gradient times s/norm:

| loss           | value                                    | gradient             | PyTorch                        |
| -------------- | ---------------------------------------- | -------------------- | ------------------------------ |
| squared_error  | d²                                       | 2·d                  | MSELoss                        |
| absolute_error | abs d                                    | sign d, 0 at 0       | L1Loss                         |
| huber          | d²/2 if abs d ≤ δ, else δ·(abs d − δ/2)  | d clipped to [−δ, δ] | HuberLoss(delta)               |
| poisson        | e^p − t·p                                | e^p − t              | PoissonNLLLoss(log_input=True) |

A prediction of the Poisson loss is the logarithm of the expected count. Losses and gradient are divided by `norm`, so
that the loss of the batch is Σ losses: norm is 1 for the reduction "sum" and n_out · Σ sample_weight for "mean".

Reference: Huber, Ann. Math. Statist. 35 (1964).
"""

from __future__ import annotations

import numpy as np

from ...errors import choose
from ..contract import Cost, check_array, check_range, contract
from ..loss_contract import check_loss

LOSSES = ("squared_error", "absolute_error", "huber", "poisson")


@contract("losses", "dpredictions")
def regression_loss(predictions, targets, sample_weight, norm, losses, dpredictions, *, loss, delta=1.0):
    """Compute the weighted losses of the table and dpredictions = d(Σ losses)/d predictions.

    Arrays are float32 or float64, all the same. NaN stays NaN; e^p may be inf from p = 87 in float32.

    Parameters
    ----------
    predictions : array, (batch, n_out)
        Predictions p, at least one column.
    targets : array, (batch, n_out)
        Targets t.
    sample_weight : array, (batch,), or None
        Weight s per row; None is 1.
    norm : array, (1,)
        Divisor of losses and gradient.
    losses : array, (batch, n_out)
        Losses, overwritten.
    dpredictions : array, (batch, n_out), or None
        Gradient, overwritten; must not overlap `predictions`. None in evaluation, where it is not computed.
    loss : {"squared_error", "absolute_error", "huber", "poisson"}
        Row of the table.
    delta : float, default 1.0
        Difference at which huber switches from quadratic to linear, more than 0.

    Raises
    ------
    ArgumentError
        For another shape or dtype, or a scalar outside its range.
    """
    if loss not in LOSSES:
        choose("regression loss", loss, LOSSES)
    check_range("delta", delta, 0.0, float(np.finfo(np.float32).max), open_low=True)
    check_loss("predictions", predictions, sample_weight, norm, losses, dpredictions)
    check_array("targets", targets, tuple(predictions.shape), predictions.dtype)


@regression_loss.cost
def _(predictions, targets, sample_weight, norm, losses, dpredictions, **_):
    arrays = (predictions, targets, sample_weight, losses, dpredictions)
    return Cost(bytes=sum(a.nbytes for a in arrays if a is not None), operations=6 * predictions.size)
