"""Sums, extremes and softmax along axes."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from ...errors import ArgumentError
from ..device import Device
from ..operations import operation
from ..tensor import Tensor, on_tape
from .operands import Axis, as_operand, check_axes, math_of, reduced_shape


def _stretch(device: Device, x: Tensor, axes: tuple[int, ...], share: float | None, dy: Any) -> tuple[Any]:
    """Return dy, the gradient of a reduction over axes, times a share, copied to the shape of x."""
    out = device.empty(x.shape, dy.dtype)
    dy = dy if share is None else math_of(device).multiply(dy, share)
    device.run(device.xp.copyto, out, dy.reshape(reduced_shape(x.shape, axes, True)))
    return (out,)


@operation
def sum(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Sum over axes.

    Parameters
    ----------
    x : Tensor or array_like
        The operand.
    axis : int or tuple of int, optional
        The axes; by default all of them.
    keepdims : bool, default False
        Whether the axes stay, with length 1.

    Returns
    -------
    Tensor
        The sums.
    """
    device, x = as_operand(x)
    axes = check_axes(x.ndim, axis)
    out = math_of(device).sum_over(x.data, axes, bool(keepdims))
    return on_tape("sum", out, (x,), partial(_stretch, device, x, axes, None))


@operation
def mean(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Average over axes.

    Parameters
    ----------
    x : Tensor or array_like
        The operand.
    axis : int or tuple of int, optional
        The axes; by default all of them.
    keepdims : bool, default False
        Whether the axes stay, with length 1.

    Returns
    -------
    Tensor
        The means.

    Raises
    ------
    ArgumentError
        If there are no elements to reduce, or an axis does not exist.
    """
    device, x = as_operand(x)
    axes = check_axes(x.ndim, axis)
    count = x.size if len(axes) == x.ndim else math.prod([x.shape[i] for i in axes])
    if count == 0:
        raise ArgumentError(f"mean over no elements: the tensor has shape {x.shape}, expected at least one element")
    share = 1.0 / count
    out = math_of(device).mean(x.data, axes, bool(keepdims), share)
    return on_tape("mean", out, (x,), partial(_stretch, device, x, axes, share))


def _extreme(name: str, x: Tensor, axis: Axis, keepdims: bool) -> Tensor:
    device, x = as_operand(x)
    axes = check_axes(x.ndim, axis)
    m = math_of(device)
    kept = _kept_extreme(device, name, x, axes)

    def backward(dy):
        ties = m.equal(x.data, kept)
        share = m.true_divide(dy.reshape(kept.shape), m.sum_over(m.multiply(ties, dy.dtype.type(1)), axes, True))
        return (m.multiply(share, ties),)

    out = kept if keepdims else kept.reshape(reduced_shape(x.shape, axes, False))
    return on_tape(name, out, (x,), backward, saved=(x,), saves_output=True)


def _kept_extreme(device: Device, name: str, x: Tensor, axes: tuple[int, ...]) -> Any:
    if x.size == 0 and math.prod([x.shape[i] for i in axes]) == 0:
        raise ArgumentError(f"{name} over no elements: the tensor has shape {x.shape}, expected at least one element")
    value = x.data
    kept = device.empty(reduced_shape(value.shape, axes, True), value.dtype)
    if device.xp is np:
        device.run(_EXTREMES[name], value, axis=axes, out=kept)
    else:
        device.run(_reduce_into, getattr(device.xp, name), value, axis=axes, out=kept)
    return kept


# The wrappers np.max and np.min take longer than a small reduction.


def _largest(array: Any, *, axis: tuple[int, ...], out: Any) -> None:
    np.maximum.reduce(array, axis, None, out=out, keepdims=True)


def _smallest(array: Any, *, axis: tuple[int, ...], out: Any) -> None:
    np.minimum.reduce(array, axis, None, out=out, keepdims=True)


_EXTREMES = {"max": _largest, "min": _smallest}
for _name, _function in _EXTREMES.items():
    _function.__name__ = _name  # for profiles


def _reduce_into(reduce: Any, array: Any, *, axis: tuple[int, ...], out: Any) -> None:
    """Copy a reduction to `out`: CuPy 14 takes an `out=` for a dtype where it reduces over all axes."""
    out[...] = reduce(array, axis=axis, keepdims=True)


@operation
def max(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the largest element along axes.

    Parameters
    ----------
    x : Tensor or array_like
        The operand.
    axis : int or tuple of int, optional
        The axes; by default all of them.
    keepdims : bool, default False
        Whether the axes stay, with length 1.

    Returns
    -------
    Tensor
        The largest elements.

    Raises
    ------
    ArgumentError
        If there are no elements to reduce, or an axis does not exist.

    Notes
    -----
    Elements that tie share the gradient evenly.
    """
    return _extreme("max", x, axis, keepdims)


@operation
def min(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the smallest element along axes.

    Parameters
    ----------
    x : Tensor or array_like
        The operand.
    axis : int or tuple of int, optional
        The axes; by default all of them.
    keepdims : bool, default False
        Whether the axes stay, with length 1.

    Returns
    -------
    Tensor
        The smallest elements.

    Raises
    ------
    ArgumentError
        If there are no elements to reduce, or an axis does not exist.

    Notes
    -----
    Elements that tie share the gradient evenly.
    """
    return _extreme("min", x, axis, keepdims)


@operation
def argmax(x: Tensor, axis: int = -1) -> Tensor:
    """Return the index of the largest element along an axis, off the tape.

    Parameters
    ----------
    x : Tensor or array_like
        The operand.
    axis : int, default -1
        The axis.

    Returns
    -------
    Tensor
        Indices of dtype int64; the first of equal elements.

    Raises
    ------
    ArgumentError
        If there are no elements to reduce, or an axis does not exist.
    """
    device, x = as_operand(x)
    (axis,) = check_axes(x.ndim, axis)
    if x.shape[axis] == 0:
        raise ArgumentError(f"argmax over no elements: the tensor has shape {x.shape}, expected at least one element")
    out = device.empty((*x.shape[:axis], *x.shape[axis + 1 :]), np.int64)
    device.run(device.xp.argmax, x.data, axis=axis, out=out)
    return Tensor(out, device)


def _shifted(device: Device, x: Tensor, axis: int) -> Any:
    """Return x less its maximum along an axis, so that e^x does not overflow."""
    return math_of(device).subtract(x.data, _kept_extreme(device, "max", x, check_axes(x.ndim, axis)))


def _in_one_launch(device: Device, value: Any) -> bool:
    """Return whether NumPy computes a softmax in one launch; one per function takes three times as long."""
    return device.xp is np and value.dtype.kind == "f" and value.size > 0


# Looked up once: the time of a small softmax is that of its calls.
_subtract, _exp, _divide, _greatest, _total = np.subtract, np.exp, np.true_divide, np.maximum.reduce, np.add.reduce


def _softmax(array: Any, axes: tuple[int, ...], out: Any) -> None:
    _subtract(array, _greatest(array, axes, keepdims=True), out)
    _exp(out, out)
    _divide(out, _total(out, axes, keepdims=True), out)


def _log_softmax(array: Any, axes: tuple[int, ...], powers: Any, out: Any) -> None:
    _subtract(array, _greatest(array, axes, keepdims=True), out)
    _exp(out, powers)
    _subtract(out, np.log(_total(powers, axes, keepdims=True)), out)


_softmax.__name__, _log_softmax.__name__ = "softmax", "log_softmax"  # for profiles


@operation
def softmax(x: Tensor, axis: int = -1) -> Tensor:
    """Return the softmax along an axis.

    Parameters
    ----------
    x : Tensor or array_like
        The operand.
    axis : int, default -1
        The axis.

    Returns
    -------
    Tensor
        A new tensor of the same shape.

    Notes
    -----
    softmax(x) = e^x / Σ e^x, computed from x less its maximum, so that e^x does not overflow.
    """
    device, x = as_operand(x)
    value = x.data
    if _in_one_launch(device, value):
        axes = check_axes(value.ndim, axis)
        out = device.empty(value.shape, value.dtype)
        device.run(_softmax, value, axes, out)
    else:
        m = math_of(device)
        powers = m.exp(_shifted(device, x, axis))
        out = m.true_divide(powers, m.sum(powers, axis))
    return on_tape("softmax", out, (x,), partial(_softmax_gradient, device, out, axis), saves_output=True)


def _softmax_gradient(device: Device, out: Any, axis: int, dy: Any) -> tuple[Any]:
    m = math_of(device)
    return (m.multiply(out, m.subtract(dy, m.sum(m.multiply(dy, out), axis))),)


@operation
def log_softmax(x: Tensor, axis: int = -1) -> Tensor:
    """Return the logarithm of the softmax along an axis.

    Parameters
    ----------
    x : Tensor or array_like
        The operand.
    axis : int, default -1
        The axis.

    Returns
    -------
    Tensor
        A new tensor of the same shape.

    Notes
    -----
    log_softmax(x) = x − log Σ e^x, accurate where the softmax underflows.
    """
    device, x = as_operand(x)
    m, value = math_of(device), x.data
    if _in_one_launch(device, value):
        axes = check_axes(value.ndim, axis)
        out, powers = device.empty(value.shape, value.dtype), device.empty(value.shape, value.dtype)
        device.run(_log_softmax, value, axes, powers, out)
    else:
        shifted = _shifted(device, x, axis)
        out = m.subtract(shifted, m.log(m.sum(m.exp(shifted), axis)))

    def backward(dy):
        return (m.subtract(dy, m.multiply(m.exp(out), m.sum(dy, axis))),)

    return on_tape("log_softmax", out, (x,), backward, saves_output=True)
