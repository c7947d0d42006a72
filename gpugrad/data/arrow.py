"""Columns of Arrow as NumPy arrays, and those of a Parquet file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError, reason, shown
from .cells import Cells, Form
from .messages import MissingCellsError, check_names, each_column, missing_cells


def read_parquet(
    path: Path, text: frozenset[str], ignore: frozenset[str], forms: Mapping[str, Form]
) -> tuple[dict[str, np.ndarray], dict[str, Form]]:
    """Return the columns of a file, whose numbers have no form; `read_columns` describes and checks them."""
    file = open_file(path)
    import pyarrow as pa  # where it is missing, the line before says so

    with file:
        names = data_names(path, file.schema_arrow)
        try:
            table = file.read()
            if not table.num_rows:
                raise DataError(f"{path} has columns and no rows: expected one row per example")
            read = (name for name in names if name not in ignore)
            return each_column(lambda name: from_arrow(name, table.column(name), name in text), read), {}
        except (pa.ArrowException, OSError) as error:
            raise damaged(path, error) from error


def open_file(path: Path, **options: Any) -> Any:
    """Return an open ParquetFile; raise DataError for what is none, and without pyarrow."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise DataError(f'cannot read {path} without pyarrow: pip install "gpugrad[parquet]"') from error
    if not path.stat().st_size:
        raise DataError(f"{path} is empty: expected a Parquet file with one column for each feature")
    try:
        return pq.ParquetFile(path, **options)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise damaged(path, error) from error


def damaged(path: Path, error: Exception) -> DataError:
    """Return the error for a file that pyarrow refuses."""
    return DataError(f"{path} is not a valid Parquet file ({reason(error)}): write it again")


def data_names(path: Path, schema: Any) -> list[str]:
    """Return the columns of a schema without those of pandas' index, which no reader of pandas takes for data."""
    try:
        check_names(path, schema.names)
    except UnicodeDecodeError as error:
        raise damaged(path, error) from error
    try:
        index = {name for name in (schema.pandas_metadata or {}).get("index_columns", ()) if isinstance(name, str)}
    except (ValueError, TypeError, AttributeError, RecursionError):  # another program's metadata
        index = set()
    # A program that drops the metadata keeps the name of an index that had none.
    return [name for name in schema.names if name not in index and not name.startswith("__index_level_")]


def from_arrow(name: str, column: Any, text: bool) -> np.ndarray:
    """Return a chunked column as float64, or as stripped texts; `text` keeps numbers text."""
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if column.null_count:
        raise missing_cells(name, column.is_null().to_numpy())
    kind = column.type
    if types.is_boolean(kind):
        return np.array(["False", "True"], object)[column.to_numpy().astype(np.intp)]
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        if text:
            return np.array(column.cast(pa.string()).to_pylist(), dtype=object)
        return column.cast(pa.float64(), safe=False).to_numpy()
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        cells = arrow_cells(name, column.cast(pa.large_string()))
        texts = cells.texts()
        if not text:
            cells.refuse_numbers()
        return texts
    raise DataError(
        f"column {shown(name)} is of type {reason(kind)}: expected numbers, texts or booleans; convert or drop it"
    )


def check_complete(table: Any) -> None:
    """Raise DataError for cells of a table that are null."""
    missing: dict[str, tuple[int, int]] = {}
    for name in table.column_names:
        if table.column(name).null_count:
            missing |= missing_cells(name, table.column(name).is_null().to_numpy()).cells
    if missing:
        raise MissingCellsError(missing)


def arrow_cells(name: str, column: Any) -> Cells:
    """Return the cells of a chunked column of strings, of at least one row."""
    encoded = column.dictionary_encode().unify_dictionaries()
    codes = np.concatenate([chunk.indices.to_numpy() for chunk in encoded.chunks])
    try:
        return Cells(name, encoded.chunk(0).dictionary.to_pylist(), codes)
    except UnicodeDecodeError as error:
        raise DataError(f"column {shown(name)} holds no UTF-8 text ({reason(error)}): write it again") from error
