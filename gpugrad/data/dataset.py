"""What the trainer takes: the training and test parts of one data set, and how they were made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .preprocessing import Preprocessing


@dataclass(frozen=True)
class Dataset:
    """A data set in the dtype in which it is uploaded; a minibatch is cast to float32 and scaled as it is gathered.

    x_train, x_test   (rows, n_features), C-contiguous; uint8 (images, digits) or float32 (tables)
    y_train, y_test   int32 class indices (rows,), or float32 targets (rows, 1), standardised with the statistics of the
                      training part: `preprocessing.inverse_target` gives them back in their own units
    classes           the label of each class index, in order; None for regression
    scale             what a stored value is multiplied by: 1/255 for images, 1/16 for digits, 1 for tables
    preprocessing     how a raw table became x, to be stored with the model; None where x holds the raw values
    """

    name: str
    task: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    classes: tuple[str, ...] | None
    scale: float
    preprocessing: Preprocessing | None

    @property
    def n_features(self) -> int:
        """Columns of x."""
        return self.x_train.shape[1]

    @property
    def n_classes(self) -> int:
        """Number of classes; 0 for regression."""
        return len(self.classes or ())

    @property
    def n_outputs(self) -> int:
        """Outputs that a model of this data set has: one a class, or one number."""
        return self.n_classes or 1
