"""The matrix product of vectors, matrices and stacks of matrices."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from ...errors import ArgumentError
from ...kernels.dense import matmul_workspace
from ..device import Device
from ..operations import operation
from ..precision import product_precision
from ..tensor import Tensor, on_tape
from .operands import Operand, as_operands, broadcast_shapes
from .shapes import broadcast_to, reshape


@operation
def matmul(a: Operand, b: Operand) -> Tensor:
    """Return a @ b by NumPy's rules.

    Parameters
    ----------
    a, b : Tensor or array_like
        Vectors, matrices, or stacks of matrices that broadcast.

    Returns
    -------
    Tensor
        The product.

    Raises
    ------
    ArgumentError
        If an operand has no axes, or the inner sizes differ.
    """
    if isinstance(a, Tensor) and isinstance(b, Tensor) and a.device is b.device and a.data.ndim == b.data.ndim == 2:
        return _product(a, b)
    a, b = as_operands(a, b)[1]
    for operand in (a, b):
        if not isinstance(operand, Tensor) or operand.ndim == 0:
            raise ArgumentError("@ takes tensors with at least one axis: use * to scale by a number")
    row, column = a.ndim == 1, b.ndim == 1
    a = reshape(a, 1, a.size) if row else a
    b = reshape(b, b.size, 1) if column else b
    _check_inner(a.shape, b.shape)
    if b.ndim == 2:  # one matrix for the whole stack: a single, taller product
        out = _product(reshape(a, math.prod(a.shape[:-1]), a.shape[-1]), b)
        out = reshape(out, *a.shape[:-1], b.shape[-1])
    else:
        lead = broadcast_shapes(a.shape[:-2], b.shape[:-2])
        a, b = broadcast_to(a, (*lead, *a.shape[-2:])), broadcast_to(b, (*lead, *b.shape[-2:]))
        stack = math.prod(lead)
        out = _product(reshape(a, stack, *a.shape[-2:]), reshape(b, stack, *b.shape[-2:]))
        out = reshape(out, *lead, a.shape[-2], b.shape[-1])
    if row:
        out = reshape(out, *out.shape[:-2], out.shape[-1])
    return reshape(out, out.shape[:-1]) if column else out


def _check_inner(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    if a[-1] != b[-2]:
        raise ArgumentError(f"cannot multiply shapes {a} @ {b}: the inner sizes {a[-1]} and {b[-2]} differ")


def _product(a: Tensor, b: Tensor) -> Tensor:
    device, value_a, value_b = a.device, a.data, b.data
    shape_a, shape_b = value_a.shape, value_b.shape
    _check_inner(shape_a, shape_b)
    m, k, n = shape_a[-2], shape_a[-1], shape_b[-1]
    precision = product_precision(value_a.dtype)
    shape = (*shape_a[:-1], n)
    out = _multiply(device, value_a, value_b, shape, (m, k, n), precision)
    return on_tape("matmul", out, (a, b), partial(_gradients, device, a, b, value_a, value_b, precision), (a, b))


def _gradients(
    device: Device, a: Tensor, b: Tensor, value_a: Any, value_b: Any, precision: str, dy: Any
) -> tuple[Any, Any]:
    (m, k), n = value_a.shape[-2:], value_b.shape[-1]
    da = db = None
    if a.requires_grad:
        da = _multiply(device, dy, value_b, value_a.shape, (m, n, k), precision, transpose_b=True)
    if b.requires_grad:
        db = _multiply(device, value_a, dy, value_b.shape, (k, m, n), precision, transpose_a=True)
    return da, db


def _multiply(
    device: Device,
    a: Any,
    b: Any,
    shape: tuple[int, ...],
    sizes: tuple[int, int, int],
    precision: str,
    transpose_a: bool = False,
    transpose_b: bool = False,
) -> Any:
    """Return a·b in a new array of this shape; sizes: m, k and n of each product."""
    dtype = a.dtype
    c = device.empty(shape, dtype)
    options = {"transpose_a": transpose_a, "transpose_b": transpose_b, "precision": precision}
    key = device.kernels.matmul, a.shape, a.strides, b.shape, b.strides, dtype, b.dtype, *options.values()
    device.run_known(key, a, b, c, partial(_scratch, device, sizes, shape, dtype), **options)
    return c


def _scratch(device: Device, sizes: tuple[int, int, int], shape: tuple[int, ...], dtype: Any) -> Any:
    size = matmul_workspace(*sizes) if len(shape) == 2 else matmul_workspace(*sizes, *shape[:-2])
    return device.workspace(size, dtype)
