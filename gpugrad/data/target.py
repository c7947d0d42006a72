"""Column to predict: class or number, and the class index of each label."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from ..errors import DataError, choose, shown
from .cells import ANY, Cells, Form, as_numbers, as_text, index_in, plain_numbers
from .messages import listed, row_name

TASKS = ("auto", "classification", "regression")
# A column of whole numbers with more different values is a quantity.
MAX_AUTO_CLASSES = 20
MAX_EXACT = 2.0**53  # from here on float64 cannot distinguish neighbouring integers
CLASSES_OF_TEXT = "choose --task classification"


@dataclass(frozen=True)
class Target:
    """Target column: int32 class indices (rows,) and their labels, or float64 values (rows,) in their own units.

    `form` is the form of the numbers that are values.
    """

    task: str
    y: np.ndarray
    classes: tuple[str, ...] | None
    form: Form = ANY


def encode_target(name: str, values: np.ndarray, task: str = "auto") -> Target:
    """Decide whether the column `values` (rows,) of numbers or texts is a class or a quantity, and encode it.

    "auto" treats texts, booleans and at most 20 different whole numbers as classes, anything else as a quantity.
    Classes are sorted, whole numbers by value and labelled without a decimal point, texts by character. Raise
    ArgumentError for an unknown task; DataError for a column that is constant, has a single class, is text for a
    regression, or nearly all numbers without a task.
    """
    choose("task", task, TASKS)
    column = values if values.dtype.kind in "iuf" else Cells.of(name, values)
    numbers = as_numbers(name, column, None if task == "classification" else CLASSES_OF_TEXT)
    if task == "regression" or (task == "auto" and numbers is not None and not _few_whole(values, numbers)):
        quantity = _quantity(name, values, numbers)
        return Target("regression", quantity, None, column.form() if isinstance(column, Cells) else ANY)
    cells = column if isinstance(column, Cells) else Cells.of(name, values)
    labels = _labels(cells.different)
    classes = tuple(sorted(set(labels), key=None if plain_numbers(labels) is None else Decimal))
    if len(classes) == 1:
        raise DataError(
            f"the target {shown(name)} has one class only, {shown(classes[0])}: expected at least two; add rows of "
            "another class or choose another target"
        )
    return Target("classification", index_in(classes, labels)[cells.codes], classes)


def encode_labels(name: str, values: np.ndarray, classes: tuple[str, ...]) -> np.ndarray:
    """Return the int32 index in `classes` of each label (rows,), written as in the file or as by `encode_target`.

    Raise DataError with the row of the first label outside `classes`.
    """
    cells = Cells.of(name, values)
    index = index_in(classes, cells.different)
    if (index < 0).any():
        index = np.where(index < 0, index_in(classes, _labels(cells.different)), index)
    codes = index[cells.codes]
    if (codes < 0).any():
        row = int(np.argmin(codes))
        text = cells.different[cells.codes[row]]
        raise DataError(
            f"the target {shown(name)} has the label {shown(text)} in {row_name(row)}: expected one of the "
            f"classes {listed(classes)}; correct that row, or train again with that class"
        )
    return codes


def encode_quantity(name: str, values: np.ndarray, form: Form = ANY) -> np.ndarray:
    """Return the targets (rows,) as finite float64; raise DataError with the row of a text, or of another form."""
    return _numbers(name, values, as_numbers(name, values, form=form))


def _quantity(name: str, values: np.ndarray, numbers: np.ndarray | None) -> np.ndarray:
    numbers = _numbers(name, values, numbers)
    if numbers.min() == numbers.max():
        raise DataError(
            f"the target {shown(name)} is {numbers[0]:g} in every row: expected values that differ; choose another "
            "target"
        )
    return numbers


def _numbers(name: str, values: np.ndarray, numbers: np.ndarray | None) -> np.ndarray:
    if numbers is None:
        row, text = Cells.of(name, values).first_text()
        raise DataError(
            f"the target {shown(name)} has {shown(text)} in {row_name(row)}: expected numbers for regression; correct "
            "that cell or choose classification"
        )
    return numbers


def _few_whole(values: np.ndarray, numbers: np.ndarray) -> bool:
    """Return whether these are few different whole numbers: below 2**53, or written as integers."""
    if not np.array_equal(numbers, np.rint(numbers)) or len(np.unique(numbers)) > MAX_AUTO_CLASSES:
        return False
    if np.abs(numbers).max() < MAX_EXACT:
        return True
    texts = set(as_text(values).tolist())  # float64 may have merged some
    integers = values.dtype.kind != "f" and all(re.fullmatch(r"[+-]?\d+", text) for text in texts)
    return integers and len(texts) <= MAX_AUTO_CLASSES


def _labels(different: list[str]) -> list[str]:
    """Return the label of each text: of plain numbers 1, 1.0 and 01 are one class, however large they are."""
    return different if plain_numbers(different) is None else [_label(Decimal(text)) for text in different]


def _label(number: Decimal) -> str:
    whole = number.is_finite() and number == number.to_integral_value()
    return str(int(number)) if whole else repr(float(number))
