"""Data sets and features from a user's files: .csv and .parquet tables, .npz arrays."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ..errors import ArgumentError, DataError, choose
from .dataset import Dataset
from .npz import flat_features, flat_target, pick_arrays, pick_features, read_npz
from .preprocessing import Column, Preprocessing
from .split import check_split, keep_seen, split_rows
from .table import FORMATS, Columns, listed, read_table, unknown_column
from .target import TASKS, Target, encode_labels, encode_quantity, encode_target

SUFFIXES = (*FORMATS, ".npz")
# Where no target column was named, a table with one column too many may carry its labels under one of these names.
LABEL_NAMES = ("label", "labels", "target", "class", "y")
UINT8_SCALE = 1 / 255


def load_file(
    path: str | os.PathLike[str], *, target: str | None, task: str, test_fraction: float, seed: int
) -> Dataset:
    """A data set from a table or arrays; `gpugrad.data.load` says what each file must hold.

    A test row with a category or class that no training row has goes to the training part. Raises ArgumentError and
    DataError as its parts do.
    """
    path = Path(path)
    choose("task", task, TASKS)
    check_split(test_fraction, seed)
    if choose("file format", path.suffix.lower(), SUFFIXES) == ".npz":
        return _load_npz(path, target, task, test_fraction, seed)
    if target is None:
        names = listed(read_table(path))
        raise ArgumentError(f"{path} needs a target: name the column to predict with --target, one of {names}")
    columns = read_table(path, text=(target,))
    if target not in columns:
        raise unknown_column("column", target, columns, str(path))
    encoded = encode_target(target, columns.pop(target), task)
    if not columns:
        raise DataError(f"{path} has no column beside the target {target!r}: expected at least one to predict it from")
    train, test = _split(encoded, columns, target, test_fraction, seed)
    return _dataset(path.name, target, encoded, columns, train, test)


def load_features(path: str | os.PathLike[str], preprocessing: Preprocessing | None, *, n_features: int) -> np.ndarray:
    """The features (rows, n_features) of a .csv, .parquet or .npz file to predict on, C-contiguous.

    With `preprocessing`, float32 as in training; its target column may be there and is ignored. Without, the raw values
    in the units of training, still to be multiplied by the data set's scale: uint8 where whole numbers from 0 to 255,
    else float32. In .npz the features are x, X or x_test, or the only array.
    Raises DataError for a file that cannot be read or does not fit what the model was trained on.
    """
    path = Path(path)
    if choose("file format", path.suffix.lower(), SUFFIXES) == ".npz":
        arrays = read_npz(path)
        name = pick_features(path, arrays)
        return _prepare_array(path, name, arrays[name], preprocessing, n_features)
    ignore = (preprocessing.target,) if preprocessing and preprocessing.target else ()
    text = preprocessing.categorical if preprocessing else ()
    return _prepare_columns(path, read_table(path, text=text, ignore=ignore), preprocessing, n_features)


def load_labelled(
    path: str | os.PathLike[str],
    preprocessing: Preprocessing | None,
    classes: tuple[str, ...] | None,
    *,
    n_features: int,
    target: str | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Features as `load_features` gives them, and targets as in `Dataset`, of a file to evaluate a trained model on.

    `classes` are those of training, None for regression. `target` defaults to the column of training, in .npz to the
    names that training knows, and of these to the test part. Raises DataError for labels outside the classes.
    """
    path = Path(path)
    if choose("file format", path.suffix.lower(), SUFFIXES) == ".npz":
        arrays = read_npz(path)
        tested = target is None and "x_test" in arrays and "y_test" in arrays
        x_name, target = ("x_test", "y_test") if tested else pick_arrays(path, arrays, target)
        x = _prepare_array(path, x_name, arrays[x_name], preprocessing, n_features)
        values = flat_target(path, target, arrays[target], len(x))
    else:
        target = target or (preprocessing.target if preprocessing else None)
        if target is None:
            raise ArgumentError(f"{path} needs a target: name the column of its labels with --target")
        columns = read_table(path, text=(target, *(preprocessing.categorical if preprocessing else ())))
        if target not in columns:
            raise unknown_column("column", target, columns, str(path))
        values = columns.pop(target)
        x = _prepare_columns(path, columns, preprocessing, n_features)
    if classes is not None:
        return x, encode_labels(target, values, classes)
    return x, (preprocessing or Preprocessing(())).transform_target(encode_quantity(target, values))


