"""Tables from files: named columns of numbers or text; anything missing is refused by column and row.

Messages count rows from 1 and do not count the header: "data row 1" is the first line of data.
"""

from __future__ import annotations

import csv
import difflib
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from ..errors import DataError, choose

Columns = dict[str, np.ndarray]

FORMATS = (".csv", ".parquet")
# Rows of a CSV file parsed at a time, so that its cells are never all Python strings at once.
CHUNK_ROWS = 4096
# Words for "no value" in a column of numbers; in a column of text they are text, and only "" is missing.
MISSING_WORDS = frozenset({"na", "n/a", "#n/a", "null", "none", "missing", "?", "-", "."})


def read_table(
    path: str | os.PathLike[str], *, text: Collection[str] = (), ignore: Collection[str] = ()
) -> dict[str, np.ndarray]:
    """Read the columns of a .csv or .parquet file, in the order of the file.

    Parameters
    ----------
    path : str or path
        The file: comma-separated UTF-8 with a header, or Parquet.
    text : collection of str
        Columns that stay text whatever they hold.
    ignore : collection of str
        Columns that are neither checked nor returned.

    Returns
    -------
    dict of str to ndarray, (n_rows,)
        Columns: float64 where every cell is a number, else objects of type str. Booleans become the texts "True" and
        "False"; blanks around a text are dropped.

    Raises
    ------
    DataError
        If the file is absent, empty, without rows, damaged or ragged; if a column has no name or the name of another;
        if a cell is missing, NaN or infinite, named by column and row.
    """
    path = Path(path)
    read = {".csv": _read_csv, ".parquet": _read_parquet}[choose("table format", path.suffix.lower(), FORMATS)]
    if not path.is_file():
        raise DataError(f"there is no file {path}: pass the path of an existing {path.suffix} file")
    try:
        columns = read(path, frozenset(text), frozenset(ignore))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}; expected a readable table") from error
    for name, values in columns.items():
        if values.dtype == np.float64:
            check_finite(name, values)
            continue
        cells = values.tolist()
        if "" in cells:
            raise missing_value(name, cells.index(""))
        if name not in text:
            _refuse_missing_words(name, cells)
    return columns


def row_name(row: int) -> str:
    """Return the name of the row of index `row` (from 0) in messages."""
    return f"data row {row + 1}"


def listed(names: Iterable[str], limit: int = 10) -> str:
    """Join names with commas, cut after `limit`."""
    names = [str(name) for name in names]
    rest = f", … ({len(names)} in all)" if len(names) > limit else ""
    return ", ".join(names[:limit]) + rest


def unknown_column(kind: str, name: str, names: Collection[str], where: str) -> DataError:
    """Return the error for a column or array that does not exist, with the nearest name that does."""
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return DataError(f"there is no {kind} {name!r} in {where}: {hint}choose one of {listed(names)}")


def missing_value(column: str, row: int) -> DataError:
    """Return the error for a cell without a value."""
    return DataError(f"column {column!r} has no value in {row_name(row)}: fill it in, or drop the row or the column")


def check_finite(column: str, values: np.ndarray) -> None:
    """Raise DataError with the column and the first row where `values` (rows,) is NaN or infinite."""
    finite = np.isfinite(values)
    if finite.all():
        return
    row = int(np.argmin(finite))
    if np.isnan(values[row]):
        raise missing_value(column, row)
    raise DataError(
        f"column {column!r} is infinite in {row_name(row)}: expected finite numbers; correct or drop the row"
    )


def as_text(values: np.ndarray) -> np.ndarray:
    """Return the column (rows,) as objects of type str; bytes are read as UTF-8."""
    cells = values.tolist()
    return np.array([c.decode(errors="replace") if isinstance(c, bytes) else str(c) for c in cells], dtype=object)


def as_numbers(column: str, values: np.ndarray) -> np.ndarray | None:
    """Return the column (rows,) as finite float64, or None if it is text; raise DataError as `read_table` does."""
    if values.dtype.kind == "b":
        return None
    if values.dtype.kind in "iuf":
        numbers = values.astype(np.float64)
    else:
        cells = as_text(values).tolist()
        parsed = _parse_numbers(cells)
        if parsed is None:
            _refuse_missing_words(column, cells)
            return None
        numbers = parsed
    check_finite(column, numbers)
    return numbers


def first_text(values: np.ndarray) -> tuple[int, str]:
    """Return row index and text of the first cell that is not a number, of a column of text."""
    return next((row, cell) for row, cell in enumerate(as_text(values).tolist()) if _parse_numbers([cell]) is None)


def _parse_numbers(cells: Sequence[str]) -> np.ndarray | None:
    """Return the cells as float64, or None if one is not a number; 1_2, which Python reads as 12, is text."""
    try:
        numbers = np.fromiter(map(float, cells), np.float64, len(cells))
    except ValueError:
        return None
    return None if "_" in "".join(cells) else numbers


