"""Tables from files: named columns of numbers or text; anything missing is refused by column and row.

Messages count rows from 1 and do not count the header: "data row 1" is the first line of data.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

from ..errors import ArgumentError, DataError
from .arrow import read_parquet
from .cells import Form
from .csv_file import read_csv

Columns = dict[str, np.ndarray]

READERS = {**dict.fromkeys((".csv", ".csv.gz", ".tsv", ".tsv.gz"), read_csv), ".parquet": read_parquet}
FORMATS = tuple(READERS)


def read_table(
    path: str | os.PathLike[str], *, text: Collection[str] = (), ignore: Collection[str] = ()
) -> dict[str, np.ndarray]:
    """Read the columns of a CSV or Parquet file, in the order of the file.

    Parameters
    ----------
    path : str or path
        A .csv or .tsv file with a header, packed (.csv.gz, .tsv.gz) or not, or a .parquet file.
    text : collection of str
        Columns that stay text whatever they hold.
    ignore : collection of str
        Columns that are neither checked nor returned.

    Returns
    -------
    dict of str to ndarray, (n_rows,)
        Columns: float64 where every cell is a number, in CSV with its signs and separators, else objects of type str.
        Booleans in any spelling become the texts "True" and "False"; blanks around a text are dropped.

    Raises
    ------
    DataError
        If the file is absent, empty, without rows, damaged or ragged; if a column has no name or the name of another;
        if a cell is missing, NaN or infinite, or no number in a column of nearly all numbers, named by column and row.
    """
    return read_columns(path, text=text, ignore=ignore)[0]


def read_columns(
    path: str | os.PathLike[str],
    *,
    text: Collection[str] = (),
    ignore: Collection[str] = (),
    forms: Mapping[str, Form] = MappingProxyType({}),
) -> tuple[Columns, dict[str, Form]]:
    """Return the columns as `read_table` does, and the form of those of numbers, where the file tells.

    Raise DataError as `read_table` does, and for numbers in another form than that of `forms`, by column.
    """
    path = Path(path)
    read = READERS[suffix_of(path, FORMATS)]
    try:
        if not path.is_file():
            raise DataError(f"there is no file {path}: pass the path of an existing {path.suffix} file")
        return read(path, frozenset(text), frozenset(ignore), forms)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}; expected a readable table") from error
    except MemoryError:
        raise DataError(
            f"{path} does not fit into memory: use a part of it, or write Parquet for open_parquet"
        ) from None


def suffix_of(path: str | os.PathLike[str], suffixes: Collection[str]) -> str:
    """Return which of the suffixes, in any case, a name has; raise ArgumentError for none of them."""
    name = os.fspath(path)
    found = next((suffix for suffix in suffixes if name.lower().endswith(suffix)), None)
    if found is None:
        raise ArgumentError(
            f"{name} is not a data file, expected a name that ends in {', '.join(suffixes)}: export it as one of them"
        )
    return found
