"""Column to predict: class or number, and the class index of each label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import DataError, choose
from .table import as_numbers, as_text, first_text, listed, row_name

TASKS = ("auto", "classification", "regression")
# A column of whole numbers with more different values is a quantity.
MAX_AUTO_CLASSES = 20
# From here on float64 cannot distinguish neighbouring integers, and labels stay text.
MAX_EXACT = 2.0**53


@dataclass(frozen=True)
class Target:
    """Target column: int32 class indices (rows,) and their labels, or float64 values (rows,) in their own units."""

    task: str
    y: np.ndarray
    classes: tuple[str, ...] | None


def encode_target(name: str, values: np.ndarray, task: str = "auto") -> Target:
    """Decide whether the column `values` (rows,) of numbers or texts is a class or a quantity, and encode it.

    "auto" treats texts, booleans and at most 20 different whole numbers as classes, anything else as a quantity.
    Classes are sorted, whole numbers by value and labelled without a decimal point, texts by character. Raise
    ArgumentError for an unknown task; DataError for a column that is constant, has a single class, or is text for a
    regression.
    """
    choose("task", task, TASKS)
    numbers = as_numbers(name, values)
    if task == "auto":
        few = numbers is None or (_whole(numbers) and len(np.unique(numbers)) <= MAX_AUTO_CLASSES)
        task = "classification" if few else "regression"
    if task == "regression":
        return Target(task, _quantity(name, values, numbers), None)
    labels = _labels(values, numbers)
    distinct = set(labels.tolist())
    classes = tuple(sorted(distinct) if numbers is None else sorted(distinct, key=float))
    if len(classes) == 1:
        raise DataError(
            f"the target {name!r} has one class only, {classes[0]!r}: expected at least two; add rows of another class "
            "or choose another target"
        )
    return Target(task, encode_labels(name, labels, classes), classes)


def encode_labels(name: str, values: np.ndarray, classes: tuple[str, ...]) -> np.ndarray:
    """Return the int32 index in `classes` of each label (rows,), written as in the file or as by `encode_target`.

    Raise DataError with the row of the first label outside `classes`.
    """
    index = {label: code for code, label in enumerate(classes)}
    texts = as_text(values).tolist()
    plain = texts if all(text in index for text in texts) else _labels(values, as_numbers(name, values)).tolist()
    codes = [index.get(text, index.get(other, -1)) for text, other in zip(texts, plain, strict=True)]
    if -1 in codes:
        row = codes.index(-1)
        raise DataError(
            f"the target {name!r} has the label {texts[row]!r} in {row_name(row)}: expected one of the classes "
            f"{listed(classes)}; correct that row, or train again with that class"
        )
    return np.array(codes, np.int32)


def encode_quantity(name: str, values: np.ndarray) -> np.ndarray:
    """Return the targets (rows,) as finite float64; raise DataError with the row of a text."""
    return _numbers(name, values, as_numbers(name, values))


def _quantity(name: str, values: np.ndarray, numbers: np.ndarray | None) -> np.ndarray:
    numbers = _numbers(name, values, numbers)
    if numbers.min() == numbers.max():
        raise DataError(
            f"the target {name!r} is {numbers[0]:g} in every row: expected values that differ; choose another target"
        )
    return numbers


def _numbers(name: str, values: np.ndarray, numbers: np.ndarray | None) -> np.ndarray:
    if numbers is None:
        row, text = first_text(values)
        raise DataError(
            f"the target {name!r} has {text!r} in {row_name(row)}: expected numbers for regression; correct that cell "
            "or choose classification"
        )
    return numbers


def _whole(numbers: np.ndarray) -> bool:
    return bool(np.all(numbers == np.rint(numbers)) and np.all(np.abs(numbers) < MAX_EXACT))


def _labels(values: np.ndarray, numbers: np.ndarray | None) -> np.ndarray:
    """Write each label in one way, so that 1, 1.0 and 01 are one class."""
    if numbers is None or np.abs(numbers).max(initial=0.0) >= MAX_EXACT:
        return as_text(values)
    cells = numbers.tolist()
    return np.array([str(int(cell)) if cell.is_integer() else repr(cell) for cell in cells], dtype=object)
