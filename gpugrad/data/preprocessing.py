"""Preprocessing: from the columns of a table to the features of a model, by statistics of the training part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any

import numpy as np

from ..errors import DataError, counted, shown
from .cells import ANY, Cells, Form, as_numbers, as_text, index_in
from .messages import check_finite, listed, row_name

# One feature per category: a text column with more is an identifier, or numbers with a typing error among them.
MAX_CATEGORIES = 1000


@dataclass(frozen=True)
class Column:
    """Column of a raw table: a number, standardized to (value − mean)/scale, or one of `categories`, one-hot.

    `form` is how the column writes its numbers in text; equal columns may differ in it.
    """

    name: str
    mean: float = 0.0
    scale: float = 1.0
    categories: tuple[str, ...] = ()
    form: Form = field(default=ANY, compare=False)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Return the column's name for a number; `name=category` for each category."""
        return tuple(f"{self.name}={category}" for category in self.categories) or (self.name,)


@dataclass(frozen=True, repr=False)
class Preprocessing:
    """Map from a raw table to features x, and between a target's own units and standardized ones.

    Parameters
    ----------
    columns : tuple of Column
        The raw columns, in the order of their features.
    target : str, default None
        Name of the target column; None if it has none.
    target_mean : float, default 0.0
        Mean of the training part's targets for regression; 0 for classification.
    target_scale : float, default 1.0
        Standard deviation of the training part's targets for regression; 1 for classification.
    target_form : Form, default Form()
        How the target writes its numbers in text; equal preprocessings may differ in it.
    """

    columns: tuple[Column, ...]
    target: str | None = None
    target_mean: float = 0.0
    target_scale: float = 1.0
    target_form: Form = field(default=ANY, compare=False)

    def __repr__(self) -> str:
        columns, features = counted(len(self.columns), "column"), counted(self.n_features, "feature")
        target = "" if self.target is None else f", target {self.target!r}"
        return f"Preprocessing({columns}, {len(self.categorical)} of them texts, to {features}{target})"

    @classmethod
    def fit(
        cls,
        columns: Mapping[str, np.ndarray],
        *,
        target: str | None = None,
        y: np.ndarray | None = None,
        forms: Mapping[str, Form] | None = None,
    ) -> Preprocessing:
        """Compute the statistics of a training part.

        Numbers get the mean and the population standard deviation of their column; a constant column gets the scale 1.
        Texts and booleans get the sorted list of their categories.

        Parameters
        ----------
        columns : mapping of str to ndarray, (n_rows,)
            Columns as `read_table` returns them.
        target : str, default None
            Name of the target column.
        y : ndarray, (n_rows,), default None
            Targets of a regression.
        forms : mapping of str to Form, default None
            How columns and target write their numbers, where that is known.

        Returns
        -------
        Preprocessing
            The preprocessing of these columns.

        Raises
        ------
        DataError
            If a number is NaN or infinite, the spread of a column overflows float64, or it has more than 1000
            categories.
        """
        mean, scale = (0.0, 1.0) if y is None else mean_and_scale(str(target), y)
        forms = forms or {}
        fitted = tuple(_fit_column(name, values, forms.get(name, ANY)) for name, values in columns.items())
        return cls(fitted, target, mean, scale, forms.get(str(target), ANY))

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Return the name of each column of x."""
        return tuple(name for column in self.columns for name in column.feature_names)

    @property
    def n_features(self) -> int:
        """Return the number of columns of x."""
        return sum(len(column.feature_names) for column in self.columns)

    @property
    def categorical(self) -> tuple[str, ...]:
        """Return the raw columns of categories; `read_table(path, text=…)` keeps them text in another file."""
        return tuple(column.name for column in self.columns if column.categories)

    @property
    def forms(self) -> dict[str, Form]:
        """Return how each raw column of numbers writes them."""
        return {column.name: column.form for column in self.columns if not column.categories}

    def transform(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Compute the features of a table.

        Parameters
        ----------
        columns : mapping of str to ndarray, (n_rows,)
            Columns in any order; the target among them is ignored.

        Returns
        -------
        ndarray, (n_rows, n_features)
            Features, float32.

        Raises
        ------
        DataError
            If a column is missing or extra, a cell is text where training had numbers, a category did not occur in
            training, or a value is not finite or overflows float32; the message names column, row and value.
        """
        self._check_columns(columns)
        n_rows = len(columns[self.columns[0].name]) if self.columns else 0
        x = np.zeros((n_rows, self.n_features), np.float32)
        start = 0
        for column in self.columns:
            values = columns[column.name]
            if len(values) != n_rows:
                raise DataError(
                    f"column {shown(column.name)} has {counted(len(values), 'row')}: expected {n_rows}, as in the "
                    "first column"
                )
            if column.categories:
                x[np.arange(n_rows), start + _codes(column, values)] = 1
            else:
                x[:, start] = _standardise(column, values)
            start += len(column.feature_names)
        return x

    def transform_target(self, y: np.ndarray) -> np.ndarray:
        """Standardize targets.

        Parameters
        ----------
        y : ndarray, (n_rows,)
            Finite targets in their own units.

        Returns
        -------
        ndarray, (n_rows, 1)
            Targets of the model, float32.

        Raises
        ------
        DataError
            If a target overflows float32.
        """
        return _to_float32(str(self.target), y, self.target_mean, self.target_scale).reshape(-1, 1)

    def inverse_target(self, y: np.ndarray) -> np.ndarray:
        """Convert predictions to the units of the target.

        Parameters
        ----------
        y : array_like
            Outputs of the model, of any shape.

        Returns
        -------
        ndarray
            Predictions in float64, since a large mean would swallow float32's digits.
        """
        return np.asarray(y, np.float64) * self.target_scale + self.target_mean

    def to_json(self) -> dict[str, Any]:
        """Convert to plain lists, strings and numbers; `from_json` restores an equal object, bit for bit.

        Returns
        -------
        dict
            Content for `json`.
        """
        return {
            "columns": [column.name for column in self.columns],
            "mean": [column.mean for column in self.columns],
            "scale": [column.scale for column in self.columns],
            "categories": [list(column.categories) for column in self.columns],
            "forms": [list(astuple(column.form)) for column in self.columns],
            "target": self.target,
            "target_mean": self.target_mean,
            "target_scale": self.target_scale,
            "target_form": list(astuple(self.target_form)),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Preprocessing:
        """Restore a preprocessing from `to_json`.

        Parameters
        ----------
        stored : mapping
            Content of `to_json`.

        Returns
        -------
        Preprocessing
            The stored preprocessing.

        Raises
        ------
        DataError
            If an entry is missing or of another kind.
        """
        try:
            unknown = astuple(ANY)  # files of earlier versions have no forms
            forms = map(Form.from_json, stored.get("forms", [unknown] * len(stored["columns"])))
            fields = zip(stored["columns"], stored["mean"], stored["scale"], stored["categories"], forms, strict=True)
            columns = tuple(Column(str(n), float(m), float(s), tuple(map(str, c)), f) for n, m, s, c, f in fields)
            target, target_form = stored["target"], Form.from_json(stored.get("target_form", unknown))
            mean, scale = float(stored["target_mean"]), float(stored["target_scale"])
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"the stored preprocessing is damaged ({error!r}): train and store the model again"
            ) from error
        return cls(columns, None if target is None else str(target), mean, scale, target_form)

    def difference(self, other: Preprocessing) -> str | None:
        """Compare with the preprocessing of other data.

        Parameters
        ----------
        other : Preprocessing
            The other one.

        Returns
        -------
        str or None
            What the other data have first that these have not, or lack: a column, a category, a mean or a deviation.
            None if both are equal.
        """
        names, other_names = ([column.name for column in each.columns] for each in (self, other))
        if found := first_difference("column", names, other_names):
            return found
        target = Column(str(self.target), self.target_mean, self.target_scale)
        other_target = Column(str(other.target), other.target_mean, other.target_scale)
        for old, new in zip((*self.columns, target), (*other.columns, other_target), strict=True):
            if bool(old.categories) != bool(new.categories):
                kinds = ("categories", "numbers") if new.categories else ("numbers", "categories")
                return f"column {shown(old.name)} has {kinds[0]}, not {kinds[1]}"
            if found := first_difference("category", old.categories, new.categories, f" in column {shown(old.name)}"):
                return found
            if (old.mean, old.scale) != (new.mean, new.scale):
                return (
                    f"column {shown(old.name)} has the mean and deviation {new.mean:g} ± {new.scale:g}, not "
                    f"{old.mean:g} ± {old.scale:g}"
                )
        return None

    def _check_columns(self, columns: Mapping[str, np.ndarray]) -> None:
        known = {column.name: None for column in self.columns}
        if missing := [name for name in known if name not in columns]:
            what = "column" if len(missing) == 1 else "columns"
            raise DataError(f"the table lacks the {what} {listed(missing)}: the model was trained on {listed(known)}")
        if extra := [name for name in columns if name not in known and name != self.target]:
            raise DataError(
                f"the table has the columns {listed(extra)}, which training did not have: remove them; the model "
                f"was trained on {listed(known)}"
            )


