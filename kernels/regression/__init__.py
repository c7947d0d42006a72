"""Losses of regression: the losses and their gradient in one pass.

With prediction p, target t, difference d = p − t, and the sample's weight s; both columns times s/norm:

| loss           | value                                    | gradient             | PyTorch                        |
| -------------- | ---------------------------------------- | -------------------- | ------------------------------ |
| squared_error  | d²                                       | 2·d                  | MSELoss                        |
| absolute_error | abs d                                    | sign d, 0 at 0       | L1Loss                         |
| huber          | d²/2 if abs d ≤ δ, else δ·(abs d − δ/2)  | d clipped to [−δ, δ] | HuberLoss(delta)               |
| poisson        | e^p − t·p                                | e^p − t              | PoissonNLLLoss(log_input=True) |

A prediction of the Poisson loss is the logarithm of the expected count. Losses and gradient come divided by `norm`, so
that the loss of the batch is Σ losses: norm is 1 for the reduction "sum", n_out · Σ sample_weight for "mean". Huber,
Ann. Math. Statist. 35 (1964).
"""

from __future__ import annotations

import numpy as np

from ...errors import choose
from ..contract import MEASURED_SHAPES, Cost, Example, check_array, check_range, contract, draw
from ..loss_contract import SIZES, check_loss, draw_weights, unwritten

LOSSES = ("squared_error", "absolute_error", "huber", "poisson")


@contract("losses", "dpredictions")
def regression_loss(predictions, targets, sample_weight, norm, losses, dpredictions, *, loss, delta=1.0):
    """losses as the table says, weighted and divided by norm, and dpredictions = d(Σ losses)/d predictions.

    predictions, targets, losses (batch, n_out), float32 or float64, all the same; dpredictions (batch, n_out) or None
    (evaluation: not computed); sample_weight (batch,) or None (1): weight of each row; norm (1,).
    loss: a name of the table; delta > 0: where huber turns from square to straight. NaN stays NaN; e^p may
    be inf from p = 87 (float32). dpredictions does not overlap predictions.
    """
    if loss not in LOSSES:
        choose("regression loss", loss, LOSSES)
    check_range("delta", delta, 0.0, float(np.finfo(np.float32).max), open_low=True)
    check_loss("predictions", predictions, sample_weight, norm, losses, dpredictions)
    check_array("targets", targets, tuple(predictions.shape), predictions.dtype)


@regression_loss.examples
def _(rng):
    for (batch, n_out), reason in SIZES.items():
        for loss in LOSSES:
            for weighted, evaluation in ((False, False), (True, False), (False, True), (True, True)):
                predictions = rng.normal(0, 2, (batch, n_out)).astype(np.float32)
                targets = rng.poisson(2, (batch, n_out)) if loss == "poisson" else rng.normal(0, 2, (batch, n_out))
                targets = targets.astype(np.float32)
                targets[0, 0] = predictions[0, 0]  # no difference: the kink of the absolute error
                arrays = {
                    "predictions": predictions,
                    "targets": targets,
                    "sample_weight": draw_weights(rng, batch) if weighted else None,
                    "norm": np.array([predictions.size], np.float32),
                    "losses": unwritten(predictions),
                    "dpredictions": None if evaluation else unwritten(predictions),
                }
                how = f"sample weights {weighted}, evaluation {evaluation}"
                yield Example(f"{loss}, {how}, {reason}", arrays, {"loss": loss, "delta": 0.75})
    for loss in LOSSES:
        predictions, targets = rng.normal(size=(2, 4, 9)).astype(np.float32)
        predictions[1, 2] = targets[3, 4] = np.nan
        arrays = {
            "predictions": predictions,
            "targets": targets,
            "sample_weight": None,
            "norm": np.ones(1, np.float32),
            "losses": unwritten(predictions),
            "dpredictions": unwritten(predictions),
        }
        yield Example(f"{loss}, NaN stays in its element", arrays, {"loss": loss})


@regression_loss.workloads
def _(rng):
    for loss in LOSSES:
        for batch, n_out in ((64, 1), *MEASURED_SHAPES[1:]) if loss == "squared_error" else MEASURED_SHAPES[-1:]:
            predictions, targets = draw(rng, batch, n_out), rng.random((batch, n_out), np.float32)
            arrays = {
                "predictions": predictions,
                "targets": targets,
                "sample_weight": None,
                "norm": np.array([predictions.size], np.float32),
                "losses": np.zeros_like(predictions),
                "dpredictions": np.zeros_like(predictions),
            }
            yield Example(f"{loss}, {batch} × {n_out}", arrays, {"loss": loss})


@regression_loss.cost
def _(predictions, targets, sample_weight, norm, losses, dpredictions, **_):
    arrays = (predictions, targets, sample_weight, losses, dpredictions)
    return Cost(bytes=sum(a.nbytes for a in arrays if a is not None), operations=6 * predictions.size)
