"""Tensors from numbers, lists and arrays of any library; tensors of zeros, ones and random numbers."""

from __future__ import annotations

import math
import operator
from numbers import Real
from typing import Any

import numpy as np

from ..errors import ArgumentError, GpugradError, a_or_an
from .device import Device
from .device import device as get_device
from .interop import array_from_gpu, gpu_of
from .random import host_generator
from .tensor import Tensor


def tensor(data: Any, dtype: Any = None, *, requires_grad: bool = False, device: str | Device | None = None) -> Tensor:
    """Make a tensor from numbers, nested lists or an array of any library; the values are copied.

    `gg.from_dlpack` makes no copy.

    Parameters
    ----------
    data : array_like or Tensor
        Real numbers.
    dtype : dtype, optional
        By default an array keeps its own, and Python floats become float32.
    requires_grad : bool, default False
        Whether the tape computes a gradient of the tensor.
    device : str or Device, optional
        By default the device of a tensor, the GPU of an array on a GPU, and otherwise "auto", the same device as that
        of layers and trainers.

    Returns
    -------
    Tensor
        A leaf of the tape.

    Raises
    ------
    GraphError
        If an integer tensor is to require a gradient.
    ArgumentError
        If the data are not real numbers, or are rows of different lengths.
    """
    if isinstance(data, Tensor):
        target = get_device(device or data.device)
        array = data.data if target is data.device else data.numpy()
    elif (gpu := gpu_of(data)) is not None:
        target = get_device(device or f"cuda:{gpu}")
        array = array_from_gpu(data, gpu, target)
    else:
        target = get_device(device or "auto")
        array = _host_array(data)
    if dtype is None and array.dtype == np.float64 and not hasattr(data, "dtype"):
        dtype = np.float32
    if array.dtype.kind not in "biuf":
        raise ArgumentError(f"a tensor was made from data of dtype {array.dtype}, expected numbers: convert them first")
    return Tensor(target.upload(array, None if dtype is None else number_dtype(dtype)), target, requires_grad)


def zeros(*shape: Any, dtype: Any = np.float32, device: str | Device = "auto", requires_grad: bool = False) -> Tensor:
    """Make a tensor of zeros.

    Parameters
    ----------
    *shape : int
        The sizes, one by one or as one tuple.
    dtype : dtype, default float32
        The dtype.
    device : str or Device, default "auto"
        The device.
    requires_grad : bool, default False
        Whether the tape computes a gradient of the tensor.

    Returns
    -------
    Tensor
        A leaf of the tape.
    """
    return _filled(shape, 0, dtype, device, requires_grad)


def ones(*shape: Any, dtype: Any = np.float32, device: str | Device = "auto", requires_grad: bool = False) -> Tensor:
    """Make a tensor of ones.

    Parameters
    ----------
    *shape : int
        The sizes, one by one or as one tuple.
    dtype : dtype, default float32
        The dtype.
    device : str or Device, default "auto"
        The device.
    requires_grad : bool, default False
        Whether the tape computes a gradient of the tensor.

    Returns
    -------
    Tensor
        A leaf of the tape.
    """
    return _filled(shape, 1, dtype, device, requires_grad)


def full(
    shape: Any, value: float, *, dtype: Any = np.float32, device: str | Device = "auto", requires_grad: bool = False
) -> Tensor:
    """Make a tensor with the same value everywhere.

    Parameters
    ----------
    shape : int or tuple of int
        The sizes.
    value : float
        The value.
    dtype : dtype, default float32
        The dtype.
    device : str or Device, default "auto"
        The device.
    requires_grad : bool, default False
        Whether the tape computes a gradient of the tensor.

    Returns
    -------
    Tensor
        A leaf of the tape.
    """
    return _filled((shape,), value, dtype, device, requires_grad)


def zeros_like(x: Tensor) -> Tensor:
    """Make a tensor of zeros with the shape, dtype and device of another.

    Parameters
    ----------
    x : Tensor
        The other tensor.

    Returns
    -------
    Tensor
        A leaf of the tape.
    """
    return _filled((x.shape,), 0, x.dtype, x.device, False)


def ones_like(x: Tensor) -> Tensor:
    """Make a tensor of ones with the shape, dtype and device of another.

    Parameters
    ----------
    x : Tensor
        The other tensor.

    Returns
    -------
    Tensor
        A leaf of the tape.
    """
    return _filled((x.shape,), 1, x.dtype, x.device, False)