def first_difference(kind: str, names: Sequence[str], others: Sequence[str], where: str = "") -> str | None:
    """Return which name of a `kind` the others lack, have besides or have in another place; None for equal names."""
    if lacking := [name for name in names if name not in others]:
        return f"it lacks the {kind} {shown(lacking[0])}{where}"
    if new := [name for name in others if name not in names]:
        return f"it has the new {kind} {shown(new[0])}{where}"
    moved = next((name for name, other in zip(names, others, strict=True) if name != other), None)
    return f"it has the {kind} {shown(moved)} in another place{where}" if moved else None


def mean_and_scale(column: str, values: np.ndarray) -> tuple[float, float]:
    """Return mean and population standard deviation of finite numbers (rows,); the scale of a constant column is 1."""
    values = np.asarray(values, np.float64)
    if values.min() == values.max():  # exact: a computed deviation could be rounding noise
        return float(values[0]), 1.0
    with np.errstate(over="ignore", invalid="ignore"):
        mean = values.mean()
        largest = np.abs(values - mean).max()  # squares of numbers ≤ 1 neither overflow nor all vanish
        scale = largest * np.sqrt(np.mean(np.square((values - mean) / largest)))
    if not np.isfinite(scale):
        raise DataError(
            f"column {shown(column)} has numbers too far apart for float64: expected a spread below 1e308; scale it"
        )
    return float(mean), float(scale) or 1.0  # the spread underflowed


