"""Minibatches: the next row indices of an epoch's permutation, and these rows of the data, cast and scaled.

Both launchers read the values that change from step to step (the cursor, the indices) from device memory, so a recorded
step that begins with next_rows walks through the data set when it is replayed.
"""

from __future__ import annotations

import numpy as np

from ...errors import ArgumentError
from ..contract import FLOATS, INT32, Cost, check_array, check_range, contract

DATA = (np.dtype(np.uint8), INT32, np.dtype(np.float16), *FLOATS)
INTEGERS = (np.dtype(np.uint8), INT32)


@contract("cursor", "rows")
def next_rows(order, cursor, rows):
    """Copy the next row indices and move the cursor.

    Parameters
    ----------
    order : array, (n,), int32
        Row indices, usually a permutation; at least one.
    cursor : array, (1,), int32
        Position in `order`, at least 0; moved by the batch size. Code that writes a new order sets it to 0.
    rows : array, (batch,), int32
        The next row indices, overwritten.

    Raises
    ------
    ArgumentError
        For another shape or dtype, or an empty order.

    Notes
    -----
    rows[i] = order[(cursor + i) mod n], then cursor ← cursor + batch. Positions past the end wrap, so nothing is read
    out of bounds. On a GPU the block that finishes last moves the cursor.
    """
    check_array("order", order, (None,), INT32)
    check_array("cursor", cursor, (1,), INT32)
    check_array("rows", rows, (None,), INT32)
    if order.shape[0] == 0:
        raise ArgumentError("order is empty, expected at least one row index: pass a data set with rows")


@contract("out")
def gather(data, rows, out, *, scale=1.0):
    """Gather rows of the data: out[i] = scale · data[rows[i]], cast to the dtype of `out` and then multiplied.

    Parameters
    ----------
    data : array, (n, …), uint8, int32, float16, float32 or float64
        Data set with any trailing shape, at least one row.
    rows : array, (batch,), int32
        Row indices. An index outside [0, n) is the caller's mistake; it is clamped, so nothing is read out of bounds.
    out : array, (batch, …), float32 or float64, or int32
        The minibatch, overwritten. int32 only from uint8 or int32 data with scale 1, for labels.
    scale : float, default 1.0
        Factor, finite in float32.

    Raises
    ------
    ArgumentError
        For another shape or dtype, data without rows, or a scale out of range.
    """
    check_array("rows", rows, (None,), INT32)
    check_array("data", data, (None,) * max(1, len(getattr(data, "shape", ()))), DATA)
    if data.shape[0] == 0:
        raise ArgumentError("data has no rows, expected at least one: pass a data set with rows")
    check_array("out", out, (rows.shape[0], *data.shape[1:]), (*FLOATS, INT32))
    limit = float(np.finfo(np.float32).max)
    check_range("scale", scale, -limit, limit)
    if out.dtype == INT32 and (data.dtype not in INTEGERS or scale != 1):
        raise ArgumentError(
            f"out has dtype int32 with data of {data.dtype} and scale {scale}, expected integers and scale 1: "
            "use a float32 out"
        )


@next_rows.cost
def _(order, cursor, rows):
    return Cost(bytes=2 * rows.nbytes + 2 * cursor.nbytes, operations=rows.size)


@gather.cost
def _(data, rows, out, **_):
    return Cost(bytes=rows.nbytes + out.size * data.dtype.itemsize + out.nbytes, operations=out.size)
