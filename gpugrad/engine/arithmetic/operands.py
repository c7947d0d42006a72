"""What the operations share: their operands on one device, axes and shapes, the array library behind the device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import ArgumentError
from ..creation import tensor
from ..device import Device
from ..device import device as get_device
from ..tensor import Tensor, common_device

Operand = Any  # a Tensor, a number, a NumPy array or a nested list
Axis = int | tuple[int, ...] | None


class ArrayMath:
    """`m.multiply(x, y)`: a function of the array library, launched through the device into a new array."""

    def __init__(self, device: Device) -> None:
        self._device = device

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = getattr(self._device.xp, name)
        return lambda *arrays: self._device.call(function, *arrays)

    def sum(self, array: Any, axis: Axis) -> Any:
        """The sum over some axes, which stay with length 1."""
        axes = check_axes(array.ndim, axis)
        # Booleans and small integers are counted in 64 bits, as NumPy does.
        dtype = array.dtype if array.dtype.kind == "f" else np.sum(np.empty(0, array.dtype)).dtype
        out = self._device.empty(keepdims_shape(array.shape, axes), dtype)
        self._device.run(self._device.xp.sum, array, axis=axes, keepdims=True, out=out)
        return out

    def where(self, condition: Any, x: Any, y: Any) -> Any:
        shape = broadcast_shapes(condition.shape, np.shape(x), np.shape(y))
        out = self._device.empty(shape, np.result_type(*(getattr(operand, "dtype", operand) for operand in (x, y))))
        self._device.run(self._device.xp.copyto, out, y)
        self._device.run(self._device.xp.copyto, out, x, where=condition)
        return out


def check_axes(ndim: int, axis: Axis) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(ndim))
    try:
        return np.lib.array_utils.normalize_axis_tuple(axis, ndim)
    except ValueError:
        raise ArgumentError(
            f"axis is {axis} for a tensor with {ndim} axes: expected different integers from {-ndim} to {ndim - 1}"
        ) from None


def broadcast_shapes(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise ArgumentError(
            f"the shapes {' and '.join(map(str, shapes))} do not broadcast: expected sizes that are equal or 1, "
            "counted from the last axis"
        ) from None


def sum_to(device: Device, array: Any, shape: tuple[int, ...]) -> Any:
    """Undo broadcasting: sum a gradient over the axes that were stretched."""
    if array.shape == shape:
        return array
    lead = array.ndim - len(shape)
    stretched = tuple(i for i, n in enumerate(array.shape) if i < lead or shape[i - lead] == 1 != n)
    return ArrayMath(device).sum(array, stretched).reshape(shape)


def as_operands(*operands: Operand) -> tuple[Device, list[Any]]:
    """The common device, and the operands as tensors; Python numbers stay what they are."""
    tensors = [operand for operand in operands if isinstance(operand, Tensor)]
    device = common_device(*tensors) if tensors else get_device("cpu")
    return device, [
        operand if isinstance(operand, Tensor | bool | int | float) else tensor(operand, device=device)
        for operand in operands
    ]


def as_operand(x: Operand) -> tuple[Device, Tensor]:
    """The device, and the operand as a tensor, numbers too."""
    device, (x,) = as_operands(x)
    return device, x if isinstance(x, Tensor) else tensor(x, device=device)


def value_of(operand: Any) -> Any:
    return operand.data if isinstance(operand, Tensor) else operand


def keepdims_shape(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape after a reduction over these axes that keeps them with length 1."""
    return tuple(1 if i in axes else n for i, n in enumerate(shape))
