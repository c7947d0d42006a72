"""Dense layer on the CPU: the products by the BLAS, everything around them in one compiled loop each."""

import numpy as np

from ..activation.numba_cpu import activate, scale_by_derivative
from ..numba_options import compile_cpu
from .rounding import round_factor


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


def _product(a, b, precision, out):
    """out = a·b. The lower precisions, which are here to be compared with, make rounded copies of the factors."""
    np.matmul(round_factor(a, precision), round_factor(b, precision), out=out)


def dense_forward(x, w, b, y, z, workspace, *, activation="identity", negative_slope=0.01, precision="float32"):
    pre_activation = y if z is None else z
    _product(x, w, precision, pre_activation)
    if b is not None:
        _add_bias(pre_activation, b)
    activate(pre_activation, y, activation, negative_slope)


def dense_backward(
    dy,
    x,
    w,
    saved,
    dx,
    dw,
    db,
    workspace,
    *,
    activation="identity",
    negative_slope=0.01,
    accumulate=False,
    precision="float32",
):
    dz = dy
    if activation != "identity" and dy.size:
        dz = workspace[: dy.size].reshape(dy.shape)
        scale_by_derivative(dy, saved, dz, activation, negative_slope)
    if dx is not None:
        _product(dz, w.T, precision, dx)
    if dw is not None:
        if accumulate:  # np.matmul cannot add to its output: a temporary
            term = np.empty_like(dw)
            _product(x.T, dz, precision, term)
            _add(dw.reshape(-1), term.reshape(-1))
        else:
            _product(x.T, dz, precision, dw)
    if db is not None:
        _column_sums(dz, db, accumulate)


def matmul(a, b, c, workspace, *, transpose_a=False, transpose_b=False, precision="float32"):
    a, b = a.swapaxes(-1, -2) if transpose_a else a, b.swapaxes(-1, -2) if transpose_b else b
    _product(a, b, precision, c)
