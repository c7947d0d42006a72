"""Examples and workloads of the losses of regression."""

from __future__ import annotations

import numpy as np

from ..contract import MEASURED_SHAPES, Example, draw
from ..loss_contract import SIZES, draw_weights, unwritten
from . import LOSSES, regression_loss


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