def arange(
    start: float,
    stop: float | None = None,
    step: float = 1,
    *,
    dtype: Any = None,
    device: str | Device = "auto",
    requires_grad: bool = False,
) -> Tensor:
    """Make a tensor of evenly spaced numbers.

    Parameters
    ----------
    start : float
        The first number; with this argument alone, the numbers run from 0 and this is their end.
    stop : float, optional
        The end, which is not included.
    step : float, default 1
        The distance between two numbers, not 0.
    dtype : dtype, optional
        By default int64 for integers and float32 otherwise.
    device : str or Device, default "auto"
        The device.
    requires_grad : bool, default False
        Whether the tape computes a gradient of the tensor.

    Returns
    -------
    Tensor
        A leaf of the tape with one axis.

    Raises
    ------
    ArgumentError
        If a number is not finite, or the step is 0.
    """
    start, stop = (0, start) if stop is None else (start, stop)
    for name, value in (("start", start), ("stop", stop), ("step", step)):
        if not isinstance(value, Real) or not math.isfinite(value) or (name == "step" and value == 0):
            raise ArgumentError(f"{name} is {value!r}, expected a finite number{', not 0' * (name == 'step')}")
    array = np.arange(start, stop, step)
    if dtype is None:
        dtype = np.int64 if array.dtype.kind in "iu" else np.float32
    return tensor(array, dtype, requires_grad=requires_grad, device=device)


def randn(*shape: Any, dtype: Any = np.float32, device: str | Device = "auto", requires_grad: bool = False) -> Tensor:
    """Draw a tensor from the standard normal distribution.

    Parameters
    ----------
    *shape : int
        The sizes, one by one or as one tuple.
    dtype : {float32, float64}, default float32
        The dtype.
    device : str or Device, default "auto"
        The device. The numbers are the same on every device.
    requires_grad : bool, default False
        Whether the tape computes a gradient of the tensor.

    Returns
    -------
    Tensor
        A leaf of the tape.

    Raises
    ------
    ArgumentError
        If the dtype is not float32 or float64.
    RecordingError
        If it is called in a recorded step: each replay would repeat the same numbers.

    Notes
    -----
    The numbers come from the generator that `gg.manual_seed` seeds.
    """
    kind = number_dtype(dtype)
    if kind not in (np.float32, np.float64):
        raise ArgumentError(f"dtype is {kind}, expected float32 or float64: convert the tensor with astype")
    target = get_device(device)
    array = target.upload(host_generator().standard_normal(_sizes(shape), kind.type))
    return Tensor(array, target, requires_grad)


def _filled(shape: tuple, value: float, dtype: Any, device: str | Device, requires_grad: bool) -> Tensor:
    """Make a tensor of this value everywhere."""
    target = get_device(device)
    sizes, kind = _sizes(shape), number_dtype(dtype)
    try:
        array = target.full(sizes, value, kind)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"a tensor cannot be filled with {value!r} ({error}): pass a number") from None
    return Tensor(array, target, requires_grad)


def number_dtype(dtype: Any) -> np.dtype:
    """Return a dtype of numbers; raise ArgumentError for anything else."""
    try:
        kind = np.dtype(dtype)
    except TypeError:
        kind = np.dtype(object)
    if kind.kind not in "biuf":
        raise ArgumentError(f"dtype is {dtype!r}, expected a dtype of numbers such as 'float32' or np.int64")
    return kind


def _sizes(shape: tuple) -> tuple[int, ...]:
    """Return a shape that was given as integers or as one sequence of them."""
    given = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape
    try:
        sizes = tuple(map(operator.index, given))
    except TypeError:
        sizes = (-1,)
    if min(sizes, default=0) < 0:
        raise ArgumentError(f"the shape is {given!r}, expected integers of at least 0, such as (2, 3)")
    return sizes


def _host_array(data: Any) -> np.ndarray:
    """Return numbers, nested lists or an array of any library as a NumPy array."""
    try:
        return np.asarray(data)
    except GpugradError:
        raise
    except (RuntimeError, TypeError) as error:  # raised by an array library, such as PyTorch if a gradient is required
        raise ArgumentError(f"a tensor cannot be made from {a_or_an(type(data))}: {str(error).rstrip('.')}") from error
    except ValueError:
        raise ArgumentError("a tensor was made from rows of different lengths, expected equal ones: pad them") from None
