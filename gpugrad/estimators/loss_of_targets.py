"""Constant part of the Poisson loss, which no prediction changes."""

from __future__ import annotations

import numpy as np
from scipy.special import xlogy


def loss_of_targets(y: np.ndarray, weight: np.ndarray | None, order: np.ndarray, batch_size: int) -> float:
    """Return y·ln y − y, averaged like the losses of minibatches: scikit-learn counts it, the kernel leaves it out.

    y (rows, n_outputs) and weight (rows,) are in their own order; `order` is that of the epoch.
    """
    y = y[order]
    constants = (xlogy(y, y) - y).sum(axis=1)
    weight = np.ones(len(y)) if weight is None else weight[order]
    starts = np.arange(0, len(y), batch_size)
    rows = np.diff([*starts, len(y)])
    sums, weights = np.add.reduceat(weight * constants, starts), np.add.reduceat(weight, starts)
    means = np.divide(sums, weights, out=np.zeros_like(sums), where=weights != 0)
    return float((rows * means).sum() / len(y))
