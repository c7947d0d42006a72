"""Shared parts of the contracts of all losses: the checks of weights and outputs, and example weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError
from .contract import FLOATS, check_array


def check_loss(
    name: str, predictions: Any, sample_weight: Any, norm: Any, losses: Any, gradient: Any, *, per_row: bool = False
) -> None:
    """Check the arrays that every loss has, all of the dtype of the predictions.

    Parameters
    ----------
    name : str
        Name of the predictions; that of the gradient is "d" + name.
    predictions : array, (batch, n_out)
        Predictions or logits, float32 or float64, at least one column.
    sample_weight : array, (batch,), or None
        Weight per row.
    norm : array, (1,)
        Divisor of the losses.
    losses : array, (batch, n_out), or (batch,) if `per_row`
        Output.
    gradient : array, (batch, n_out), or None
        Output, None in evaluation.
    per_row : bool, default False
        Whether there is one loss per row, not one per prediction.

    Raises
    ------
    ArgumentError
        For another shape or dtype.
    """
    check_array(name, predictions, (None, None), FLOATS)
    batch, n_out = predictions.shape
    if n_out == 0:
        raise ArgumentError(f"{name} has shape {(batch, n_out)}, expected at least one column: check the output layer")
    if sample_weight is not None:
        check_array("sample_weight", sample_weight, (batch,), predictions.dtype)
    check_array("norm", norm, (1,), predictions.dtype)
    check_array("losses", losses, (batch,) if per_row else (batch, n_out), predictions.dtype)
    if gradient is not None:
        check_array(f"d{name}", gradient, (batch, n_out), predictions.dtype)


# (batch, columns) of the example inputs, and the reason for each.
SIZES = {
    (1, 1): "one element",
    (5, 3): "narrower than a warp",
    (33, 70): "more rows and columns than a warp, ragged",
    (128, 10): "a minibatch of digits",
    (3, 1500): "a row longer than a block",
}


def draw_weights(rng: np.random.Generator, batch: int) -> np.ndarray:
    """Draw sample weights, one of them zero if there are several.

    Parameters
    ----------
    rng : numpy.random.Generator
        Generator.
    batch : int
        Number of weights.

    Returns
    -------
    numpy.ndarray, (batch,)
        Weights in float32.
    """
    weight = rng.uniform(0.5, 2, batch).astype(np.float32)
    weight[batch // 2 + 1 :][:1] = 0
    return weight


def unwritten(like: np.ndarray) -> np.ndarray:
    """Return an output that no kernel has written: filled with NaN.

    Parameters
    ----------
    like : numpy.ndarray
        Array with the shape and dtype of the output.

    Returns
    -------
    numpy.ndarray
        The output.
    """
    return np.full_like(like, np.nan)
