"""Dense layer in NumPy."""

import numpy as np

from ..activation.reference import DERIVATIVE, FORWARD


def dense_forward(x, w, b, y, z, *, activation="identity", negative_slope=0.01):
    pre_activation = x @ w if b is None else x @ w + b
    if z is not None:
        z[...] = pre_activation
    y[...] = FORWARD[activation](pre_activation, negative_slope)


def dense_backward(
    dy, x, w, saved, dx, dw, db, workspace, *, activation="identity", negative_slope=0.01, accumulate=False
):
    dz = dy * DERIVATIVE[activation](saved, negative_slope)
    if dx is not None:
        dx[...] = dz @ w.T
    if dw is not None:
        dw[...] = x.T @ dz + (dw if accumulate else 0)
    if db is not None:
        db[...] = dz.sum(axis=0, dtype=np.float64) + (db if accumulate else 0)


def matmul(a, b, c, *, transpose_a=False, transpose_b=False):
    c[...] = (a.swapaxes(-1, -2) if transpose_a else a) @ (b.swapaxes(-1, -2) if transpose_b else b)
