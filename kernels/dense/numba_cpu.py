"""Dense layer on the CPU: the products by the BLAS, everything around them in one compiled loop each."""

import numpy as np

from ..activation.numba_cpu import activate, scale_by_derivative
from ..numba_options import compile_cpu


@compile_cpu
def _add_bias(z, b):
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            z[i, j] += b[j]


@compile_cpu
def _column_sums(dz, db, accumulate):
    if not accumulate:
        db[:] = 0
    for i in range(dz.shape[0]):
        for j in range(dz.shape[1]):
            db[j] += dz[i, j]


@compile_cpu
def _add(total, term):
    for i in range(total.size):
        total[i] += term[i]


def dense_forward(x, w, b, y, z, *, activation="identity", negative_slope=0.01):
    pre_activation = y if z is None else z
    np.matmul(x, w, out=pre_activation)
    if b is not None:
        _add_bias(pre_activation, b)
    activate(pre_activation, y, activation, negative_slope)


def dense_backward(
    dy, x, w, saved, dx, dw, db, workspace, *, activation="identity", negative_slope=0.01, accumulate=False
):
    dz = dy
    if activation != "identity":
        dz = workspace
        scale_by_derivative(dy, saved, dz, activation, negative_slope)
    if dx is not None:
        np.matmul(dz, w.T, out=dx)
    if dw is not None:
        if accumulate:  # the one case with a temporary: np.matmul cannot add to its output
            _add(dw.reshape(-1), (x.T @ dz).reshape(-1))
        else:
            np.matmul(x.T, dz, out=dw)
    if db is not None:
        _column_sums(dz, db, accumulate)


def matmul(a, b, c, *, transpose_a=False, transpose_b=False):
    np.matmul(a.swapaxes(-1, -2) if transpose_a else a, b.swapaxes(-1, -2) if transpose_b else b, out=c)
