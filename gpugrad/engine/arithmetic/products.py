"""The matrix product of vectors, matrices and stacks of matrices."""

from __future__ import annotations

import math

from ...errors import ArgumentError
from ...kernels.dense import matmul_workspace
from ..operations import operation
from ..precision import product_precision
from ..tensor import Tensor, on_tape
from .operands import Operand, as_operands, broadcast_shapes
from .shapes import broadcast_to, reshape


@operation
def matmul(a: Operand, b: Operand) -> Tensor:
    """a @ b by NumPy's rules: vectors, matrices, and stacks of matrices that broadcast."""
    a, b = as_operands(a, b)[1]
    for operand in (a, b):
        if not isinstance(operand, Tensor) or operand.ndim == 0:
            raise ArgumentError("@ takes tensors with at least one axis: use * to scale by a number")
    row, column = a.ndim == 1, b.ndim == 1
    a = reshape(a, 1, a.size) if row else a
    b = reshape(b, b.size, 1) if column else b
    if a.shape[-1] != b.shape[-2]:
        raise ArgumentError(
            f"cannot multiply shapes {a.shape} @ {b.shape}: the inner sizes {a.shape[-1]} and {b.shape[-2]} differ"
        )
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


def _product(a: Tensor, b: Tensor) -> Tensor:
    device, precision = a.device, product_precision(a.dtype)
    (*stack, m, k), n = a.shape, b.shape[-1]

    def launch(a, b, shape, sizes, **transpose):
        """c = a·b into a new array of this shape; sizes: its (m, k, n)."""
        c = device.empty(shape, a.dtype)
        workspace = device.workspace(matmul_workspace(*sizes, *stack), a.dtype)
        device.run(device.kernels.matmul, a, b, c, workspace, precision=precision, **transpose)
        return c

    out = launch(a.data, b.data, (*stack, m, n), (m, k, n))

    def backward(dy):
        da = launch(dy, b.data, a.shape, (m, n, k), transpose_b=True) if a.requires_grad else None
        db = launch(a.data, dy, b.shape, (k, m, n), transpose_a=True) if b.requires_grad else None
        return da, db

    return on_tape("matmul", out, (a, b), backward, saved=(a, b))
