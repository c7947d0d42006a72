"""Examples and workloads of minibatches."""

from __future__ import annotations

import numpy as np

from ..contract import Example
from . import DATA, INTEGERS, gather, next_rows


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
