"""Parquet files larger than memory: the same columns in one or more files, read a batch of rows at a time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ArgumentError, DataError
from .arrow import check_complete, damaged, data_names, from_arrow, open_file
from .messages import check_column_name, each_column, listed, unknown_column
from .preprocessing import Preprocessing

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]

BATCH_BYTES = 16 * 1024**2  # size of the numbers in a batch
BUFFER_BYTES = 64 * 1024  # read buffer per column: without one, pyarrow holds all row groups in memory


@dataclass(frozen=True)
class Place:
    """Position of a batch of rows: its first row over all files, and in its own file of several (else None)."""

    first: int
    path: Path | None
    first_in_file: int

    @contextlib.contextmanager
    def named(self) -> Iterator[None]:
        """Add the position of the batch to an error that counts its rows."""
        try:
            yield
        except DataError as error:
            if self.path is None and self.first == 0:
                raise
            where = f" of {self.path}" if self.path else ""
            raise DataError(f"counted from data row {self.first_in_file + 1}{where}: {error}") from error


class ParquetFiles:
    """One or more Parquet files with the same columns, as one table.

    Parameters
    ----------
    paths : path or list of paths
        A file, a folder of .parquet files (in the order of their names), or several of these.

    Attributes
    ----------
    paths : list of Path
        The files.
    names : list of str
        Columns.
    kinds : dict
        "numbers", "texts" (booleans too) or another type, of each column.
    rows : int
        Rows of all files.

    Raises
    ------
    DataError
        If a file is absent, damaged, without rows or has other columns than the first, or pyarrow is missing.
    """

    def __init__(self, paths: Paths) -> None:
        self.paths = _find(paths)
        self.rows = 0
        for path in self.paths:
            with _open(path) as file:
                names = data_names(path, file.schema_arrow)
                kinds = {name: _kind(file.schema_arrow.field(name).type) for name in names}
                self.rows += file.metadata.num_rows
            if path == self.paths[0]:
                self.names, self.kinds = names, kinds
            elif kinds != self.kinds:
                self._refuse(path, kinds)
        if not self.rows:
            raise DataError(f"{self.paths[0]} has columns and no rows: expected one row per example")

    def batch_rows(self) -> int:
        """Return the suggested rows of a batch of all columns."""
        return max(64, BATCH_BYTES // (8 * len(self.names)))

    def tables(self, names: Sequence[str], rows: int) -> Iterator[tuple[Place, Any]]:
        """Yield the named columns as pyarrow tables of at most `rows` rows, one after the other."""
        import pyarrow as pa

        first = 0
        for path in self.paths:
            with _open(path) as file:
                of_several, in_file = path if len(self.paths) > 1 else None, 0
                try:
                    for batch in file.iter_batches(rows, columns=list(names)):
                        if len(batch):
                            table = pa.Table.from_batches([batch]).select(list(names))
                            yield Place(first, of_several, in_file), table
                            first, in_file = first + len(batch), in_file + len(batch)
                except (pa.ArrowException, OSError) as error:
                    raise damaged(path, error) from error
        pa.default_memory_pool().release_unused()

    def columns(
        self, names: Sequence[str], rows: int, *, text: Collection[str] = ()
    ) -> Iterator[tuple[Place, dict[str, np.ndarray]]]:
        """Yield columns like `read_table`: finite float64, or stripped texts as objects; `text` names text columns."""
        for place, table in self.tables(names, rows):
            with place.named():
                columns = each_column(partial(_column, table, text), names)
            yield place, columns

    def _refuse(self, path: Path, kinds: dict[str, str]) -> None:
        first = self.paths[0]
        if set(kinds) != set(self.kinds):
            raise DataError(
                f"{path} has the columns {listed(kinds)}, and {first} has {listed(self.kinds)}: expected the same in "
                "every file; read files of one kind"
            )
        if other := next((name for name in kinds if kinds[name] != self.kinds[name]), None):
            raise DataError(
                f"column {other!r} holds {kinds[other]} in {path} and {self.kinds[other]} in {first}: expected the "
                "same in every file; write one of them again"
            )


def parquet_batches(
    paths: Paths, *, target: str, rows: int | None = None, preprocessing: Preprocessing | None = None
) -> Iterator[tuple[Any, np.ndarray]]:
    """Yield the rows of Parquet files in order, as batches (X, y) for `partial_fit`.

    Parameters
    ----------
    paths : path or list of paths
        A file, a folder of .parquet files, or several of these.
    target : str
        Column to predict.
    rows : int, default None
        Maximum number of rows of a batch; None for about 16 MiB.
    preprocessing : Preprocessing, default None
        Standardize and encode the columns first: that of a data set of `open_parquet` or `data.load`.

    Returns
    -------
    iterator of (X, y)
        X is a pyarrow table of the columns except the target, all of them numbers, in their dtypes; its names become
        an estimator's feature names. With ``preprocessing``, X has its float32 features under their names. y
        (n_rows,) has the values of the target as in the file.

    Raises
    ------
    ArgumentError
        At the call, if ``rows`` is not an integer of at least 1, or no path is given.
    DataError
        At the call, if the files are not such a table; while reading, if a cell has no value or is refused by the
        preprocessing.
    """
    files = ParquetFiles(paths)
    rows = check_rows("rows", rows, files)
    check_column_name("target", target)
    if target not in files.names:
        raise unknown_column("column", target, files.names, str(files.paths[0]))
    names = [name for name in files.names if name != target]
    if preprocessing is None and (other := next((name for name in names if files.kinds[name] != "numbers"), None)):
        raise DataError(
            f"column {other!r} of {files.paths[0]} holds {files.kinds[other]}, expected numbers: pass the "
            "preprocessing of a data set, or drop it"
        )
    return _batches(files, names, target, rows, preprocessing)


def check_rows(name: str, rows: int | None, files: ParquetFiles) -> int:
    """Return the rows of a batch, by default those that the files suggest; raise ArgumentError if not from 1."""
    if rows is None:
        return files.batch_rows()
    if isinstance(rows, bool) or not isinstance(rows, int | np.integer) or rows < 1:
        raise ArgumentError(f"{name} is {rows!r}, expected an integer of at least 1, or None")
    return int(rows)


def _column(table: Any, text: Collection[str], name: str) -> np.ndarray:
    return from_arrow(name, table.column(name), name in text)


def _batches(
    files: ParquetFiles, names: list[str], target: str, rows: int, preprocessing: Preprocessing | None
) -> Iterator[tuple[Any, np.ndarray]]:
    import pyarrow as pa

    prepared = () if preprocessing is None else files.columns(names, rows, text=preprocessing.categorical)
    features = iter(prepared)
    for place, table in files.tables([*names, target], rows):
        with place.named():
            check_complete(table)
            y = table.column(target).to_numpy()
            x = table.select(names)
            if preprocessing is not None:
                array = preprocessing.transform(next(features)[1])
                x = pa.table(dict(zip(preprocessing.feature_names, array.T, strict=True)))
        yield x, y


def _find(paths: Paths) -> list[Path]:
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    found: list[Path] = []
    for path in map(Path, given):
        files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
        if not files:
            raise DataError(f"the folder {path} holds no .parquet file: name another, or the files themselves")
        if missing := next((file for file in files if not os.path.isfile(file)), None):
            raise DataError(f"there is no file {missing}: pass the path of an existing .parquet file")
        found += files
    if not found:
        raise ArgumentError("no path was given: pass a Parquet file or a folder of them")
    return found


def _open(path: Path) -> Any:
    return open_file(path, buffer_size=BUFFER_BYTES, pre_buffer=False)


def _kind(dtype: Any) -> str:
    import pyarrow as pa

    if pa.types.is_dictionary(dtype):
        dtype = dtype.value_type
    if pa.types.is_integer(dtype) or pa.types.is_floating(dtype) or pa.types.is_decimal(dtype):
        return "numbers"
    if pa.types.is_boolean(dtype) or pa.types.is_string(dtype) or pa.types.is_large_string(dtype):
        return "texts"
    return "texts" if pa.types.is_string_view(dtype) else str(dtype)
