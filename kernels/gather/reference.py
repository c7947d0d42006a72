"""Minibatches in NumPy."""

import numpy as np


def next_rows(order, cursor, rows):
    rows[...] = order[(np.arange(rows.size) + int(cursor[0])) % order.size]
    cursor += rows.dtype.type(rows.size)


# A number too large for `out` becomes infinite and NaN stays NaN without a warning, as in every toolchain.
@np.errstate(over="ignore", invalid="ignore")
def gather(data, rows, out, *, scale):
    out[...] = data[np.clip(rows, 0, data.shape[0] - 1)]
    out *= out.dtype.type(scale)
