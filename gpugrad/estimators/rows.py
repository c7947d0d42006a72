"""Rows of a data set, checked by scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass
class Rows:
    """Rows to train or to validate on: x (dense or sparse) and y as the outputs of the network (rows, n_outputs).

    weight (rows,) is None for equal weights; labels are y as the user passed it, where a score needs it.
    """

    x: Any
    y: np.ndarray
    weight: np.ndarray | None = None
    labels: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.y)
