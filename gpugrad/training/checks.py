"""Checks of features, targets and weights on the host, before anything runs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..data.inputs import as_array
from ..data.maps import parts
from ..errors import ArgumentError, DataError, counted

CHECKED_BYTES = 1024**2  # bytes per block: in a cache, and no memory map is read into memory as a whole
STORED = tuple(map(np.dtype, ("uint8", "float16", "float32", "float64")))  # dtypes that `gather` reads


def check_features(x: Any, name: str = "x", dtype: Any = np.float64) -> np.ndarray:
    """Return features as a C-contiguous array (rows, features) in a dtype that `gather` reads; all finite in `dtype`.

    Accepts everything that `as_array` accepts. uint8 and floats keep their dtype and, if they are C-contiguous, their
    memory: a memory map stays a memory map. Other numbers become float32. Raises DataError.
    """
    x = as_array(x, name)
    if x.dtype not in STORED:
        if x.dtype.kind not in "biuf":
            raise DataError(f"{name} has dtype {x.dtype}, expected numbers: encode text and categories first")
        x = x.astype(np.float32 if x.dtype.kind != "f" else np.float64)
    if x.ndim != 2:
        raise DataError(f"{name} has shape {x.shape}, expected (rows, features): flatten or reshape it")
    if x.size == 0:
        raise DataError(f"{name} has shape {x.shape}, expected at least one row and one feature")
    _check_finite(x, name, dtype)
    return np.ascontiguousarray(x)


def check_labels(y: Any, rows: int, n_classes: int, name: str = "y") -> np.ndarray:
    """Return class labels (rows,) or (rows, 1) as int32 (rows,), each in 0 … n_classes − 1; raise DataError."""
    y = as_array(y, name)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    _check_shape(y, (rows,), name, "one label per row of x")
    if y.dtype.kind not in "biu":
        if n_classes == 1:
            raise DataError(
                f"{name} has dtype {y.dtype}, expected class labels for this loss: pass loss='mse' for numbers"
            )
        raise DataError(
            f"{name} has dtype {y.dtype}, expected integer class labels: encode them as 0 … {n_classes - 1}, or pass "
            "loss='mse' for numbers"
        )
    outside = np.flatnonzero((y < 0) | (y >= n_classes))
    if outside.size:
        wrong = f"{name} holds the label {y[outside[0]]} in row {outside[0]}"
        if n_classes == 1:
            raise DataError(
                f"{wrong} and the model has one output, expected one per class: add outputs, or pass loss='bce'"
            )
        raise DataError(f"{wrong}, expected 0 … {n_classes - 1}: the model has one output per class")
    return np.ascontiguousarray(y, np.int32)


def check_targets(
    y: Any,
    rows: int,
    n_out: int,
    name: str = "y",
    dtype: Any = np.float64,
    within: tuple[float, float] = (-math.inf, math.inf),
) -> np.ndarray:
    """Return real-valued targets (rows, n_out), where (rows,) is one output; raise DataError.

    They must be finite in `dtype`, and between the least and the largest target.
    """
    y = as_array(y, name)
    if y.dtype.kind not in "biuf":
        raise DataError(f"{name} has dtype {y.dtype}, expected numbers: encode text and categories first")
    if y.ndim == 1 and n_out == 1:
        y = y[:, None]
    if y.ndim == 1 and y.dtype.kind in "iu" and len(y) == rows:
        raise DataError(
            f"{name} has one integer per row and the model {counted(n_out, 'output')}, expected "
            f"{counted(n_out, 'number')} per row for this loss: pass loss='cross-entropy' for class labels"
        )
    _check_shape(y, (rows, n_out), name, "one row per row of x, one column per model output")
    y = y if y.dtype in (np.float32, np.float64) else y.astype(np.float32)
    _check_finite(y, name, dtype)
    outside = np.argwhere((y < within[0]) | (y > within[1]))
    if len(outside):
        row, column = map(int, outside[0])
        raise DataError(
            f"{name} holds {y[row, column]:g} in row {row}, expected targets in [{within[0]:g}, {within[1]:g}] for "
            "this loss: encode them, or choose another"
        )
    return np.ascontiguousarray(y)


def check_weights(weight: Any, rows: int, name: str = "sample_weight", unit: str = "row of x") -> np.ndarray:
    """Return weights as float64 (rows,): finite, not negative, not all zero; raise DataError."""
    weight = as_array(weight, name)
    if weight.dtype.kind not in "biuf":
        raise DataError(f"{name} has dtype {weight.dtype}, expected numbers: one weight per {unit}")
    _check_shape(weight, (rows,), name, f"one weight per {unit}")
    weight = weight.astype(np.float64)
    _check_finite(weight, name)
    if (weight < 0).any() or not weight.any():
        raise DataError(
            f"{name} has the sum {weight.sum()} and the minimum {weight.min()}, expected no negative weight and at "
            "least one positive one"
        )
    return weight


def class_weights(class_weight: Any, labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Return the weight of each row (rows,) from "balanced", a dict {label: weight} or a sequence per class.

    "balanced": rows / (n_classes · rows of the class), as in scikit-learn. A label that the dict omits has the weight
    1. Raises ArgumentError for an unknown word or label, DataError for impossible weights.
    """
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise ArgumentError(
                f"class_weight is {class_weight!r}, expected 'balanced', a dict or a sequence of weights"
            )
        counts = np.bincount(labels, minlength=n_classes)
        table: Any = len(labels) / (n_classes * np.maximum(counts, 1))
    elif isinstance(class_weight, dict):
        for label in class_weight:
            if label not in range(n_classes):
                raise ArgumentError(f"class_weight names the class {label!r}, expected 0 … {n_classes - 1}")
        table = [class_weight.get(label, 1.0) for label in range(n_classes)]
    else:
        table = class_weight
    return check_weights(table, n_classes, "class_weight", "class")[labels]


def _check_shape(array: np.ndarray, shape: tuple[int, ...], name: str, meaning: str) -> None:
    if array.shape != shape:
        raise DataError(f"{name} has shape {array.shape}, expected {shape}: {meaning}")


def _check_finite(array: np.ndarray, name: str, dtype: Any = np.float64) -> None:
    """Raise DataError for NaN, infinity, or a number that is infinite in `dtype`, in which it will be computed with."""
    if array.dtype.kind != "f" or array.size == 0:
        return
    narrower = np.dtype(dtype).itemsize < array.dtype.itemsize
    largest = np.finfo(dtype if narrower else array.dtype).max
    rows = max(1, CHECKED_BYTES * len(array) // array.nbytes)
    for i, part in enumerate(parts(array, rows)):
        finite = np.abs(part) <= largest
        if not finite.all():
            first, *rest = (int(i) for i in np.argwhere(~finite)[0])
            place = (i * rows + first, *rest)
            if np.isfinite(array[place]):
                raise DataError(
                    f"{name} holds {array[place]:g} at {place}, expected numbers up to {largest:.2g}, the largest of "
                    f"{np.dtype(dtype)}: rescale that column"
                )
            raise DataError(
                f"{name} holds {array[place]} at {place}, expected finite numbers: remove the row or fill in the value"
            )
