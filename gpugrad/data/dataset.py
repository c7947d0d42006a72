"""Data set: the training and test parts, and how they were prepared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import counted
from .preprocessing import Preprocessing


@dataclass(frozen=True, repr=False)
class Dataset:
    """Training and test part of a data set, in the dtype in which they are uploaded.

    A minibatch is cast to float32 and scaled when it is gathered.

    Parameters
    ----------
    name : str
        Name, or name of the file.
    task : {"classification", "regression"}
        Kind of target.
    x_train : ndarray, (n_rows, n_features)
        Features, C-contiguous: uint8 (images, digits) or float32 (tables).
    y_train : ndarray
        Class indices, int32 (n_rows,); or targets, float32 (n_rows, 1), standardized with the statistics of the
        training part: ``preprocessing.inverse_target`` returns them in their own units.
    x_test : ndarray, (n_rows, n_features)
        Features of the test part.
    y_test : ndarray
        Targets of the test part.
    classes : tuple of str or None
        Label of each class index, in order; None for regression.
    scale : float
        Factor of a stored value: 1/255 for images, 1/16 for digits, 1 for tables.
    preprocessing : Preprocessing or None
        Conversion of a raw table to x, to be stored with the model; None if x holds the raw values.
    notes : tuple of str, default ()
        What reading decided and a user should know: columns read as categories, rows that left the test part.
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
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        kind = counted(self.n_classes, "class", "classes") if self.classes else "regression"
        rows = f"{counted(len(self.x_train), 'row')} to train, {len(self.x_test)} to test"
        return f"Dataset({self.name!r}: {rows}, {counted(self.n_features, 'feature')} {self.x_train.dtype}, {kind})"

    @property
    def n_features(self) -> int:
        """Return the number of columns of x."""
        return self.x_train.shape[1]

    @property
    def n_classes(self) -> int:
        """Return the number of classes; 0 for regression."""
        return len(self.classes or ())

    @property
    def n_outputs(self) -> int:
        """Return the number of outputs of a model of this data set: one per class, or 1 for regression."""
        return self.n_classes or 1
