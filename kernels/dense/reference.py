"""Dense layer in NumPy."""

import numpy as np

from ..activation.reference import DERIVATIVE, FORWARD
from .rounding import round_factor


def product(a, b, precision):
    """Return a @ b with the factors rounded to a precision."""
    return round_factor(a, precision) @ round_factor(b, precision)


def dense_forward(x, w, b, y, z, workspace, *, activation, negative_slope, precision):
    pre_activation = product(x, w, precision)
    if b is not None:
        pre_activation += b
    if z is not None:
        z[...] = pre_activation
    y[...] = FORWARD[activation](pre_activation, negative_slope)


def dense_backward(dy, x, w, saved, dx, dw, db, workspace, *, activation, negative_slope, accumulate, precision):
    dz = dy * DERIVATIVE[activation](saved, negative_slope)
    if dx is not None:
        dx[...] = product(dz, w.T, precision)
    if dw is not None:
        dw[...] = product(x.T, dz, precision) + (dw if accumulate else 0)
    if db is not None:
        db[...] = dz.sum(axis=0, dtype=np.float64) + (db if accumulate else 0)


def matmul(a, b, c, workspace, *, transpose_a, transpose_b, precision):
    a, b = a.swapaxes(-1, -2) if transpose_a else a, b.swapaxes(-1, -2) if transpose_b else b
    c[...] = product(a, b, precision)
