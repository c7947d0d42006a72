"""A model outside training: its outputs for all rows of a data set, its loss and score on them."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import nn
from ..engine.arithmetic import concatenate
from ..engine.device import Device
from ..engine.tape import no_grad
from ..engine.tensor import Tensor
from ..errors import ArgumentError
from ..nn.losses import kind_of

ROWS_AT_ONCE = 4096  # that a forward pass takes at once

quiet = np.errstate(all="ignore")  # an overflow shows in the result, as on a GPU


@quiet
def forward(model: nn.Module, x: np.ndarray, *, device: Device, dtype: Any, scale: float) -> Tensor:
    """The outputs (rows, n_out) for stored features (rows, features), in evaluation mode and off the tape.

    Raises ArgumentError for a scale that is not positive, and for what the model itself refuses.
    """
    if not 0 < scale < math.inf:
        raise ArgumentError(f"scale is {scale}, expected a positive number: what stored features are multiplied by")
    outputs: list[Tensor] = []
    with no_grad(), _evaluating(model):
        for start in range(0, len(x), ROWS_AT_ONCE):
            stored = device.resident(x[start : start + ROWS_AT_ONCE])
            rows = device.upload(np.arange(len(stored), dtype=np.int32))
            batch = device.empty(stored.shape, dtype)
            device.run(device.kernels.gather, stored, rows, batch, scale=scale)
            outputs.append(model(Tensor(batch, device)))
        return outputs[0] if len(outputs) == 1 else concatenate(outputs)


def mean_loss(loss: nn.Module, out: Tensor, y: Tensor, weight: Tensor | None) -> Tensor:
    """The loss; a module of one's own need not take weights."""
    return loss(out, y) if weight is None else loss(out, y, weight)


@quiet
def scores(loss: nn.Module, out: Tensor, y: np.ndarray, weight: np.ndarray | None = None) -> dict[str, float]:
    """{"loss": …} and the score: "accuracy" for labels and yes/no outputs, else "r2", which is NaN for a single row.

    weight (rows,) counts in both. The r2 of PoissonNLLLoss is that of the expected counts.
    """
    device = out.device
    with no_grad():
        targets = Tensor(device.upload(y, None if y.dtype == np.int32 else out.dtype), device)
        weights = None if weight is None else Tensor(device.upload(weight, out.dtype), device)
        result = {"loss": float(mean_loss(loss, out, targets, weights))}
    kind = kind_of(loss)
    if kind.right is not None:
        return {**result, "accuracy": float(np.average(kind.right(out, y), weights=weight))}
    from sklearn.metrics import r2_score

    predictions = kind.quantity(out)
    if len(y) < 2 or not np.isfinite(predictions).all():
        return {**result, "r2": math.nan}
    return {**result, "r2": float(r2_score(y, predictions, sample_weight=weight))}


@contextlib.contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode within the block; afterwards each module has the mode that it had."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
