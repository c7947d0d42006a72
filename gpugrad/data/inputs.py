"""Arrays and tables of other libraries as NumPy arrays, without a copy where possible."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.device import device
from ..engine.host import to_host
from ..engine.interop import array_from_gpu, gpu_of
from ..errors import DataError, a_or_an, reason
from .messages import MissingCellsError, missing_cells


def as_array(values: Any, name: str = "x") -> np.ndarray:
    """Return numbers as a NumPy array, which shares the memory of an array on the host, memory maps too.

    Parameters
    ----------
    values : array_like
        An array of any library with `__array__`, DLPack or `__cuda_array_interface__`; a table (rows, columns) of
        pandas, polars or pyarrow, or a column of one; a nested list.
    name : str
        Name of the values in messages.

    Raises
    ------
    DataError
        If a column of a table is neither number nor boolean, or lacks a value; if the values are no array.
    """
    if isinstance(values, np.ndarray):
        _refuse_masked(values, name)
        return np.asarray(values)
    try:
        if (frame := _frame(values)) is not None:
            return _numbers(frame, name)
        if (series := _series(values)) is not None:
            return _one_dtype(series.to_numpy())
        if hasattr(values, "__dlpack__") and not hasattr(values, "__array__"):
            index = gpu_of(values)
            return np.from_dlpack(values) if index is None else array_from_gpu(values, index, device("cpu"))
        array = to_host(values)
    except DataError:
        raise
    except (BufferError, RuntimeError, TypeError, ValueError) as error:  # which one depends on the library
        remedy = "make its rows equally long" if isinstance(values, list | tuple) else "convert it to a NumPy array"
        raise DataError(f"{name} is not an array of numbers ({reason(error)}): {remedy}") from None
    if array.dtype == object and array.ndim == 0:
        remedy = "call its toarray()" if hasattr(values, "toarray") else "convert it"
        raise DataError(f"{name} is {a_or_an(type(values))}, expected an array of numbers or a table: {remedy}")
    return array


def as_input(x: Any, name: str = "X") -> Any:
    """Return x as scikit-learn accepts it: an array with DLPack as a NumPy array, anything else unchanged.

    A table of pandas, polars or pyarrow stays one, for the names of its columns. Raise DataError, a ValueError, for a
    table of several columns, one of which cannot be read as numbers (a single one may be labels), and for an array that
    cannot be shared.
    """
    if isinstance(x, np.ndarray):
        _refuse_masked(x, name)
        return x
    frame = _frame(x)
    if frame is not None:
        for column, dtype in frame.schema.items():
            if len(frame.columns) > 1 and not _is_number(dtype) and not _reads_as_numbers(frame[column]):
                raise _no_number(column, dtype, name)
        return x
    return as_array(x, name) if hasattr(x, "__dlpack__") else x


def _refuse_masked(values: np.ndarray, name: str) -> None:
    if isinstance(values, np.ma.MaskedArray) and np.ma.getmaskarray(values).any():
        raise DataError(f"{name} has masked values, which count as missing: fill them, or drop their rows")


def _frame(values: Any) -> Any:
    """Return narwhals' view of a table, or None for other values; raise DataError for a query without rows."""
    import narwhals.stable.v2 as nw

    if nw.dependencies.is_polars_lazyframe(values):
        raise DataError("a LazyFrame has no rows yet, expected a DataFrame: call its collect()")
    if nw.dependencies.is_pandas_dataframe(values) and not all(isinstance(name, str) for name in values.columns):
        values = values.set_axis([str(name) for name in values.columns], axis=1)  # 0, 1, … of DataFrame(array)
    if not nw.dependencies.is_into_dataframe(values):
        return None
    try:
        frame = nw.from_native(values)
        frame.schema  # noqa: B018  raises for two columns of one name
    except nw.exceptions.DuplicateError as error:
        twice = " ".join(str(error).splitlines()[1:2]).removeprefix("- ")
        raise DataError(f"the table has the column {twice}, expected different names: rename its columns") from None
    return frame


def _series(values: Any) -> Any:
    import narwhals.stable.v2 as nw

    return nw.from_native(values, series_only=True) if nw.dependencies.is_into_series(values) else None


def _numbers(frame: Any, name: str) -> np.ndarray:
    import narwhals.stable.v2 as nw

    as_other: dict[Any, list[str]] = {nw.Float64: [], nw.UInt8: []}  # columns that NumPy would hold as objects
    missing: dict[str, tuple[int, int]] = {}
    for column, dtype in frame.schema.items():
        if not _is_number(dtype):
            raise _no_number(column, dtype, name)
        if frame[column].null_count():
            missing |= missing_cells(column, frame[column].is_null().to_numpy()).cells
        if dtype.is_decimal() or dtype == nw.Boolean:
            as_other[nw.Float64 if dtype.is_decimal() else nw.UInt8].append(column)
    if missing:
        raise MissingCellsError(missing)
    casts = [nw.col(columns).cast(dtype) for dtype, columns in as_other.items() if columns]
    return _one_dtype(frame.with_columns(*casts).to_numpy())


def _one_dtype(array: np.ndarray) -> np.ndarray:
    """Return numbers that pandas holds as objects, of Arrow's or nullable dtypes, in the dtype of NumPy for them."""
    return np.array(array.tolist()) if array.dtype == object else array


def _is_number(dtype: Any) -> bool:
    import narwhals.stable.v2 as nw

    return dtype.is_numeric() or dtype == nw.Boolean


def _reads_as_numbers(series: Any) -> bool:
    if series.dtype.is_temporal():
        return False
    try:
        np.asarray(series.to_numpy(), np.float64)
    except (TypeError, ValueError):
        return False
    return True


def _no_number(column: str, dtype: Any, name: str) -> DataError:
    return DataError(f"column {column!r} of {name} is of type {dtype}, expected numbers: encode or drop it")
