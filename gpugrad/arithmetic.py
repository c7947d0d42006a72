"""The tape's own operations: arithmetic, reductions and shapes, through the array library. Gradients: the chain rule.

Each function takes tensors, and where it says so numbers, NumPy arrays or nested lists; results broadcast as in NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .device import Device
from .device import device as get_device
from .errors import ArgumentError, RecordingError
from .tensor import Tensor, common_device, on_tape, tensor

Operand = Any  # a Tensor, a number, a NumPy array or a nested list
Axis = int | tuple[int, ...] | None


class _Math:
    """`m.multiply(x, y)`: a function of the array library, launched through the device into a new array."""

    def __init__(self, device: Device) -> None:
        self._device = device

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = getattr(self._device.xp, name)
        return lambda *arrays: self._device.call(function, *arrays)

    def sum(self, array: Any, axis: Axis) -> Any:
        """The sum over some axes, which stay with length 1."""
        axes = _axes(array.ndim, axis)
        # Booleans and small integers are counted in 64 bits, as NumPy does.
        dtype = array.dtype if array.dtype.kind == "f" else np.sum(np.empty(0, array.dtype)).dtype
        out = self._device.empty(_keepdims(array.shape, axes), dtype)
        self._device.run(self._device.xp.sum, array, axis=axes, keepdims=True, out=out)
        return out

    def where(self, condition: Any, x: Any, y: Any) -> Any:
        shape = _broadcast(condition.shape, np.shape(x), np.shape(y))
        out = self._device.empty(shape, np.result_type(*(getattr(operand, "dtype", operand) for operand in (x, y))))
        self._device.run(self._device.xp.copyto, out, y)
        self._device.run(self._device.xp.copyto, out, x, where=condition)
        return out


def _axes(ndim: int, axis: Axis) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(ndim))
    try:
        return np.lib.array_utils.normalize_axis_tuple(axis, ndim)
    except ValueError:
        raise ArgumentError(
            f"axis is {axis} for a tensor with {ndim} axes: expected different integers from {-ndim} to {ndim - 1}"
        ) from None


def _broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise ArgumentError(
            f"the shapes {' and '.join(map(str, shapes))} do not broadcast: expected sizes that are equal or 1, "
            "counted from the last axis"
        ) from None


def _sum_to(device: Device, array: Any, shape: tuple[int, ...]) -> Any:
    """Undo broadcasting: sum a gradient over the axes that were stretched."""
    if array.shape == shape:
        return array
    lead = array.ndim - len(shape)
    stretched = tuple(i for i, n in enumerate(array.shape) if i < lead or shape[i - lead] == 1 != n)
    return _Math(device).sum(array, stretched).reshape(shape)


def _operands(*operands: Operand) -> tuple[Device, list[Any]]:
    """The common device, and the operands as tensors; Python numbers stay what they are."""
    tensors = [operand for operand in operands if isinstance(operand, Tensor)]
    device = common_device(*tensors) if tensors else get_device("cpu")
    return device, [
        operand if isinstance(operand, Tensor | bool | int | float) else tensor(operand, device=device)
        for operand in operands
    ]


def _operand(x: Operand) -> tuple[Device, Tensor]:
    """The device, and the operand as a tensor, numbers too."""
    device, (x,) = _operands(x)
    return device, x if isinstance(x, Tensor) else tensor(x, device=device)


def _value(operand: Any) -> Any:
    return operand.data if isinstance(operand, Tensor) else operand


# ---- elementwise ----


def _elementwise(
    name: str, *given: Operand, gradients: Sequence[Callable[..., Any] | None], linear: bool = False
) -> Tensor:
    """Launch the array library's function of this name; gradients: for each operand (m, dy, *operands, out) to its own.

    linear: the gradients read neither the operands nor the result.
    """
    device, operands = _operands(*given)
    if not any(isinstance(operand, Tensor) for operand in operands):
        operands = [tensor(operands[0]), *operands[1:]]
    values = [_value(operand) for operand in operands]
    _broadcast(*map(np.shape, values))
    out = device.call(getattr(device.xp, name), *values)
    m = _Math(device)
    parents = tuple(operand for operand in operands if isinstance(operand, Tensor))

    def backward(dy):
        return [
            _sum_to(device, gradient(m, dy, *values, out), operand.shape) if operand.requires_grad else None
            for operand, gradient in zip(operands, gradients, strict=True)
            if isinstance(operand, Tensor) and gradient is not None
        ]

    if None in gradients:  # a comparison: not differentiable
        return Tensor(out, device)
    return on_tape(name, out, parents, backward, saved=() if linear else parents, saves_output=not linear)


def add(a: Operand, b: Operand) -> Tensor:
    gradients = (lambda m, dy, a, b, y: dy, lambda m, dy, a, b, y: dy)
    return _elementwise("add", a, b, gradients=gradients, linear=True)


def subtract(a: Operand, b: Operand) -> Tensor:
    gradients = (lambda m, dy, a, b, y: dy, lambda m, dy, a, b, y: m.negative(dy))
    return _elementwise("subtract", a, b, gradients=gradients, linear=True)


def multiply(a: Operand, b: Operand) -> Tensor:
    return _elementwise(
        "multiply",
        a,
        b,
        gradients=(lambda m, dy, a, b, y: m.multiply(dy, b), lambda m, dy, a, b, y: m.multiply(dy, a)),
    )


def divide(a: Operand, b: Operand) -> Tensor:
    return _elementwise(
        "true_divide",
        a,
        b,
        gradients=(
            lambda m, dy, a, b, y: m.true_divide(dy, b),
            lambda m, dy, a, b, y: m.negative(m.true_divide(m.multiply(dy, y), b)),
        ),
    )


def power(a: Operand, b: Operand) -> Tensor:
    """a to the power b. An exponent of 0 gives its base no gradient, a base of 0 its exponent none."""

    def gradient_base(m, dy, a, b, y):
        if isinstance(b, int | float):
            return m.multiply(dy, m.multiply(b, m.power(a, b - 1))) if b != 0 else m.multiply(dy, 0)
        # b is made 1 where it is 0, so that 0·0^−1 does not turn into NaN.
        zero = m.equal(b, 0)
        return m.multiply(dy, m.multiply(b, m.power(a, m.subtract(m.where(zero, 1, b), 1))))

    def gradient_exponent(m, dy, a, b, y):
        if isinstance(a, int | float):
            return m.multiply(dy, m.multiply(y, float(np.log(a or 1))))
        return m.multiply(dy, m.multiply(y, m.log(m.where(m.equal(a, 0), 1, a))))

    return _elementwise("power", a, b, gradients=(gradient_base, gradient_exponent))


def _larger(m, dy, a, b, y):
    """The share of dy that goes to a where y was taken from a; a tie is shared."""
    return m.multiply(m.add(m.multiply(dy, m.equal(a, y)), m.multiply(dy, m.not_equal(b, y))), 0.5)


def maximum(a: Operand, b: Operand) -> Tensor:
    """The larger of two; where they are equal each gets half of the gradient."""
    return _elementwise("maximum", a, b, gradients=(_larger, lambda m, dy, a, b, y: _larger(m, dy, b, a, y)))


def minimum(a: Operand, b: Operand) -> Tensor:
    """The smaller of two; where they are equal each gets half of the gradient."""
    return _elementwise("minimum", a, b, gradients=(_larger, lambda m, dy, a, b, y: _larger(m, dy, b, a, y)))


def _unary(name: str, gradient: Callable[..., Any], linear: bool = False) -> Callable[[Operand], Tensor]:
    def function(x: Operand) -> Tensor:
        return _elementwise(name, x, gradients=(gradient,), linear=linear)

    function.__name__ = name
    function.__doc__ = f"Elementwise {name}."
    return function


negative = _unary("negative", lambda m, dy, x, y: m.negative(dy), linear=True)
exp = _unary("exp", lambda m, dy, x, y: m.multiply(dy, y))
log = _unary("log", lambda m, dy, x, y: m.true_divide(dy, x))
sqrt = _unary("sqrt", lambda m, dy, x, y: m.true_divide(dy, m.multiply(2, y)))
abs = _unary("absolute", lambda m, dy, x, y: m.multiply(dy, m.sign(x)))
sin = _unary("sin", lambda m, dy, x, y: m.multiply(dy, m.cos(x)))
cos = _unary("cos", lambda m, dy, x, y: m.negative(m.multiply(dy, m.sin(x))))


def compare(name: str, a: Operand, b: Operand) -> Tensor:
    """A comparison of the array library, such as "less": a tensor of bool, off the tape."""
    return _elementwise(name, a, b, gradients=(None, None))


def clip(x: Operand, low: float | None = None, high: float | None = None) -> Tensor:
    """x limited to [low, high]; the gradient is 0 outside and passes at the limits."""
    if low is None and high is None:
        raise ArgumentError("clip needs low, high or both: give at least one limit")
    device, x = _operand(x)
    m = _Math(device)
    out = x.data if low is None else m.maximum(x.data, low)
    out = out if high is None else m.minimum(out, high)

    def backward(dy):
        if low is not None:
            dy = m.multiply(dy, m.greater_equal(x.data, low))
        return (dy if high is None else m.multiply(dy, m.less_equal(x.data, high)),)

    return on_tape("clip", out, (x,), backward, saved=(x,))


def where(condition: Operand, a: Operand, b: Operand) -> Tensor:
    """a where the condition holds (is true, or not 0), else b."""
    device, (condition, a, b) = _operands(condition, a, b)
    if not isinstance(condition, Tensor):
        condition = tensor(condition, device=device)
    if not any(isinstance(operand, Tensor) for operand in (a, b)):
        a = tensor(a, device=device)
    m = _Math(device)
    chosen = condition.data if condition.dtype == np.bool_ else m.not_equal(condition.data, 0)
    out = m.where(chosen, _value(a), _value(b))
    parents = tuple(operand for operand in (a, b) if isinstance(operand, Tensor))

    def backward(dy):
        shares = ((a, dy, 0), (b, 0, dy))
        return [
            _sum_to(device, m.where(chosen, here, there), operand.shape) if operand.requires_grad else None
            for operand, here, there in shares
            if isinstance(operand, Tensor)
        ]

    return on_tape("where", out, parents, backward, saved=(condition,))


# ---- reductions ----


def _keepdims(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def _result(x: Tensor, out: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    return out if keepdims else out.reshape(tuple(n for i, n in enumerate(x.shape) if i not in axes))


def _stretch(device: Device, dy: Any, x: Tensor, axes: tuple[int, ...]) -> Any:
    out = device.empty(x.shape, dy.dtype)
    device.run(device.xp.copyto, out, dy.reshape(_keepdims(x.shape, axes)))
    return out


def sum(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The sum over some axes, or over all."""
    device, x = _operand(x)
    axes = _axes(x.ndim, axis)
    out = _result(x, _Math(device).sum(x.data, axes), axes, keepdims)
    return on_tape("sum", out, (x,), lambda dy: (_stretch(device, dy, x, axes),))


