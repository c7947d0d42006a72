"""The same elements in other shapes, orders and dtypes; parts of a tensor, and tensors joined."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ...errors import ArgumentError, GraphError, RecordingError, a_or_an
from ..creation import number_dtype, tensor
from ..operations import operation
from ..tape import ReadOnlyVersion, grad_enabled
from ..tensor import Tensor, common_device, on_tape
from .operands import as_operands, broadcast_shapes, check_axes, sum_to, value_of


@operation
def reshape(x: Tensor, *shape: Any) -> Tensor:
    """Return the same memory in another shape.

    Parameters
    ----------
    x : Tensor
        The tensor.
    *shape : int
        The sizes, one by one or as one tuple; one of them may be −1.

    Returns
    -------
    Tensor
        A view: a change of either one in place changes both.

    Raises
    ------
    ArgumentError
        If the sizes do not fit.
    """
    new = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
    old = x.shape
    try:
        out = x.data.reshape(new)
    except (TypeError, ValueError):
        raise ArgumentError(
            f"cannot reshape a tensor of shape {old} to {new!r}: expected sizes whose product is {x.size}, "
            "one of them may be -1"
        ) from None
    return on_tape("reshape", out, (x,), lambda dy: (dy.reshape(old),), version=x.version)


@operation
def transpose(x: Tensor, *axes: Any) -> Tensor:
    """Put the axes in another order.

    Parameters
    ----------
    x : Tensor
        The tensor.
    *axes : int
        The axes in their new order, one by one or as one tuple; reversed if none is given.

    Returns
    -------
    Tensor
        A contiguous copy.

    Raises
    ------
    ArgumentError
        If the axes are not each axis once.
    """
    device, value = x.device, x.data
    order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
    if not order:  # reversing is its own inverse
        return on_tape("transpose", device.copy(value.T), (x,), lambda dy: (device.copy(dy.T),))
    order = check_axes(value.ndim, tuple(order))
    if sorted(order) != list(range(value.ndim)):
        raise ArgumentError(f"transpose got the axes {order}, expected each of {tuple(range(value.ndim))} once")
    out = device.copy(value.transpose(order))
    return on_tape("transpose", out, (x,), lambda dy: (device.copy(dy.transpose(tuple(np.argsort(order)))),))


@operation
def concatenate(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Join tensors along an existing axis.

    Parameters
    ----------
    tensors : sequence of Tensor
        At least one tensor; their other sizes are equal.
    axis : int, default 0
        The axis.

    Returns
    -------
    Tensor
        The joined tensors, in the widest of their dtypes.

    Raises
    ------
    ArgumentError
        If there are no tensors, or their other sizes differ.
    """
    tensors = _listed("concatenate", tensors)
    if not tensors:
        raise ArgumentError("concatenate got no tensors, expected at least one")
    device = as_operands(*tensors)[0]
    tensors = [t if isinstance(t, Tensor) else tensor(t, device=device) for t in tensors]
    arrays = [t.data for t in tensors]
    dtype = np.result_type(*(a.dtype for a in arrays))
    (axis,) = check_axes(arrays[0].ndim, axis)
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


