"""Training data: checked on the host, resident on the device, gathered into minibatches by a kernel."""

from __future__ import annotations

from typing import Any

import numpy as np

from .device import Device
from .errors import ArgumentError, DataError
from .tensor import Tensor

STORED = tuple(map(np.dtype, ("uint8", "float16", "float32", "float64")))


def check_features(x: Any, n_features: int | None = None, name: str = "x") -> np.ndarray:
    """Features as a C-contiguous array (rows, features) in a dtype that `gather` reads; all finite."""
    x = np.asarray(x)
    if x.dtype not in STORED:
        if x.dtype.kind not in "biuf":
            raise DataError(f"{name} has dtype {x.dtype}, expected numbers: encode text and categories first")
        x = x.astype(np.float32 if x.dtype.kind != "f" else np.float64)
    if x.ndim != 2:
        raise DataError(f"{name} has shape {x.shape}, expected (rows, features): flatten or reshape it")
    if len(x) == 0 or x.shape[1] == 0:
        raise DataError(f"{name} has shape {x.shape}, expected at least one row and one feature")
    if n_features is not None and x.shape[1] != n_features:
        raise DataError(
            f"{name} has {x.shape[1]} features, the model takes {n_features}: pass the columns it was built for"
        )
    _check_finite(x, name)
    return np.ascontiguousarray(x)


def check_labels(y: Any, rows: int, n_classes: int, name: str = "y") -> np.ndarray:
    """Class labels as int32 (rows,), each in 0 … n_classes − 1."""
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    _check_rows(y, (rows,), name)
    if y.dtype.kind not in "biu":
        raise DataError(
            f"{name} has dtype {y.dtype}, expected integer class labels: encode them as 0 … {n_classes - 1}"
        )
    outside = np.flatnonzero((y < 0) | (y >= n_classes))
    if outside.size:
        raise DataError(
            f"{name} holds the label {y[outside[0]]} in row {outside[0]}, expected 0 … {n_classes - 1}: "
            "the model has one output for each class"
        )
    return np.ascontiguousarray(y, np.int32)


def check_targets(y: Any, rows: int, n_out: int, name: str = "y") -> np.ndarray:
    """Real-valued targets as floats (rows, n_out)."""
    y = np.asarray(y)
    if y.dtype.kind not in "biuf":
        raise DataError(f"{name} has dtype {y.dtype}, expected numbers")
    if y.ndim == 1:
        y = y[:, None]
    _check_rows(y, (rows, n_out), name)
    y = y if y.dtype in (np.float32, np.float64) else y.astype(np.float32)
    _check_finite(y, name)
    return np.ascontiguousarray(y)


def check_weights(weight: Any, rows: int, name: str = "sample_weight") -> np.ndarray:
    """One weight a row: finite, not negative, not all zero."""
    weight = np.ascontiguousarray(weight, np.float64)
    _check_rows(weight, (rows,), name)
    _check_finite(weight, name)
    if (weight < 0).any() or not weight.any():
        raise DataError(f"{name} must hold no negative weight and at least one positive one: its sum is {weight.sum()}")
    return weight


def class_weights(class_weight: Any, labels: np.ndarray, n_classes: int) -> np.ndarray:
    """The weight of each row from "balanced", a dict {label: weight} or a sequence with a weight for each class.

    "balanced": rows / (n_classes · rows of the class), as in scikit-learn.
    """
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise ArgumentError(
                f"class_weight is {class_weight!r}, expected 'balanced', a dict or a sequence of weights"
            )
        counts = np.bincount(labels, minlength=n_classes)
        table = len(labels) / (n_classes * np.maximum(counts, 1))
    elif isinstance(class_weight, dict):
        unknown = set(class_weight) - set(range(n_classes))
        if unknown:
            raise ArgumentError(f"class_weight names the class {sorted(unknown)[0]}, expected 0 … {n_classes - 1}")
        table = np.array([class_weight.get(label, 1.0) for label in range(n_classes)], np.float64)
    else:
        table = np.asarray(class_weight, np.float64)
    return check_weights(table, n_classes, "class_weight")[labels]


def _check_rows(array: np.ndarray, shape: tuple[int, ...], name: str) -> None:
    if array.shape != shape:
        raise DataError(
            f"{name} has shape {array.shape}, expected {shape}: as many rows as x, and what the model puts out"
        )


def _check_finite(array: np.ndarray, name: str) -> None:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise DataError(
            f"{name} holds {array[place]} at {place}, expected finite numbers: remove the row or fill the value in"
        )


class Minibatches:
    """A data set on a device, in the dtype it was stored in, that yields minibatches in a shuffled order.

    x (rows, features); y (rows,) int32 or (rows, n_out) floats; weight (rows,) or None. dtype: of the minibatches.
    scale: what a stored feature is multiplied by. The order of an epoch depends on seed and epoch alone.
    """

    def __init__(
        self,
        device: Device,
        x: np.ndarray,
        y: np.ndarray,
        weight: np.ndarray | None,
        *,
        dtype: Any,
        scale: float,
        seed: int,
    ) -> None:
        self.device = device
        self.rows = len(x)
        self.dtype = np.dtype(dtype)
        self.scale = scale
        self.seed = seed
        self._x = device.upload(x)
        self._y = device.upload(y)
        self._weight = None if weight is None else device.upload(weight, dtype)
        self._order = device.empty(self.rows, np.int32)
        self._cursor = device.empty(1, np.int32)

    def begin_epoch(self, epoch: int, shuffle: bool) -> None:
        order = np.random.default_rng([self.seed, epoch]).permutation(self.rows) if shuffle else np.arange(self.rows)
        self.device.write(self._order, order.astype(np.int32))
        self.device.write(self._cursor, 0)

    def next(self, size: int) -> tuple[Tensor, Tensor, Tensor | None]:
        """The next `size` rows of the epoch: features, targets, weights or None. Recordable."""
        device = self.device
        rows = device.empty(size, np.int32)
        device.run(device.kernels.next_rows, self._order, self._cursor, rows)

        def take(data: Any, dtype: Any, scale: float = 1.0) -> Tensor:
            out = device.empty((size, *data.shape[1:]), dtype)
            device.run(device.kernels.gather, data, rows, out, scale=scale)
            return Tensor(out, device)

        x = take(self._x, self.dtype, self.scale)
        y = take(self._y, np.int32 if self._y.dtype == np.int32 else self.dtype)
        return x, y, None if self._weight is None else take(self._weight, self.dtype)

    def sizes(self, batch_size: int) -> list[int]:
        """The sizes of an epoch's minibatches: the last one may be smaller, and is trained."""
        full, rest = divmod(self.rows, batch_size)
        return [batch_size] * full + [rest] * (rest > 0)
