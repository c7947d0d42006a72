"""What messages about data say: rows, lists of names, missing values.

Rows are counted from 1 without the header: "data row 1" is the first line of data.
"""

from __future__ import annotations

import difflib
import os
import reprlib
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError, DataError, printable, shown


def row_name(row: int) -> str:
    """Return the name of the row of index `row` (from 0) in messages."""
    return f"data row {row + 1}"


def listed(names: Iterable[str], limit: int = 10) -> str:
    """Join names with commas, cut after `limit`, and after fewer where they are long."""
    names = [str(name) for name in names]
    first = [printable(name if len(name) <= 30 else f"{name[:29]}…") for name in names[:limit]]
    while len(", ".join(first)) > 100:
        first.pop()
    rest = f", … ({len(names)} in all)" if len(names) > len(first) else ""
    return ", ".join(first) + rest


def check_column_name(option: str, name: Any) -> None:
    """Raise ArgumentError unless the name of a column that an option has is text, or None."""
    if not (name is None or isinstance(name, str)):
        given = reprlib.repr(name)
        raise ArgumentError(f"{option} is {given}, expected the name of a column, as text: write it in quotes")


def unknown_column(kind: str, name: str, names: Collection[str], where: str) -> DataError:
    """Return the error for a column or array that does not exist, with the nearest name that does."""
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.5)
    hint = f"did you mean {shown(near[0])}? " if near else ""
    return DataError(f"there is no {kind} {shown(name)} in {where}: {hint}choose one of {listed(names)}")


class MissingCellsError(DataError):
    """Cells without a value: names the first, and says how many there are.

    Parameters
    ----------
    cells : dict of str to tuple of int
        The first row without a value and the number of such rows, by column.
    """

    def __init__(self, cells: dict[str, tuple[int, int]]) -> None:
        self.cells = cells
        column, (row, _) = next(iter(cells.items()))
        count = sum(rows for _, rows in cells.values())
        first = f"column {shown(column)} has no value in {row_name(row)}"
        if count == 1:
            super().__init__(f"{first}: fill it in, or drop the row or the column")
        else:
            where = "it" if len(cells) == 1 else f"{len(cells)} columns ({listed(cells)})"
            super().__init__(f"{first}, one of {count} missing cells in {where}: fill them in, or drop rows or columns")


def missing_cells(column: str, missing: np.ndarray) -> MissingCellsError:
    """Return the error for the cells of a column that have no value: `missing` (rows,) is true there."""
    return MissingCellsError({column: (int(np.argmax(missing)), int(np.count_nonzero(missing)))})


def each_column(read: Callable[[str], np.ndarray], names: Iterable[str]) -> dict[str, np.ndarray]:
    """Return the columns that `read` returns, finite if they are numbers; count missing cells in all of them."""
    columns: dict[str, np.ndarray] = {}
    missing: dict[str, tuple[int, int]] = {}
    for name in names:
        try:
            columns[name] = read(name)
            if columns[name].dtype == np.float64:
                check_finite(name, columns[name])
        except MissingCellsError as error:
            missing |= error.cells
    if missing:
        raise MissingCellsError(missing)
    return columns


def check_finite(column: str, values: np.ndarray) -> None:
    """Raise DataError with the column and the first row where `values` (rows,) is NaN or infinite."""
    finite = np.isfinite(values)
    if finite.all():
        return
    row = int(np.argmin(finite))
    if np.isnan(values[row]):
        raise missing_cells(column, np.isnan(values))
    raise DataError(
        f"column {shown(column)} is infinite in {row_name(row)}: expected finite numbers; correct or drop the row"
    )


def check_names(path: str | os.PathLike[str], names: Sequence[str]) -> None:
    """Raise DataError for columns without a name, or two of one name."""
    seen: set[str] = set()
    for position, name in enumerate(names, 1):
        if not name:
            raise DataError(
                f"column {position} of {path} has no name: name it in the header, or remove it (pandas writes its "
                "index there without index=False)"
            )
        if name in seen:
            raise DataError(f"{path} has two columns named {shown(name)}: rename or remove one")
        seen.add(name)
