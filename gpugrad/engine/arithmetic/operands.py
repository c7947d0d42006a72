"""Helpers of the operations: operands on one device, axes and shapes, the array library behind the device."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...errors import ArgumentError, a_or_an
from ..creation import tensor
from ..device import Device, broadcast_shapes
from ..device import device as get_device
from ..tensor import Tensor, common_device

Operand = Any  # a Tensor, a number, a NumPy array or a nested list
Axis = int | tuple[int, ...] | None
NUMBERS = (bool, int, float)


class ArrayMath:
    """`m.multiply(x, y)`: a function of the array library, launched through the device into a new array."""

    def __init__(self, device: Device) -> None:
        self._device = device

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = functools.partial(self._device.call, getattr(self._device.xp, name))
        setattr(self, name, function)  # found at once the next time
        return function

    def sum(self, array: Any, axis: Axis, keepdims: bool = True) -> Any:
        """Sum over some axes."""
        return self.sum_over(array, check_axes(array.ndim, axis), keepdims)

    def sum_over(self, array: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
        """Sum over axes from 0, which exist."""
        # NumPy counts booleans and small integers in 64 bits.
        dtype = array.dtype if array.dtype.kind == "f" else np.sum(np.empty(0, array.dtype)).dtype
        if self._device.xp is np:
            out = self._device.empty(reduced_shape(array.shape, axes, keepdims), dtype)
            self._device.run(_add_up, array, axis=axes, keepdims=keepdims, out=out)
            return out
        # CuPy 14 takes an `out=` for a dtype where it reduces over all axes and drops them.
        out = self._device.empty(reduced_shape(array.shape, axes, True), dtype)
        self._device.run(self._device.xp.sum, array, axis=axes, keepdims=True, out=out)
        return out.reshape(reduced_shape(array.shape, axes, keepdims))

    def mean(self, array: Any, axes: tuple[int, ...], keepdims: bool, share: float) -> Any:
        """Sum over some axes, times the share of an element; NumPy does both in one launch."""
        if self._device.xp is not np or array.dtype.kind != "f":
            return self.multiply(self.sum_over(array, axes, keepdims), share)
        out = self._device.empty(reduced_shape(array.shape, axes, keepdims), array.dtype)
        self._device.run(_average, array, axis=axes, keepdims=keepdims, share=share, out=out)
        return out

    def where(self, condition: Any, x: Any, y: Any) -> Any:
        """Choose x where the condition is true, else y."""
        shape = broadcast_shapes(condition.shape, np.shape(x), np.shape(y))
        out = self._device.empty(shape, np.result_type(*(getattr(operand, "dtype", operand) for operand in (x, y))))
        self._device.run(self._device.xp.copyto, out, y)
        self._device.run(self._device.xp.copyto, out, x, where=condition)
        return out


def _add_up(array: Any, *, axis: tuple[int, ...], keepdims: bool, out: Any) -> None:
    # The wrapper np.sum takes longer than a small sum.
    np.add.reduce(array, axis, None, out=out, keepdims=keepdims)


def _average(array: Any, *, axis: tuple[int, ...], keepdims: bool, share: float, out: Any) -> None:
    np.add.reduce(array, axis, None, out=out, keepdims=keepdims)
    np.multiply(out, share, out=out)


_add_up.__name__, _average.__name__ = "sum", "mean"  # for profiles


@functools.cache
def math_of(device: Device) -> Any:
    """Return the functions of a device's array library, one `ArrayMath` per device."""
    return ArrayMath(device)


def check_axes(ndim: int, axis: Axis) -> tuple[int, ...]:
    """Return the axes as numbers from 0, all of them for None; raise ArgumentError for one that does not exist."""
    if axis is None:
        return tuple(range(ndim))
    if type(axis) is int and -ndim <= axis < ndim:
        return (axis % ndim,)
    try:
        return np.lib.array_utils.normalize_axis_tuple(axis, ndim)
    except (ValueError, TypeError):
        shown = repr(axis) if isinstance(axis, str) else a_or_an(type(axis)) if np.ndim(axis) > 1 else axis
        raise ArgumentError(
            f"axis is {shown} for a tensor with {ndim} axes: expected different integers from {-ndim} to {ndim - 1}"
        ) from None


def sum_to(device: Device, array: Any, shape: tuple[int, ...]) -> Any:
    """Undo broadcasting: sum a gradient over the stretched axes."""
    if array.shape == shape:
        return array
    lead = array.ndim - len(shape)
    stretched = tuple(i for i, n in enumerate(array.shape) if i < lead or shape[i - lead] == 1 != n)
    return math_of(device).sum(array, stretched).reshape(shape)


def as_operands(*operands: Operand) -> tuple[Device, Sequence[Any]]:
    """Return the common device, and the operands as tensors; Python numbers are returned unchanged."""
    device, ready = None, True
    for operand in operands:
        if isinstance(operand, Tensor):
            if device is None:
                device = operand.device
            elif operand.device is not device:
                common_device(*(other for other in operands if isinstance(other, Tensor)))
        elif not isinstance(operand, NUMBERS):
            ready = False
    device = device or get_device()
    if ready:
        return device, operands
    return device, [
        operand if isinstance(operand, (Tensor, *NUMBERS)) else tensor(operand, device=device) for operand in operands
    ]


def as_operand(x: Operand) -> tuple[Device, Tensor]:
    """Return the device, and the operand as a tensor, numbers too."""
    if isinstance(x, Tensor):
        return x.device, x
    x = tensor(x)
    return x.device, x


def value_of(operand: Any) -> Any:
    """Return the array of a tensor; return anything else unchanged."""
    return operand.data if isinstance(operand, Tensor) else operand


def reduced_shape(shape: tuple[int, ...], axes: tuple[int, ...], keepdims: bool) -> tuple[int, ...]:
    """Return the shape after a reduction over these axes, which stay with length 1 if `keepdims`."""
    if len(axes) == len(shape):
        return (1,) * len(shape) if keepdims else ()
    if keepdims:
        return tuple([1 if i in axes else n for i, n in enumerate(shape)])
    return tuple([n for i, n in enumerate(shape) if i not in axes])
