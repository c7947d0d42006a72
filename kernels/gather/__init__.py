"""A minibatch: the next row indices of an epoch's permutation, and those rows of the data, cast and scaled.

Both read what changes from step to step (the cursor, the indices) from device memory, so a recorded step that begins
with next_rows walks through the data set when it is replayed.
"""

from __future__ import annotations

import numpy as np

from ...errors import ArgumentError
from ..contract import FLOATS, INT32, Cost, Example, check_array, check_range, contract

DATA = (np.dtype(np.uint8), INT32, np.dtype(np.float16), *FLOATS)
INTEGERS = (np.dtype(np.uint8), INT32)


@contract("cursor", "rows")
def next_rows(order, cursor, rows):
    """rows[i] = order[(cursor + i) mod n], then cursor ← cursor + batch.

    order (n,) int32, a permutation or any other row indices; cursor (1,) int32, at least 0; rows (batch,) int32.
    Positions past the end wrap, so nothing is read out of bounds; whoever writes a new order sets the cursor to 0.
    On a GPU the block that finishes last moves the cursor.
    """
    check_array("order", order, (None,), INT32)
    check_array("cursor", cursor, (1,), INT32)
    check_array("rows", rows, (None,), INT32)
    if order.shape[0] == 0:
        raise ArgumentError("order is empty, expected at least one row index: pass a data set with rows")


@contract("out")
def gather(data, rows, out, *, scale=1.0):
    """out[i] = scale · data[rows[i]], cast to the dtype of out and then multiplied.

    data (n, …) with any trailing shape, C-contiguous: uint8, int32, float16, float32 or float64; rows (batch,) int32;
    out (batch, …) with the same trailing shape: float32 or float64, or int32 from uint8 or int32 with scale 1 (labels).
    Indices outside 0 … n−1 are the caller's mistake; they are clamped to that range, so nothing is read out of bounds.
    """
    check_array("rows", rows, (None,), INT32)
    check_array("data", data, (None,) * max(1, len(data.shape)), DATA)
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


@next_rows.examples
def _(rng):
    for n, batch, cursor, reason in (
        (1, 1, 0, "one row"),
        (100, 32, 0, "the first minibatch"),
        (100, 32, 64, "in the middle"),
        (100, 4, 96, "the last, smaller minibatch"),
        (100, 32, 90, "past the end: wraps"),
        (5, 12, 3, "a batch longer than the order: wraps twice"),
        (3000, 2048, 500, "many blocks"),
    ):
        arrays = {
            "order": rng.permutation(n).astype(np.int32),
            "cursor": np.array([cursor], np.int32),
            "rows": np.full(batch, -1, np.int32),
        }
        yield Example(reason, arrays, {})


@gather.examples
def _(rng):
    for dtype in DATA:
        for n, batch, trailing, reason in (
            (1, 1, (1,), "one element"),
            (50, 7, (), "no trailing axis"),
            (50, 33, (5,), "rows shorter than a vector of 16 bytes"),
            (40, 16, (28, 28), "images"),
            (9, 20, (3, 1001), "long rows whose start is not aligned, drawn repeatedly"),
        ):
            data = rng.integers(0, 256, (n, *trailing)) if dtype in INTEGERS else rng.normal(size=(n, *trailing))
            arrays = {
                "data": np.asarray(data).astype(dtype),
                "rows": rng.integers(0, n, batch).astype(np.int32),
                "out": np.full((batch, *trailing), np.nan, np.float32),
            }
            yield Example(f"{dtype}, {reason}", arrays, {"scale": 1 / 255 if dtype == np.uint8 else 1.0})
            if dtype in INTEGERS:
                labels = {**arrays, "out": np.full((batch, *trailing), -1, np.int32)}
                yield Example(f"{dtype} as int32, {reason}", labels, {})
    arrays = {
        "data": np.array([[np.nan, np.inf, -np.inf, 6e-8, -6e-5, 6.2e-5, 65504, -0.0, 1]], np.float16),
        "rows": np.zeros(2, np.int32),
        "out": np.full((2, 9), np.nan, np.float32),
    }
    yield Example("NaN, infinite, subnormal and extreme halves", arrays, {"scale": 2.0})
    arrays = {
        "data": rng.normal(size=(4, 3)).astype(np.float32),
        "rows": np.array([-1, 0, 3, 4, 2**31 - 1, -(2**31)], np.int32),
        "out": np.full((6, 3), np.nan, np.float32),
    }
    yield Example("indices outside the data are clamped", arrays, {"scale": -0.5})


@next_rows.workloads
def _(rng):
    for batch in (64, 65536):
        order = rng.permutation(60000).astype(np.int32)
        arrays = {"order": order, "cursor": np.zeros(1, np.int32), "rows": np.zeros(batch, np.int32)}
        yield Example(f"{batch} of 60000", arrays, {})


@gather.workloads
def _(rng):
    for dtype, batch in (("uint8", 64), ("uint8", 512), ("uint8", 32768), ("float32", 64), ("float32", 32768)):
        data = rng.integers(0, 256, (60000, 784), np.uint8).astype(dtype)
        rows = rng.integers(0, len(data), batch).astype(np.int32)
        arrays = {"data": data, "rows": rows, "out": np.zeros((batch, 784), np.float32)}
        yield Example(f"{dtype}, {batch} of 60000 × 784", arrays, {"scale": 1 / 255})


@next_rows.cost
def _(order, cursor, rows):
    return Cost(bytes=2 * rows.nbytes + 2 * cursor.nbytes, operations=rows.size)


@gather.cost
def _(data, rows, out, **_):
    return Cost(bytes=rows.nbytes + out.size * data.dtype.itemsize + out.nbytes, operations=out.size)