def _refuse_missing_words(column: str, cells: Sequence[str]) -> None:
    """Refuse numbers among which some cells are "NA" or the like: one-hot, every number would be a category."""
    numeric, first = False, None
    for row, cell in enumerate(cells):
        if _parse_numbers([cell]) is not None:
            numeric = True
        elif cell.lower() not in MISSING_WORDS:
            return
        elif first is None:
            first = row
    if numeric and first is not None:
        raise missing_value(column, first)


def _check_names(path: Path, names: list[str]) -> None:
    seen: set[str] = set()
    for position, name in enumerate(names, 1):
        if not name:
            raise DataError(
                f"column {position} of {path} has no name: name it in the header, or remove it (pandas writes its "
                "index there without index=False)"
            )
        if name in seen:
            raise DataError(f"{path} has two columns named {name!r}: rename or remove one")
        seen.add(name)


def _read_csv(path: Path, text: frozenset[str], ignore: frozenset[str]) -> Columns:
    """Read a CSV file, once more with a column as text if a cell after its first piece is not a number."""
    try:
        columns, late = _read_csv_once(path, text, ignore)
        if late:
            columns, _ = _read_csv_once(path, text | late, ignore)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text ({error.reason}): save it as CSV in UTF-8") from error
    return columns


def _read_csv_once(path: Path, text: frozenset[str], ignore: frozenset[str]) -> tuple[Columns, frozenset[str]]:
    """Return the columns, and the names of incomplete ones: those that became text after a piece of numbers."""
    pieces: dict[str, list[np.ndarray]] = {}
    texts: set[str] = set(text)
    late: set[str] = set()
    n_rows = 0
    with open(path, newline="", encoding="utf-8-sig") as file:
        rows = _csv_rows(path, file)
        names = [name.strip() for name in next(rows, [])]
        if not names:
            raise DataError(f"{path} is empty: expected a header line with the column names, then one line per row")
        if len(names) == 1 and (other := next((c for c in ";\t|" if c in names[0]), None)):
            raise DataError(f"{path} seems to be separated by {other!r}: expected commas; save it with commas")
        _check_names(path, names)
        while chunk := list(islice(rows, CHUNK_ROWS)):
            for row, cells in enumerate(chunk, n_rows):
                if len(cells) != len(names):
                    raise DataError(
                        f"{row_name(row)} of {path} has {len(cells)} cells: expected {len(names)}, one for each column "
                        "of the header; correct that line"
                    )
            for name, column in zip(names, zip(*chunk, strict=True), strict=True):
                if name in ignore or name in late:
                    continue
                numbers = None if name in texts else _parse_numbers(column)
                if numbers is None and name not in texts:
                    (late if name in pieces else texts).add(name)
                stripped = np.array([cell.strip() for cell in column], dtype=object) if numbers is None else numbers
                pieces.setdefault(name, []).append(stripped)
            n_rows += len(chunk)
    if not n_rows:
        raise DataError(f"{path} has a header and no rows: expected one line per row below it")
    return {name: np.concatenate(parts) for name, parts in pieces.items()}, frozenset(late)


def _csv_rows(path: Path, file: Iterable[str]) -> Iterator[list[str]]:
    """Yield the rows of the file without blank lines."""
    reader = csv.reader(file, strict=True, skipinitialspace=True)
    try:
        yield from (cells for cells in reader if cells)
    except csv.Error as error:
        raise DataError(f"line {reader.line_num} of {path} is not a valid CSV ({error}): correct that line") from error


def _read_parquet(path: Path, text: frozenset[str], ignore: frozenset[str]) -> Columns:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise DataError(f'cannot read {path} without pyarrow: pip install "gpugrad[parquet]"') from error
    if not path.stat().st_size:
        raise DataError(f"{path} is empty: expected a Parquet file with one column for each feature")
    try:
        with pq.ParquetFile(path) as file:
            table = file.read()
    except pa.ArrowException as error:
        raise DataError(f"{path} is not a valid Parquet file ({str(error).splitlines()[0]}): write it again") from error
    _check_names(path, table.column_names)
    if not table.num_rows:
        raise DataError(f"{path} has columns and no rows: expected one row per example")
    # pandas stores an index that is no plain count as a column of this name; it is no feature.
    names = [n for n in table.column_names if n not in ignore and not n.startswith("__index_level_")]
    return {name: _from_arrow(name, table.column(name), name in text) for name in names}


def _from_arrow(name: str, column, text: bool) -> np.ndarray:
    import pyarrow as pa

    if column.null_count:
        raise missing_value(name, column.is_null().to_pylist().index(True))
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_boolean(kind):
        return as_text(np.array(column.to_pylist(), dtype=object))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        if text:
            return np.array(column.cast(pa.string()).to_pylist(), dtype=object)
        return column.cast(pa.float64(), safe=False).to_numpy()
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return np.array([cell.strip() for cell in column.to_pylist()], dtype=object)
    raise DataError(f"column {name!r} is of type {kind}: expected numbers, texts or booleans; convert or drop it")
