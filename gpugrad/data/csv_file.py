"""CSV files: text with a header and a separator, packed by gzip or not, in UTF-8 or UTF-16.

Python's `csv` reads every file and has the sentence for each fault. Where pyarrow is installed, it reads the files on
whose cells both agree, some ten times as fast.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError, counted, reason
from .arrow import arrow_cells
from .cells import ANY, KEEP_TEXT, Cells, Form, number_cells, plain_numbers
from .messages import check_names, each_column, row_name
from .packed import read_text

Column = np.ndarray | Cells

# Rows parsed at a time, so that the cells of numbers are never all Python strings at once.
CHUNK_ROWS = 4096
FIRST_ROW = 1 << 20  # bytes that are looked at to find it
# First bytes of files that are taken for CSV.
OTHER_KINDS = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an Excel workbook",
    b"PAR1": "a Parquet file",
    b"ARROW1": "an Arrow file",
    b"\x93NUMPY": "a NumPy array",
    b"SQLite": "a database",
    b"%PDF": "a PDF file",
}


def read_csv(
    path: Path, text: frozenset[str], ignore: frozenset[str], forms: Mapping[str, Form]
) -> tuple[dict[str, np.ndarray], dict[str, Form]]:
    """Return the columns of a file and the forms of numbers; `read_columns` describes them and checks the numbers."""
    content = _content(path)
    start, separator = _start(path, content)
    cells = text.union(name for name, form in forms.items() if not form.plain)
    columns = _read_with_pyarrow(path, content, start, separator, cells, ignore)
    if columns is None:
        columns, late = _read(path, content, start, separator, cells, ignore)
        if late:
            columns, _ = _read(path, content, start, separator, cells | late, ignore)
    read = each_column(lambda name: _finished(columns[name], forms.get(name, ANY), as_text=name in text), columns)
    return read, {name: _form(columns[name]) for name, values in read.items() if values.dtype == np.float64}


def _form(column: Column) -> Form:
    return column.form() if isinstance(column, Cells) else Form.of_plain(column)


def _finished(column: Column, form: Form, *, as_text: bool) -> np.ndarray:
    if isinstance(column, np.ndarray):
        return column
    texts = column.texts()
    numbers = None if as_text else column.numbers_of(KEEP_TEXT, form)
    return texts if numbers is None else numbers


def _content(path: Path) -> bytes:
    """Return the text of a file as UTF-8 without a byte order mark."""
    content = read_text(path)
    if kind := next((kind for start, kind in OTHER_KINDS.items() if content.startswith(start)), None):
        raise DataError(f"{path} is {kind}: expected text with separators; export it as CSV")
    try:
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return content.decode("utf-16").encode()
        content.decode()
    except UnicodeError as error:
        raise DataError(f"{path} is not UTF-8 text ({reason(error)}): save it as CSV in UTF-8") from None
    return content.removeprefix(codecs.BOM_UTF8)


def _start(path: Path, content: bytes) -> tuple[int, str]:
    """Return where the header begins, and what separates its names: Excel's line `sep=` tells, else the header."""
    if said := re.match(rb'\s*"?sep=([,;|\t])"?[ \t,;|]*[\r\n]+', content, re.IGNORECASE):
        return said.end(), said[1].decode()
    unquoted = re.sub(rb'"[^"]*"', b'""', content[: 1 << 20])  # a quoted name may hold separators and ends of lines
    names = next(filter(None, re.split(rb"[\r\n]+", unquoted, maxsplit=2)), b"").decode(errors="replace")
    usual = "\t" if path.name.lower().removesuffix(".gz").endswith(".tsv") else ","
    return 0, next((mark for mark in (usual, *",;\t|") if mark in names), usual)


def _reader(path: Path, lines: Iterable[str], separator: str, first_line: int = 1) -> Iterator[list[str]]:
    """Yield the rows of the lines without blank ones."""
    reader = csv.reader(lines, delimiter=separator, strict=True, skipinitialspace=True)
    try:
        yield from (cells for cells in reader if cells)
    except csv.Error as error:
        line = f"line {first_line + reader.line_num - 1} of {path}"
        if "limit" in str(error):
            most = csv.field_size_limit()
            raise DataError(
                f"{line} has a cell of more than {most} characters: expected numbers and categories; close its quote, "
                "or drop its column"
            ) from None
        raise DataError(f"{line} is not a valid CSV ({reason(error)}): correct that line") from error


def _names(path: Path, cells: list[str]) -> list[str]:
    names = [name.strip() for name in cells]
    if not names:
        raise DataError(f"{path} is empty: expected a header line with the column names, then one line per row")
    check_names(path, names)
    return names


