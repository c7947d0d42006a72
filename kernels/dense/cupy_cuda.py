"""Launchers of dense.cu: a variant per product, one template instance per tile, precision and activation."""

import functools

import numpy as np

from ...errors import DeviceError
from ..cuda.grids import THREADS
from ..cuda.source import Source
from .variants import Product, choose_variant, tuned_choice

SOURCE = Source(__file__, "dense.cu")
COLUMNS = 32  # columns per block of dense_backward_b


def dense_forward(x, w, b, y, z, workspace, *, activation, negative_slope, precision):
    _check_tensor_cores(precision, x)
    (batch, n_in), n_out, slope = x.shape, w.shape[1], np.float32(negative_slope)
    if y.size == 0:
        return
    variant = _variant(x, workspace, "dense_forward", precision, batch, n_out, n_in)
    split = variant.splits > 1
    product = _product(variant, precision, "IDENTITY" if split else activation.upper())
    outputs = (None, workspace, None) if split else (b, y, z)
    sizes = _int32(batch, n_in, n_out, variant.part)
    blocks = _blocks(variant, batch, n_out)
    stride = np.int64(batch * n_out)
    SOURCE.launch(f"dense_forward{product}", blocks, 2 * variant.tile, x, w, *outputs, *sizes, stride, slope)
    if split:
        options = *_int32(variant.splits, n_out), stride, slope
        kernel = f"dense_forward_end<{activation.upper()}>"
        SOURCE.launch(kernel, -(-y.size // THREADS), THREADS, workspace, b, y, z, *options)


def dense_backward(dy, x, w, saved, dx, dw, db, workspace, *, activation, negative_slope, accumulate, precision):
    _check_tensor_cores(precision, dy)
    (batch, n_in), n_out, slope = x.shape, w.shape[1], np.float32(negative_slope)
    add, kind = np.int32(accumulate), activation.upper()
    if dx is not None and dx.size:
        variant = _variant(dy, workspace, "dense_backward_x", precision, batch, n_in, n_out)
        split = variant.splits > 1
        kernel = f"dense_backward_x{_product(variant, precision, kind)}"
        options = *_int32(batch, n_in, n_out, variant.part), np.int64(dx.size), slope
        arrays = dy, saved, w, workspace if split else dx
        SOURCE.launch(kernel, _blocks(variant, batch, n_in), 2 * variant.tile, *arrays, *options)
        if split:
            _add_parts(workspace, dx, None, variant, dx.size, np.int32(0))
    if dw is not None and dw.size:
        variant = _variant(dy, workspace, "dense_backward_w", precision, n_in, n_out, batch)
        split = variant.splits > 1
        stride = dw.size + n_out  # elements per part: the sums of dw, then those of db
        kernel = f"dense_backward_w{_product(variant, precision, kind)}"
        targets = (dw, db, add)
        if split:
            targets = (workspace, None if db is None else workspace[dw.size :], np.int32(0))
        options = *_int32(batch, n_in, n_out, variant.part), np.int64(stride), slope, targets[2]
        SOURCE.launch(
            kernel, _blocks(variant, n_in, n_out), 2 * variant.tile, dy, saved, x, targets[0], targets[1], *options
        )
        if split:
            _add_parts(workspace, dw, db, variant, stride, add)
    elif db is not None and db.size:
        options = *_int32(batch, n_out), slope, add
        SOURCE.launch(f"dense_backward_b<{kind}>", -(-n_out // COLUMNS), THREADS, dy, saved, db, *options)


def matmul(a, b, c, workspace, *, transpose_a, transpose_b, precision):
    _check_tensor_cores(precision, a)
    if c.size == 0:
        return
    m, n = c.shape[-2:]
    k, entries = a.shape[-2 if transpose_a else -1], c.size // (m * n)
    variant = _variant(a, workspace, "matmul", precision, m, n, k, entries)
    split = variant.splits > 1
    kernel = f"matmul{_product(variant, precision, _bool(transpose_a), _bool(transpose_b))}"
    options = *_int32(m, k, n, variant.part), np.int64(c.size)
    arrays = a, b, workspace if split else c
    SOURCE.launch(kernel, _blocks(variant, m, n, entries), 2 * variant.tile, *arrays, *options)
    if split:
        _add_parts(workspace, c, None, variant, c.size, np.int32(0))


def _variant(array, workspace, kernel, precision, *sizes):
    return choose_variant(*sizes, tuned=tuned_choice(Product(kernel, precision, *sizes), array, workspace))


def _add_parts(workspace, out, db, variant, stride, accumulate):
    sizes = np.int32(variant.splits), np.int64(out.size), np.int64(stride)
    SOURCE.launch("add_parts", -(-stride // THREADS), THREADS, workspace, out, db, *sizes, accumulate)


def _product(variant, precision, *arguments):
    """Return the template arguments of an instance: its tile, its precision, and `arguments`."""
    return f"<{', '.join((str(variant.tile), precision.upper(), *arguments))}>"


def _blocks(variant, rows, columns, entries=1):
    tile = variant.tile
    return -(-rows // tile) * -(-columns // tile) * entries, variant.splits


def _int32(*sizes):
    return tuple(map(np.int32, sizes))


def _bool(value):
    return "true" if value else "false"


def _check_tensor_cores(precision, array):
    if precision != "float32" and not isinstance(array, np.ndarray) and _capability(array.device.id) < 80:
        raise DeviceError(f"the precision {precision} needs tensor cores, which GPUs have from sm_80 on: use float32")


@functools.cache
def _capability(index):
    import cupy

    return int(cupy.cuda.Device(index).compute_capability)