def _split(
    target: Target, columns: Columns, name: str, test_fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    codes = None if target.classes is None else target.y
    train, test = split_rows(len(target.y), codes, target.classes, test_fraction=test_fraction, seed=seed)
    categories = {column: values for column, values in columns.items() if values.dtype.kind == "O"}
    return keep_seen(train, test, categories if codes is None else {**categories, name: codes})


def _dataset(
    name: str, target_name: str, target: Target, columns: Columns, train: np.ndarray, test: np.ndarray
) -> Dataset:
    """The data set of float32 features, from columns that hold both parts; statistics see the rows `train` only."""
    regression = target.classes is None
    fitted = {column: values[train] for column, values in columns.items()}
    preprocessing = Preprocessing.fit(fitted, target=target_name, y=target.y[train] if regression else None)
    x = preprocessing.transform(columns)
    y = preprocessing.transform_target(target.y) if regression else target.y
    return Dataset(name, target.task, x[train], y[train], x[test], y[test], target.classes, 1.0, preprocessing)


def _load_npz(path: Path, target: str | None, task: str, test_fraction: float, seed: int) -> Dataset:
    """uint8 features of a classification stay as they are; all others are standardised, named x0, x1, …"""
    arrays = read_npz(path)
    x_name, y_name = pick_arrays(path, arrays, target)
    x = flat_features(path, x_name, arrays[x_name])
    values = flat_target(path, y_name, arrays[y_name], len(x))
    encoded = encode_target(y_name, values, task)
    if (x_name, y_name) == ("x_train", "y_train") and "x_test" in arrays and "y_test" in arrays:
        x_test = flat_features(path, "x_test", arrays["x_test"])
        values = flat_target(path, "y_test", arrays["y_test"], len(x_test))
        if x_test.shape[1] != x.shape[1]:
            raise DataError(f"x_test of {path} has {x_test.shape[1]} features: expected {x.shape[1]}, as x_train has")
        classes = encoded.classes
        y_test = encode_quantity("y_test", values) if classes is None else encode_labels("y_test", values, classes)
        train, test = np.arange(len(x)), np.arange(len(x), len(x) + len(x_test))
        x, encoded = np.concatenate([x, x_test]), Target(encoded.task, np.concatenate([encoded.y, y_test]), classes)
    else:
        train, test = _split(encoded, {}, y_name, test_fraction, seed)
    if x.dtype == np.uint8 and encoded.classes is not None:
        y = encoded.y
        return Dataset(
            path.name, encoded.task, x[train], y[train], x[test], y[test], encoded.classes, UINT8_SCALE, None
        )
    return _dataset(path.name, y_name, encoded, _columns(x), train, test)


def _columns(x: np.ndarray) -> Columns:
    return {f"x{i}": x[:, i] for i in range(x.shape[1])}


def _prepare_array(
    path: Path, name: str, array: np.ndarray, preprocessing: Preprocessing | None, n_features: int
) -> np.ndarray:
    x = flat_features(path, name, array)
    if preprocessing is None and x.dtype == np.uint8:
        _check_width(path, x.shape[1], n_features)
        return x
    return _prepare_columns(path, _columns(x), preprocessing, n_features)


def _prepare_columns(path: Path, columns: Columns, preprocessing: Preprocessing | None, n_features: int) -> np.ndarray:
    if preprocessing is not None:
        x = preprocessing.transform(columns)
        _check_width(path, x.shape[1], n_features)
        return x
    if len(columns) == n_features + 1 and (label := next((n for n in LABEL_NAMES if n in columns), None)):
        columns = {name: values for name, values in columns.items() if name != label}
    _check_width(path, len(columns), n_features)
    x = Preprocessing(tuple(Column(name) for name in columns)).transform(columns)
    whole = x.min() >= 0 and x.max() <= 255 and np.array_equal(x, np.rint(x))
    return x.astype(np.uint8) if whole else x


def _check_width(path: Path, width: int, n_features: int) -> None:
    if width != n_features:
        raise DataError(f"{path} has {width} features: expected {n_features}, as the model was trained on")