def mean(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The mean over some axes, or over all."""
    _, x = _operand(x)
    count = math.prod(x.shape[i] for i in _axes(x.ndim, axis))
    if count == 0:
        raise ArgumentError(f"mean over no elements: the tensor has shape {x.shape}, expected at least one element")
    return multiply(sum(x, axis, keepdims), 1.0 / count)


def _extreme(name: str, x: Tensor, axis: Axis, keepdims: bool) -> Tensor:
    device, x = _operand(x)
    axes = _axes(x.ndim, axis)
    m = _Math(device)
    kept = _kept_extreme(device, name, x, axes)

    def backward(dy):
        ties = m.equal(x.data, kept)
        share = m.true_divide(dy.reshape(kept.shape), m.sum(m.multiply(ties, dy.dtype.type(1)), axes))
        return (m.multiply(share, ties),)

    out = _result(x, kept, axes, keepdims)
    return on_tape(name, out, (x,), backward, saved=(x,), saves_output=True)


def _kept_extreme(device: Device, name: str, x: Tensor, axes: tuple[int, ...]) -> Any:
    if math.prod(x.shape[i] for i in axes) == 0:
        raise ArgumentError(f"{name} over no elements: the tensor has shape {x.shape}, expected at least one element")
    kept = device.empty(_keepdims(x.shape, axes), x.dtype)
    device.run(getattr(device.xp, name), x.data, axis=axes, keepdims=True, out=kept)
    return kept


def max(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The largest element over some axes, or over all; elements that tie share the gradient evenly."""
    return _extreme("max", x, axis, keepdims)


def min(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The smallest element over some axes, or over all; elements that tie share the gradient evenly."""
    return _extreme("min", x, axis, keepdims)


def argmax(x: Tensor, axis: int = -1) -> Tensor:
    """The index of the largest element along an axis, the first one of equals; off the tape."""
    device, x = _operand(x)
    (axis,) = _axes(x.ndim, axis)
    if x.shape[axis] == 0:
        raise ArgumentError(f"argmax over no elements: the tensor has shape {x.shape}, expected at least one element")
    out = device.empty((*x.shape[:axis], *x.shape[axis + 1 :]), np.int64)
    device.run(device.xp.argmax, x.data, axis=axis, out=out)
    return Tensor(out, device)


def _shifted(device: Device, x: Tensor, axis: int) -> tuple[_Math, Any]:
    """x less its maximum along an axis, so that exp does not overflow."""
    m = _Math(device)
    return m, m.subtract(x.data, _kept_extreme(device, "max", x, _axes(x.ndim, axis)))


def softmax(x: Tensor, axis: int = -1) -> Tensor:
    """e^x divided by its sum along an axis."""
    device, x = _operand(x)
    m, shifted = _shifted(device, x, axis)
    powers = m.exp(shifted)
    out = m.true_divide(powers, m.sum(powers, axis))

    def backward(dy):
        return (m.multiply(out, m.subtract(dy, m.sum(m.multiply(dy, out), axis))),)

    return on_tape("softmax", out, (x,), backward, saves_output=True)


def log_softmax(x: Tensor, axis: int = -1) -> Tensor:
    """The logarithm of softmax, accurate where softmax underflows."""
    device, x = _operand(x)
    m, shifted = _shifted(device, x, axis)
    out = m.subtract(shifted, m.log(m.sum(m.exp(shifted), axis)))

    def backward(dy):
        return (m.subtract(dy, m.multiply(m.exp(out), m.sum(dy, axis))),)

    return on_tape("log_softmax", out, (x,), backward, saves_output=True)


# ---- shapes ----


def reshape(x: Tensor, *shape: Any) -> Tensor:
    """The same memory in another shape; one size may be −1."""
    new = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
    old = x.shape
    try:
        out = x.data.reshape(new)
    except ValueError:
        raise ArgumentError(
            f"cannot reshape a tensor of shape {old} to {new}: expected sizes whose product is {x.size}, "
            "one of them may be -1"
        ) from None
    return on_tape("reshape", out, (x,), lambda dy: (dy.reshape(old),), version=x.version)


def transpose(x: Tensor, *axes: Any) -> Tensor:
    """The axes in another order, reversed if none is given; the result is contiguous."""
    order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
    order = _axes(x.ndim, tuple(order)) if order else tuple(reversed(range(x.ndim)))
    if sorted(order) != list(range(x.ndim)):
        raise ArgumentError(f"transpose got the axes {order}, expected each of {tuple(range(x.ndim))} once")
    back = tuple(np.argsort(order))
    out = x.device.copy(x.data.transpose(order))
    return on_tape("transpose", out, (x,), lambda dy: (x.device.copy(dy.transpose(back)),))


def concatenate(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Join tensors along an axis that exists; their other sizes and dtypes are the same."""
    if not tensors:
        raise ArgumentError("concatenate got no tensors, expected at least one")
    device = _operands(*tensors)[0]
    tensors = [t if isinstance(t, Tensor) else tensor(t, device=device) for t in tensors]
    arrays = [t.data for t in tensors]
    dtype = np.result_type(*(a.dtype for a in arrays))
    (axis,) = _axes(arrays[0].ndim, axis)
    sizes = [a.shape[axis] for a in arrays]
    shape = (*arrays[0].shape[:axis], int(np.sum(sizes)), *arrays[0].shape[axis + 1 :])
    for array in arrays:
        if (*array.shape[:axis], *array.shape[axis + 1 :]) != (*shape[:axis], *shape[axis + 1 :]):
            raise ArgumentError(
                f"cannot concatenate shapes {[a.shape for a in arrays]} along axis {axis}: "
                "their other sizes must be equal"
            )
    out = device.empty(shape, dtype)
    device.run(device.xp.concatenate, arrays, axis=axis, out=out)
    ends = np.cumsum(sizes)

    def backward(dy):
        lead = (slice(None),) * axis
        return [device.copy(dy[(*lead, slice(end - size, end))]) for end, size in zip(ends, sizes, strict=True)]

    return on_tape("concatenate", out, tuple(tensors), backward)


def _assign(out: Any, array: Any, index: Any) -> None:
    out[...] = array[index]


def _scatter_add(xp: Any, out: Any, index: Any, array: Any) -> None:
    xp.add.at(out, index, array)


def plain_index(index: Any) -> tuple[Any, tuple[Tensor, ...]]:
    """An index with arrays in place of its tensors, and those tensors."""
    entries = index if isinstance(index, tuple) else (index,)
    arrays = tuple(map(_value, entries))
    return arrays if isinstance(index, tuple) else arrays[0], tuple(e for e in entries if isinstance(e, Tensor))


def getitem(x: Tensor, index: Any) -> Tensor:
    """The elements at an index of NumPy's kinds, as a copy. Elements picked twice get both gradients."""
    index, indices = plain_index(index)
    device = common_device(x, *indices)
    for entry in index if isinstance(index, tuple) else (index,):
        if device.recorder is not None and getattr(entry, "dtype", None) == np.bool_:
            raise RecordingError(
                "an index of booleans gives a result whose shape depends on values, "
                "which a replay could not follow: use where()"
            )
    out = device.empty(x.data[index].shape, x.dtype)
    device.run(_assign, out, x.data, index)

    def backward(dy):
        dx = device.zeros(x.shape, dy.dtype)
        device.run(_scatter_add, device.xp, dx, index, dy)
        return (dx,)

    return on_tape("getitem", out, (x,), backward, saved=indices)


def astype(x: Tensor, dtype: Any) -> Tensor:
    """A copy in another dtype; between float dtypes the gradient passes."""
    device = x.device
    out = device.empty(x.shape, dtype)
    device.run(device.xp.copyto, out, x.data, casting="unsafe")

    def backward(dy):
        dx = device.empty(x.shape, x.dtype)
        device.run(device.xp.copyto, dx, dy, casting="unsafe")
        return (dx,)

    return on_tape("astype", out, (x,), backward) if out.dtype.kind == "f" else Tensor(out, device)


# ---- products ----


def matmul(a: Operand, b: Operand) -> Tensor:
    """a @ b by NumPy's rules: vectors, matrices, and stacks of matrices that broadcast."""
    a, b = _operands(a, b)[1]
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
        lead = _broadcast(a.shape[:-2], b.shape[:-2])
        a, b = broadcast_to(a, (*lead, *a.shape[-2:])), broadcast_to(b, (*lead, *b.shape[-2:]))
        stack = math.prod(lead)
        out = _product(reshape(a, stack, *a.shape[-2:]), reshape(b, stack, *b.shape[-2:]))
        out = reshape(out, *lead, a.shape[-2], b.shape[-1])
    if row:
        out = reshape(out, *out.shape[:-2], out.shape[-1])
    return reshape(out, out.shape[:-1]) if column else out


def broadcast_to(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A copy of x stretched to a shape."""
    if x.shape == tuple(shape):
        return x
    if _broadcast(x.shape, tuple(shape)) != tuple(shape):
        raise ArgumentError(f"shape {x.shape} cannot be stretched to {tuple(shape)}: only axes of size 1 can be")
    device = x.device
    out = device.empty(shape, x.dtype)
    device.run(device.xp.copyto, out, x.data)
    return on_tape("broadcast_to", out, (x,), lambda dy: (_sum_to(device, dy, x.shape),))


def _product(a: Tensor, b: Tensor) -> Tensor:
    device = a.device
    out = device.empty((*a.shape[:-1], b.shape[-1]), a.dtype)
    matmul_kernel = device.kernels.matmul
    device.run(matmul_kernel, a.data, b.data, out)

    def backward(dy):
        da = db = None
        if a.requires_grad:
            da = device.empty(a.shape, a.dtype)
            device.run(matmul_kernel, dy, b.data, da, transpose_b=True)
        if b.requires_grad:
            db = device.empty(b.shape, b.dtype)
            device.run(matmul_kernel, a.data, dy, db, transpose_a=True)
        return da, db

    return on_tape("matmul", out, (a, b), backward, saved=(a, b))