def _read(
    path: Path, content: bytes, start: int, separator: str, text: frozenset[str], ignore: frozenset[str]
) -> tuple[dict[str, Column], frozenset[str]]:
    """Return the columns, and the names of incomplete ones: those that became text after a chunk of numbers."""
    pieces: dict[str, list[np.ndarray]] = defaultdict(list)
    different: dict[str, dict[str, int]] = {name: {} for name in text}  # of each column of text
    late: set[str] = set()
    n_rows = 0
    buffer = io.BytesIO(content)
    buffer.seek(start)
    lines = io.TextIOWrapper(buffer, "utf-8", newline="")
    rows = _reader(path, lines, separator, 1 + content.count(b"\n", 0, start))
    names = _names(path, next(rows, []))
    while chunk := list(islice(rows, CHUNK_ROWS)):
        for row, cells in enumerate(chunk, n_rows):
            if len(cells) != len(names):
                raise DataError(
                    f"{row_name(row)} of {path} has {counted(len(cells), 'cell')}: expected {len(names)}, one for each "
                    "column of the header; correct that line"
                )
        for name, column in zip(names, zip(*chunk, strict=True), strict=True):
            if name in ignore or name in late:
                continue
            if name not in different:
                numbers = plain_numbers(column)
                if numbers is not None:
                    pieces[name].append(numbers)
                    continue
                if name in pieces:
                    late.add(name)
                    continue
                different[name] = {}
            pieces[name].append(number_cells(column, different[name]))
        n_rows += len(chunk)
    if not n_rows:
        raise DataError(f"{path} has a header and no rows: expected one line per row below it")
    whole = {name: np.concatenate(parts) for name, parts in pieces.items()}
    return {n: Cells(n, different[n], v) if n in different else v for n, v in whole.items()}, frozenset(late)


def _read_with_pyarrow(
    path: Path, content: bytes, start: int, separator: str, text: frozenset[str], ignore: frozenset[str]
) -> dict[str, Column] | None:
    """Return what `_read` would, or None where pyarrow is missing, refuses the file or may find other cells in it."""
    try:
        import pyarrow as pa
        from pyarrow import csv as arrow
    except ImportError:
        return None
    end = content.find(b"\n", start) + 1
    if not end or not _quotes_enclose_cells(np.frombuffer(content, np.uint8, offset=end), separator):
        return None
    try:
        names = _names(path, next(_reader(path, [content[start:end].decode()], separator), []))
        start_of_rows = io.StringIO(content[end : end + FIRST_ROW].decode(errors="ignore"), newline="")
        first = next(_reader(path, start_of_rows, separator), [])
    except DataError:
        return None
    likely = {name for name, cell in zip(names, first, strict=False) if plain_numbers([cell]) is not None} - text
    for numbers in (likely, set()):  # most columns hold what their first cell is, and numbers take less room as such
        types = {name: pa.float64() if name in numbers else pa.string() for name in names}
        with contextlib.suppress(pa.ArrowException):
            table = arrow.read_csv(
                pa.BufferReader(pa.py_buffer(content).slice(end)),
                read_options=arrow.ReadOptions(column_names=names),
                parse_options=arrow.ParseOptions(delimiter=separator, newlines_in_values=b'"' in content),
                convert_options=arrow.ConvertOptions(column_types=types, null_values=[]),
            )
            columns = {name: _column(name, table.column(name), as_text=name in text) for name in names}
            return {name: column for name, column in columns.items() if name not in ignore}
    return None


def _column(name: str, column: Any, *, as_text: bool) -> Column:
    """Return an Arrow column of numbers or strings; raise ArrowInvalid where it may differ from what Python finds."""
    import pyarrow as pa
    from pyarrow import compute

    if pa.types.is_string(column.type):
        if not len(column) or compute.max(compute.binary_length(column)).as_py() > csv.field_size_limit():
            raise pa.ArrowInvalid("no cell, or one that is too long")
        with contextlib.suppress(pa.ArrowException):
            return arrow_cells(name, column) if as_text else _column(name, column.cast(pa.float64()), as_text=False)
        return arrow_cells(name, column)
    numbers = column.to_numpy()
    if not (len(numbers) and np.isfinite(numbers).all()):
        raise pa.ArrowInvalid("no number, or one that is not finite")
    return numbers


def _quotes_enclose_cells(content: np.ndarray, separator: str) -> bool:
    """Return whether every quote opens or closes a cell, or is doubled within one: then every reader agrees."""
    quotes = np.flatnonzero(content == ord('"'))
    if len(quotes) % 2:
        return False
    ends = np.frombuffer(f'"\r\n{separator}'.encode(), np.uint8)
    opening, closing = quotes[::2], quotes[1::2]
    before = content[opening[opening > 0] - 1]
    after = content[closing[closing < len(content) - 1] + 1]
    return bool(np.isin(before, ends).all() and np.isin(after, ends).all())
