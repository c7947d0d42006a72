"""From the columns of a table to the features of a model, by statistics of the training part only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DataError
from .table import as_numbers, as_text, check_finite, first_text, listed, row_name

# One feature for each category: past this a text column is an identifier, or numbers with a typing error among them.
MAX_CATEGORIES = 1000


@dataclass(frozen=True)
class Column:
    """One column of the raw table: a number, standardised to (value − mean)/scale, or one of `categories`, one-hot."""

    name: str
    mean: float = 0.0
    scale: float = 1.0
    categories: tuple[str, ...] = ()

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The column's name for a number; `name=category` for each category."""
        return tuple(f"{self.name}={category}" for category in self.categories) or (self.name,)


@dataclass(frozen=True)
class Preprocessing:
    """How a raw table becomes x, and a standardised target its own units again.

    columns                    the raw columns in the order of their features
    target                     name of the target column; None where it has none
    target_mean, target_scale  of the training part's targets for regression; 0 and 1 for classification
    """

    columns: tuple[Column, ...]
    target: str | None = None
    target_mean: float = 0.0
    target_scale: float = 1.0

    @classmethod
    def fit(
        cls, columns: Mapping[str, np.ndarray], *, target: str | None = None, y: np.ndarray | None = None
    ) -> Preprocessing:
        """Take the statistics of a training part: `columns` as `read_table` gives them, `y` (rows,) for regression.

        Numbers get the mean and the population standard deviation of their column, a constant column the scale 1. Texts
        and booleans get the sorted list of their categories.
        Raises DataError for NaN or infinity, numbers whose spread is past float64, or more than 1000 categories.
        """
        mean, scale = (0.0, 1.0) if y is None else mean_and_scale(str(target), y)
        return cls(tuple(_fit_column(name, values) for name, values in columns.items()), target, mean, scale)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The name of each column of x."""
        return tuple(name for column in self.columns for name in column.feature_names)

    @property
    def n_features(self) -> int:
        """Columns of x."""
        return sum(len(column.feature_names) for column in self.columns)

    @property
    def categorical(self) -> tuple[str, ...]:
        """The raw columns that hold categories; `read_table(path, text=…)` keeps them text in another file."""
        return tuple(column.name for column in self.columns if column.categories)

    def transform(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """The features, float32 (rows, n_features), of columns in any order; the target among them is ignored.

        Raises DataError for columns that are missing or extra, for a text where a number was in training, for a
        category that was not, and for a value that is not finite or leaves float32: named by column, row and value.
        """
        self._check_columns(columns)
        n_rows = len(columns[self.columns[0].name]) if self.columns else 0
        x = np.zeros((n_rows, self.n_features), np.float32)
        start = 0
        for column in self.columns:
            values = columns[column.name]
            if len(values) != n_rows:
                raise DataError(
                    f"column {column.name!r} has {len(values)} rows: expected {n_rows}, as in the first column"
                )
            if column.categories:
                x[np.arange(n_rows), start + _codes(column, values)] = 1
            else:
                x[:, start] = _standardise(column, values)
            start += len(column.feature_names)
        return x

    def transform_target(self, y: np.ndarray) -> np.ndarray:
        """Finite targets (rows,) in their units to what the model is fitted to: standardised float32 (rows, 1)."""
        return _to_float32(str(self.target), y, self.target_mean, self.target_scale).reshape(-1, 1)

    def inverse_target(self, y: np.ndarray) -> np.ndarray:
        """Predictions of any shape in the target's units; float64, for a large mean would swallow float32's digits."""
        return np.asarray(y, np.float64) * self.target_scale + self.target_mean

    def to_json(self) -> dict[str, Any]:
        """A plain dict of lists, strings and numbers; through `json` and `from_json` it comes back equal to the bit."""
        return {
            "columns": [column.name for column in self.columns],
            "mean": [column.mean for column in self.columns],
            "scale": [column.scale for column in self.columns],
            "categories": [list(column.categories) for column in self.columns],
            "target": self.target,
            "target_mean": self.target_mean,
            "target_scale": self.target_scale,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Preprocessing:
        """The inverse of `to_json`; raises DataError where something is missing from `stored` or of another kind."""
        try:
            fields = zip(stored["columns"], stored["mean"], stored["scale"], stored["categories"], strict=True)
            columns = tuple(Column(str(n), float(m), float(s), tuple(map(str, c))) for n, m, s, c in fields)
            target = stored["target"]
            mean, scale = float(stored["target_mean"]), float(stored["target_scale"])
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"the stored preprocessing is damaged ({error!r}): train and store the model again"
            ) from error
        return cls(columns, None if target is None else str(target), mean, scale)

    def _check_columns(self, columns: Mapping[str, np.ndarray]) -> None:
        known = {column.name: None for column in self.columns}
        if missing := [name for name in known if name not in columns]:
            raise DataError(f"the table lacks the columns {listed(missing)}: the model was trained on {listed(known)}")
        if extra := [name for name in columns if name not in known and name != self.target]:
            raise DataError(
                f"the table has the columns {listed(extra)}, which were not there in training: remove them; the model "
                f"was trained on {listed(known)}"
            )


def mean_and_scale(column: str, values: np.ndarray) -> tuple[float, float]:
    """Mean and population standard deviation of finite numbers (rows,); the scale of a constant column is 1.

    Raises DataError where the spread overflows float64.
    """
    values = np.asarray(values, np.float64)
    if values.min() == values.max():  # exact, where a computed deviation could be rounding noise
        return float(values[0]), 1.0
    with np.errstate(over="ignore", invalid="ignore"):
        mean = values.mean()
        largest = np.abs(values - mean).max()  # squares are taken of numbers ≤ 1: they cannot overflow or all vanish
        scale = largest * np.sqrt(np.mean(np.square((values - mean) / largest)))
    if not np.isfinite(scale):
        raise DataError(
            f"column {column!r} has numbers too far apart for float64: expected a spread below 1e308; scale it"
        )
    return float(mean), float(scale) or 1.0  # a spread below the smallest number is none


def _fit_column(name: str, values: np.ndarray) -> Column:
    if values.dtype.kind in "iuf":
        check_finite(name, values)
        return Column(name, *mean_and_scale(name, values))
    categories = tuple(sorted(set(as_text(values).tolist())))
    if len(categories) > MAX_CATEGORIES:
        raise DataError(
            f"column {name!r} has {len(categories)} different texts, such as {categories[-1]!r}: expected numbers or "
            f"at most {MAX_CATEGORIES} categories; drop it or write it as numbers"
        )
    return Column(name, categories=categories)


def _standardise(column: Column, values: np.ndarray) -> np.ndarray:
    numbers = as_numbers(column.name, values)
    if numbers is None:
        row, value = first_text(values)
        raise DataError(
            f"column {column.name!r} has {value!r} in {row_name(row)}: expected a number, as in training; correct that "
            "cell"
        )
    return _to_float32(column.name, numbers, column.mean, column.scale)


def _to_float32(column: str, numbers: np.ndarray, mean: float, scale: float) -> np.ndarray:
    with np.errstate(over="ignore"):
        scaled = ((numbers - mean) / scale).astype(np.float32)
    if not np.isfinite(scaled).all():
        row = int(np.argmin(np.isfinite(scaled)))
        raise DataError(
            f"column {column!r} has {numbers[row]:g} in {row_name(row)}: expected a number near those of training, "
            f"{mean:g} ± {scale:g}; correct that cell"
        )
    return scaled


def _codes(column: Column, values: np.ndarray) -> np.ndarray:
    """The index of each row's category."""
    texts = as_text(values).tolist()
    index = {category: code for code, category in enumerate(column.categories)}
    codes = np.fromiter((index.get(text, -1) for text in texts), np.intp, len(texts))
    if (codes < 0).any():
        row = int(np.argmin(codes))
        raise DataError(
            f"column {column.name!r} has {texts[row]!r} in {row_name(row)}, which was not there in training: expected "
            f"one of {listed(column.categories)}; correct that cell or train again with it"
        )
    return codes
