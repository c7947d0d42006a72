"""Targets of a regression that are written as text."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..data.messages import row_name
from ..errors import DataError, shown


def as_targets(y: Any, name: str = "y") -> Any:
    """Return targets with texts of numbers as numbers, as scikit-learn reads an array of objects; others unchanged.

    Raise DataError for a text that is no number, with its row, and for dates, which NumPy would count in days.
    """
    if isinstance(y, np.ndarray) and y.dtype.kind in "biufc":
        return y
    try:
        array = np.asarray(y)
    except Exception:  # ragged lists, arrays of a GPU: scikit-learn has its own message
        return y
    if array.dtype.kind in "mM":
        raise DataError(f"{name} is of type {array.dtype}, expected numbers: subtract a date and divide by a unit")
    if array.ndim == 0 or array.dtype.kind not in "OSU":
        return y
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError):
        pass
    for row, cells in enumerate(array.reshape(len(array), -1)):
        for cell in cells:
            if isinstance(cell, str | bytes) and not _is_number(cell):
                text = cell if isinstance(cell, str) else cell.decode("latin-1")
                raise DataError(
                    f"{name} has {shown(text)} in {row_name(row)}, expected numbers: correct or drop the row, or "
                    "train an MLPClassifier if these are classes"
                )
    return y


def _is_number(text: str | bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
