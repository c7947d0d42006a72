"""Data sets and features from a user's files: .csv and .parquet tables, .npz arrays."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

from ..errors import ArgumentError, DataError, choose, counted
from .cells import Form
from .dataset import Dataset
from .messages import check_column_name, listed, unknown_column
from .npz import Arrays, pick_arrays, pick_features, read_features, read_pair
from .preprocessing import Column, Preprocessing
from .split import check_split, keep_seen, split_rows
from .table import FORMATS, Columns, read_columns, read_table, suffix_of
from .target import TASKS, Target, encode_labels, encode_quantity, encode_target

SUFFIXES = (*FORMATS, ".npz")
# A table with one column too many and no named target may hold its labels under one of these names.
LABEL_NAMES = ("label", "labels", "target", "class", "y")
UINT8_SCALE = 1 / 255


def load_file(
    path: str | os.PathLike[str],
    *,
    target: str | None,
    task: str,
    categorical: Collection[str],
    test_fraction: float,
    seed: int,
) -> Dataset:
    """Load a data set from a table or arrays; `gpugrad.data.load` describes each kind of file.

    A test row with a category or class that no training row has moves to the training part. Raise ArgumentError and
    DataError as `load` does.
    """
    path = Path(path)
    choose("task", task, TASKS)
    check_split(test_fraction, seed)
    if suffix_of(path, SUFFIXES) == ".npz":
        if categorical:
            raise ArgumentError(f"{path} holds arrays, which have no columns of text: leave out --categorical")
        return _load_npz(path, target, task, test_fraction, seed)
    if target is None:
        names = listed(read_table(path))
        raise ArgumentError(f"{path} needs a target: name the column to predict with --target, one of {names}")
    columns, forms = read_columns(path, text=(target, *categorical))
    if (unknown := next((name for name in (target, *categorical) if name not in columns), None)) is not None:
        raise unknown_column("column", unknown, columns, str(path))
    encoded = encode_target(target, columns.pop(target), task)
    if not columns:
        raise DataError(f"{path} has no column but the target {target!r}: expected at least one to predict it from")
    train, test, moved = _split(encoded, columns, target, test_fraction, seed)
    dataset = _dataset(path.name, target, encoded, columns, train, test, forms)
    return dataclasses.replace(dataset, notes=(*_categories(dataset), *filter(None, [moved])))


def load_features(path: str | os.PathLike[str], preprocessing: Preprocessing | None, *, n_features: int) -> np.ndarray:
    """Load the features of a file to predict on.

    Parameters
    ----------
    path : str or path
        A .csv, .parquet or .npz file; in .npz the features are x, X or x_test, or the only array.
    preprocessing : Preprocessing or None
        Preprocessing of the model's data set. A column with the name of its target is ignored.
    n_features : int
        Features of the model.

    Returns
    -------
    ndarray, (n_rows, n_features)
        C-contiguous. With ``preprocessing``, float32 as in training. Without, the raw values, still to be multiplied by
        the scale of the data set: uint8 if all are whole numbers from 0 to 255, else float32.

    Raises
    ------
    DataError
        If the file cannot be read, or does not match the data that the model was trained on.
    """
    path = Path(path)
    if suffix_of(path, SUFFIXES) == ".npz":
        arrays = Arrays(path)
        return _prepare_array(path, read_features(arrays, pick_features(arrays)), preprocessing, n_features)
    ignore = (preprocessing.target,) if preprocessing and preprocessing.target else ()
    return _prepare_columns(path, _read_for(preprocessing, path, ignore=ignore), preprocessing, n_features)


def load_labelled(
    path: str | os.PathLike[str],
    preprocessing: Preprocessing | None,
    classes: tuple[str, ...] | None,
    *,
    n_features: int,
    target: str | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Load the features and targets of a file to evaluate a trained model on.

    Parameters
    ----------
    path : str or path
        A .csv, .parquet or .npz file.
    preprocessing : Preprocessing or None
        Preprocessing of the model's data set.
    classes : tuple of str or None
        Classes of the model; None for regression.
    n_features : int
        Features of the model.
    target : str, default None
        Column of the targets. None: the target of training; in .npz y_test, or the array that `load` would choose.

    Returns
    -------
    x : ndarray, (n_rows, n_features)
        Features as `load_features` returns them.
    y : ndarray
        Targets as in `Dataset`.

    Raises
    ------
    ArgumentError
        If no target is named or known.
    DataError
        If the file cannot be read, or has a label outside ``classes``.
    """
    check_column_name("target", target)
    path = Path(path)
    if suffix_of(path, SUFFIXES) == ".npz":
        arrays = Arrays(path)
        tested = target is None and "x_test" in arrays and "y_test" in arrays
        x_name, target = ("x_test", "y_test") if tested else pick_arrays(arrays, target)
        x, values = read_pair(arrays, x_name, target)
        x = _prepare_array(path, x, preprocessing, n_features)
    else:
        target = target or (preprocessing.target if preprocessing else None)
        if target is None:
            raise ArgumentError(f"{path} needs a target: name the column of its labels with --target")
        columns = _read_for(preprocessing, path, text=(target,))
        if target not in columns:
            raise unknown_column("column", target, columns, str(path))
        values = columns.pop(target)
        x = _prepare_columns(path, columns, preprocessing, n_features)
    if classes is not None:
        return x, encode_labels(target, values, classes)
    described = preprocessing or Preprocessing(())
    return x, described.transform_target(encode_quantity(target, values, described.target_form))


