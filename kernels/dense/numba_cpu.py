"""Dense layer compiled for the CPU: its products by `cpu_product`, one loop for everything around them."""

import numpy as np

from ..activation.numba_cpu import activate, scale_by_derivative
from ..cpu.options import compile_cpu
from ..cpu.program import loops_only
from ..cpu.team import LIGHT, at_once, spread
from .cpu_product import product
from .rounding import round_factor


@compile_cpu
def _column_sums(db, start, dz, accumulate):
    if not accumulate:
        db[:] = 0
    for i in range(dz.shape[0]):
        row = dz[i, start : start + db.size]
        for j in range(db.size):
            db[j] += row[j]


def _rounded_product(a, b, c, precision, bias=None, **options):
    """The lower precisions, which are here to be compared with, make rounded copies of the factors."""
    if precision != "float32":
        at_once()
        a, b = round_factor(a, precision), round_factor(b, precision)
    product(a, b, c, bias, **options)


@loops_only
def dense_forward(x, w, b, y, z, workspace, *, activation, negative_slope, precision):
    pre_activation = y if z is None else z
    fused = activation == "relu" and z is None
    _rounded_product(x, w, pre_activation, precision, b, relu=fused)
    if not fused:
        activate(pre_activation, y, activation, negative_slope)


@loops_only
def dense_backward(dy, x, w, saved, dx, dw, db, workspace, *, activation, negative_slope, accumulate, precision):
    dz = dy
    if activation != "identity" and dy.size:
        dz = workspace[: dy.size].reshape(dy.shape)
        scale_by_derivative(dy, saved, dz, activation, negative_slope)
    if dx is not None:
        _rounded_product(dz, w, dx, precision, transpose_b=True)
    if dw is not None:
        _rounded_product(x, dz, dw, precision, transpose_a=True, add=accumulate)
    if db is not None and db.size:
        spread(_column_sums, (db,), dz, accumulate, width=dz.shape[0], speed=LIGHT, tell=1)


@loops_only
def matmul(a, b, c, workspace, *, transpose_a, transpose_b, precision):
    if c.ndim == 2:
        _rounded_product(a, b, c, precision, transpose_a=transpose_a, transpose_b=transpose_b)
        return
    at_once()
    a, b = a.swapaxes(-1, -2) if transpose_a else a, b.swapaxes(-1, -2) if transpose_b else b
    np.matmul(round_factor(a, precision), round_factor(b, precision), out=c)
