"""Rows of a data set, as scikit-learn has checked them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass
class Rows:
    """Rows to train or to validate on: x (dense or sparse), y as the network puts it out (rows, n_outputs).

    weight (rows,): None for all alike. labels: y as the user has it, where a score needs that.
    """

    x: Any
    y: np.ndarray
    weight: np.ndarray | None = None
    labels: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.y)
