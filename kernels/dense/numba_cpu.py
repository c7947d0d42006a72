"""Dense layer compiled for the CPU: products by `cpu_product`, and a loop each for activations and sums."""

import numpy as np

from ..activation.numba_cpu import activate, scale_by_derivative
from ..cpu.options import compile_cpu
from ..cpu.program import loops_only
from ..cpu.team import LIGHT, compile_ahead, runs_host_code, spread
from .cpu_product import prepare_product, product
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
    """Multiply; lower precisions, which exist for comparison, multiply rounded copies of the inputs."""
    if precision != "float32":
        runs_host_code()
        a, b = round_factor(a, precision), round_factor(b, precision)
    product(a, b, c, bias, **options)


_compiled_sums = set()  # dtypes


def _compile_sums(db, dz):
    """Compile the sums before a product adds to dw: if they cannot be compiled, nothing has been added yet."""
    if dz.dtype not in _compiled_sums:
        compile_ahead(_column_sums, (db,), dz, True, extras=1)
        _compiled_sums.add(dz.dtype)


@loops_only
def dense_forward(x, w, b, y, z, workspace, *, activation, negative_slope, precision):
    pre_activation = y if z is None else z
    fused = activation == "relu" and z is None
    _rounded_product(x, w, pre_activation, precision, b, relu=fused)
    if not fused:
        activate(pre_activation, y, activation, negative_slope)


def _prepare_forward(x, w, b, y, z, workspace, *, activation, negative_slope, precision):
    if precision != "float32" or z is not None or activation not in ("relu", "identity"):
        return None
    run = prepare_product(x, w, y, relu=activation == "relu")
    return run and (lambda x, w, b, y, z, workspace: run(x, w, y, workspace, b))


dense_forward.prepare = _prepare_forward


@loops_only
def dense_backward(dy, x, w, saved, dx, dw, db, workspace, *, activation, negative_slope, accumulate, precision):
    if accumulate and db is not None and db.size:
        _compile_sums(db, dy)
    dz = dy
    if activation != "identity" and dy.size:
        dz = workspace[: dy.size].reshape(dy.shape)
        scale_by_derivative(dy, saved, dz, activation, negative_slope)
    if dx is not None:
        _rounded_product(dz, w, dx, precision, transpose_b=True)
    if dw is not None:
        _rounded_product(x, dz, dw, precision, transpose_a=True, add=accumulate)
    if db is not None and db.size:
        spread(_column_sums, (db,), dz, accumulate, width=dz.shape[0], speed=LIGHT, extras=1)


@loops_only
def matmul(a, b, c, workspace, *, transpose_a, transpose_b, precision):
    if c.ndim == 2:
        _rounded_product(a, b, c, precision, transpose_a=transpose_a, transpose_b=transpose_b)
        return
    runs_host_code()
    a, b = a.swapaxes(-1, -2) if transpose_a else a, b.swapaxes(-1, -2) if transpose_b else b
    np.matmul(round_factor(a, precision), round_factor(b, precision), out=c)


def _prepare_matmul(a, b, c, workspace, *, precision, **transposed):
    return prepare_product(a, b, c, **transposed) if c.ndim == 2 and precision == "float32" else None


matmul.prepare = _prepare_matmul
