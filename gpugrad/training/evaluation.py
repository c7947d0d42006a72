"""Evaluation of a model: its outputs for all rows of a data set, and its loss and score on them."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import nn
from ..data.maps import parts
from ..engine.arithmetic import concatenate
from ..engine.device import Device
from ..engine.tape import no_grad
from ..engine.tensor import Tensor
from ..nn.losses import kind_of

ROWS_AT_ONCE = 4096  # rows per forward pass

quiet = np.errstate(all="ignore")  # no warnings: an overflow shows in the result, as on a GPU


@quiet
def forward(
    model: nn.Module, x: np.ndarray, *, device: Device, dtype: Any, scale: float, rows: np.ndarray | None = None
) -> Tensor:
    """Return the outputs (rows, n_out) for stored features (rows, features), in evaluation mode and off the tape.

    By default for all rows; `rows` (ascending) chooses some.
    """
    outputs: list[Tensor] = []
    with no_grad(), _evaluating(model):
        for part in parts(x, ROWS_AT_ONCE, rows):
            stored = device.resident(part)
            if stored.dtype == dtype and scale == 1:
                batch = stored
            else:
                places = device.upload(np.arange(len(stored), dtype=np.int32))
                batch = device.empty(stored.shape, dtype)
                device.run(device.kernels.gather, stored, places, batch, scale=scale)
            outputs.append(model(Tensor(batch, device)))
        return outputs[0] if len(outputs) == 1 else concatenate(outputs)


def mean_loss(loss: nn.Module, out: Tensor, y: Tensor, weight: Tensor | None) -> Tensor:
    """Return the loss; a user's module need not accept weights."""
    return loss(out, y) if weight is None else loss(out, y, weight)


@quiet
def scores(loss: nn.Module, out: Tensor, y: np.ndarray, weight: np.ndarray | None = None) -> dict[str, float]:
    """Return {"loss": …} with the score: "accuracy" for labels and yes/no outputs, else "r2", NaN for a single row.

    weight (rows,) affects both. The r2 of PoissonNLLLoss is that of the expected counts.
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
    """Set evaluation mode within the block, and restore the mode of each module afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    if any(mode for _, mode in modes):
        model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