def stack(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Join tensors of one shape along a new axis.

    Parameters
    ----------
    tensors : sequence of Tensor
        At least one tensor; all have the same shape.
    axis : int, default 0
        The place of the new axis in the result.

    Returns
    -------
    Tensor
        One axis more than each of the tensors, as long as there are tensors.

    Raises
    ------
    ArgumentError
        If there are no tensors, or their shapes differ.
    """
    tensors = _listed("stack", tensors)
    if not tensors:
        raise ArgumentError("stack got no tensors, expected at least one")
    device = as_operands(*tensors)[0]
    tensors = [t if isinstance(t, Tensor) else tensor(t, device=device) for t in tensors]
    shapes = {t.shape: None for t in tensors}
    if len(shapes) > 1:
        raise ArgumentError(
            f"cannot stack the shapes {' and '.join(map(str, shapes))}: expected equal ones, "
            "or use concatenate to join along an existing axis"
        )
    (shape,) = shapes
    (axis,) = check_axes(len(shape) + 1, axis)
    return concatenate([reshape(t, (*shape[:axis], 1, *shape[axis:])) for t in tensors], axis)


def _listed(name: str, tensors: Any) -> list[Any]:
    """Return the tensors to join as a list; a generator passes, one tensor does not."""
    if isinstance(tensors, Tensor | str) or not isinstance(tensors, Iterable):
        raise ArgumentError(f"{name} got {a_or_an(type(tensors))}, expected a list: write gg.{name}([a, b])")
    return list(tensors)


def _assign(out: Any, array: Any, index: Any) -> None:
    out[...] = array[index]


def _scatter(xp: Any, out: Any, index: Any, array: Any) -> None:
    """Put elements back where they came from in `out`, which is 0; add up those that were picked twice."""
    entries = index if isinstance(index, tuple) else (index,)
    if all(entry is None or entry is ... or isinstance(entry, slice | int | np.integer) for entry in entries):
        out[index] = array  # none is picked twice
    else:
        xp.add.at(out, index, array)


def plain_index(index: Any) -> tuple[Any, tuple[Tensor, ...]]:
    """Return an index with arrays instead of its tensors, and those tensors."""
    entries = index if isinstance(index, tuple) else (index,)
    arrays = tuple(map(value_of, entries))
    return arrays if isinstance(index, tuple) else arrays[0], tuple(e for e in entries if isinstance(e, Tensor))


@operation
def getitem(x: Tensor, index: Any) -> Tensor:
    """Copy the elements at an index of NumPy's kinds.

    Parameters
    ----------
    x : Tensor
        The tensor.
    index : index
        Integers, slices, None, ..., arrays or tensors of integers or bool.

    Returns
    -------
    Tensor
        A copy.

    Raises
    ------
    RecordingError
        If a recorded step uses an index of bool, whose result has a shape that depends on values.

    Notes
    -----
    An element that was picked twice gets the sum of both gradients. On a GPU the gradients of an element that an
    integer array picks more than twice are added in no fixed order.
    """
    index, indices = plain_index(index)
    device = common_device(x, *indices)
    for entry in index if isinstance(index, tuple) else (index,):
        if device.thread.recorder is not None and getattr(entry, "dtype", None) == np.bool_:
            raise RecordingError(
                "an index of booleans has a result whose shape depends on values, "
                "which a replay could not follow: use where()"
            )
    out = device.empty(x.data[index].shape, x.dtype)
    device.run(_assign, out, x.data, index)

    def backward(dy):
        dx = device.zeros(x.shape, dy.dtype)
        device.run(_scatter, device.xp, dx, index, dy)
        return (dx,)

    return on_tape("getitem", out, (x,), backward, saved=indices)


@operation
def setitem(x: Tensor, index: Any, value: Any) -> None:
    """Change the elements at an index in place.

    Parameters
    ----------
    x : Tensor
        The tensor.
    index : index
        An index of NumPy's kinds.
    value : Tensor or array_like
        The new values, which broadcast.

    Raises
    ------
    GraphError
        If the tensor or the value requires a gradient, outside of no_grad.
    ArgumentError
        If the memory is read-only.
    """
    if x.requires_grad and grad_enabled():
        raise GraphError("a tensor that requires a gradient cannot be changed in place: do it under no_grad()")
    if isinstance(x.version, ReadOnlyVersion):
        raise ArgumentError("this tensor is in read-only memory of another library: copy it with gg.tensor(t)")
    index, indices = plain_index(index)
    if not isinstance(value, Tensor | bool | int | float):
        value = tensor(value, device=x.device)
    if isinstance(value, Tensor):
        if value.requires_grad and grad_enabled():
            raise GraphError("a value written in place would lose the gradient that it requires: detach() it first")
        indices = (*indices, value)
    common_device(x, *indices)
    x.device.run(x.data.__setitem__, index, value_of(value))
    x.changed_in_place()


@operation
def astype(x: Tensor, dtype: Any) -> Tensor:
    """Copy to another dtype; between float dtypes the gradient passes.

    Parameters
    ----------
    x : Tensor
        The tensor.
    dtype : dtype
        The dtype.

    Returns
    -------
    Tensor
        A copy.

    Raises
    ------
    ArgumentError
        If it is not a dtype of numbers.
    """
    device = x.device
    out = device.empty(x.shape, number_dtype(dtype))
    device.run(device.xp.copyto, out, x.data, casting="unsafe")

    def backward(dy):
        dx = device.empty(x.shape, x.dtype)
        device.run(device.xp.copyto, dx, dy, casting="unsafe")
        return (dx,)

    return on_tape("astype", out, (x,), backward) if out.dtype.kind == "f" else Tensor(out, device)


def broadcast_to(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Copy x, stretched to a shape.

    Parameters
    ----------
    x : Tensor
        The tensor.
    shape : tuple of int
        The shape.

    Returns
    -------
    Tensor
        A copy, or x itself if it has that shape.

    Raises
    ------
    ArgumentError
        If x cannot be stretched to the shape.
    """
    if x.shape == tuple(shape):
        return x
    if broadcast_shapes(x.shape, tuple(shape)) != tuple(shape):
        raise ArgumentError(f"shape {x.shape} cannot be stretched to {tuple(shape)}: only axes of size 1 can be")
    device = x.device
    out = device.empty(shape, x.dtype)
    device.run(device.xp.copyto, out, x.data)
    return on_tape("broadcast_to", out, (x,), lambda dy: (sum_to(device, dy, x.shape),))