def _read_for(
    preprocessing: Preprocessing | None, path: Path, *, text: Collection[str] = (), ignore: Collection[str] = ()
) -> Columns:
    """Return the columns of a table for a trained model: categories as text, numbers in the form of training."""
    described = preprocessing or Preprocessing(())
    return read_columns(path, text=(*text, *described.categorical), ignore=ignore, forms=described.forms)[0]


def _split(
    target: Target, columns: Columns, name: str, test_fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray, str | None]:
    codes = None if target.classes is None else target.y
    train, test = split_rows(len(target.y), codes, target.classes, test_fraction=test_fraction, seed=seed)
    categories = {column: values for column, values in columns.items() if values.dtype.kind == "O"}
    return keep_seen(train, test, categories if codes is None else {**categories, name: codes})


def _dataset(
    name: str,
    target_name: str,
    target: Target,
    columns: Columns,
    train: np.ndarray,
    test: np.ndarray,
    forms: Mapping[str, Form] = MappingProxyType({}),
) -> Dataset:
    """Return the data set of float32 features, from columns with both parts; `train` rows make the statistics."""
    regression = target.classes is None
    fitted = {column: values.take(train) for column, values in columns.items()}
    y = target.y[train] if regression else None
    preprocessing = Preprocessing.fit(fitted, target=target_name, y=y, forms={**forms, target_name: target.form})
    x = preprocessing.transform(columns)
    y = preprocessing.transform_target(target.y) if regression else target.y
    x_train, x_test = x.take(train, axis=0), x.take(test, axis=0)
    return Dataset(name, target.task, x_train, y[train], x_test, y[test], target.classes, 1.0, preprocessing)


def _categories(dataset: Dataset) -> list[str]:
    """Return a sentence on the columns that are read as categories, if any."""
    columns = dataset.preprocessing.columns if dataset.preprocessing else ()
    found = [f"{column.name} ({len(column.categories)})" for column in columns if column.categories]
    return [f"categories of {listed(found)}"] if found else []


def _load_npz(path: Path, target: str | None, task: str, test_fraction: float, seed: int) -> Dataset:
    """Load arrays: uint8 features of a classification unchanged, all others standardized and named x0, x1 and so on."""
    arrays = Arrays(path)
    x_name, y_name = pick_arrays(arrays, target)
    x, values = read_pair(arrays, x_name, y_name)
    encoded = encode_target(y_name, values, task)
    if (x_name, y_name) == ("x_train", "y_train") and "x_test" in arrays and "y_test" in arrays:
        x_test, values = read_pair(arrays, "x_test", "y_test")
        if x_test.shape[1] != x.shape[1]:
            raise DataError(
                f"x_test of {path} has {counted(x_test.shape[1], 'feature')}: expected {x.shape[1]}, as x_train has"
            )
        classes = encoded.classes
        y_test = encode_quantity("y_test", values) if classes is None else encode_labels("y_test", values, classes)
        train, test = np.arange(len(x)), np.arange(len(x), len(x) + len(x_test))
        x, encoded = np.concatenate([x, x_test]), Target(encoded.task, np.concatenate([encoded.y, y_test]), classes)
    else:
        train, test, _ = _split(encoded, {}, y_name, test_fraction, seed)
    if x.dtype == np.uint8 and encoded.classes is not None:
        y = encoded.y
        return Dataset(
            path.name, encoded.task, x[train], y[train], x[test], y[test], encoded.classes, UINT8_SCALE, None
        )
    return _dataset(path.name, y_name, encoded, _columns(x), train, test)


def _columns(x: np.ndarray) -> Columns:
    return {f"x{i}": x[:, i] for i in range(x.shape[1])}


def _prepare_array(path: Path, x: np.ndarray, preprocessing: Preprocessing | None, n_features: int) -> np.ndarray:
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
        raise DataError(f"{path} has {counted(width, 'feature')}: expected {n_features}, as the model was trained on")