def _fit_column(name: str, values: np.ndarray, form: Form) -> Column:
    if values.dtype.kind in "iuf":
        check_finite(name, values)
        return Column(name, *mean_and_scale(name, values), form=form)
    categories = tuple(sorted(set(as_text(values).tolist())))
    if len(categories) > MAX_CATEGORIES:
        raise DataError(
            f"column {shown(name)} has {len(categories)} different texts, such as {shown(categories[-1])}: expected "
            f"numbers or at most {MAX_CATEGORIES} categories; drop it or write it as numbers"
        )
    return Column(name, categories=categories)


def _standardise(column: Column, values: np.ndarray) -> np.ndarray:
    numbers = as_numbers(column.name, values, form=column.form)
    if numbers is None:
        row, value = Cells.of(column.name, values).first_text()
        raise DataError(
            f"column {shown(column.name)} has {shown(value)} in {row_name(row)}: expected a number, as in training; "
            "correct that cell"
        )
    return _to_float32(column.name, numbers, column.mean, column.scale)


def _to_float32(column: str, numbers: np.ndarray, mean: float, scale: float) -> np.ndarray:
    with np.errstate(over="ignore"):
        scaled = ((numbers - mean) / scale).astype(np.float32)
    if not np.isfinite(scaled).all():
        row = int(np.argmin(np.isfinite(scaled)))
        raise DataError(
            f"column {shown(column)} has {numbers[row]:g} in {row_name(row)}: expected a number near those of "
            f"training, {mean:g} ± {scale:g}; correct that cell"
        )
    return scaled


def _codes(column: Column, values: np.ndarray) -> np.ndarray:
    """Return the index of each row's category."""
    cells = Cells.of(column.name, values)
    codes = index_in(column.categories, cells.different)[cells.codes]
    if (codes < 0).any():
        row = int(np.argmin(codes))
        text = cells.different[cells.codes[row]]
        raise DataError(
            f"column {shown(column.name)} has {shown(text)} in {row_name(row)}, which did not occur in training: "
            f"expected one of {listed(column.categories)}; correct that cell or train again with it"
        )
    return codes
