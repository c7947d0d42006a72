"""How tensors are made from numbers, lists and arrays of any library."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError, GpugradError
from .device import Device
from .device import device as get_device
from .interop import array_from_gpu, gpu_of
from .tensor import Tensor


def tensor(data: Any, dtype: Any = None, *, requires_grad: bool = False, device: str | Device | None = None) -> Tensor:
    """Make a tensor from numbers, nested lists or an array of any library; the values are copied.

    dtype: None keeps an array's own dtype, and makes float32 of Python floats. device: None is that of a tensor, the
    GPU of an array on a GPU, which is copied there, and else "cpu". `gg.from_dlpack` makes no copy.

    Raises GraphError if an integer tensor is to require a gradient, ArgumentError for data that are not real numbers
    or rows of different lengths.
    """
    if isinstance(data, Tensor):
        target = get_device(device or data.device)
        array = data.data if target is data.device else data.numpy()
    elif (gpu := gpu_of(data)) is not None:
        target = get_device(device or f"cuda:{gpu}")
        array = array_from_gpu(data, gpu, target)
    else:
        target = get_device(device or "cpu")
        array = _host_array(data)
    if dtype is None and array.dtype == np.float64 and not hasattr(data, "dtype"):
        dtype = np.float32
    if array.dtype.kind not in "biuf":
        raise ArgumentError(f"a tensor was made of data of dtype {array.dtype}, expected numbers: convert them first")
    return Tensor(target.upload(array, dtype), target, requires_grad)


def _host_array(data: Any) -> np.ndarray:
    try:
        return np.asarray(data)
    except GpugradError:
        raise
    except (RuntimeError, TypeError) as error:  # of an array library, such as PyTorch's where a gradient is required
        raise ArgumentError(f"a tensor cannot be made of a {type(data).__name__}: {str(error).rstrip('.')}") from error
    except ValueError:
        raise ArgumentError("a tensor was made of rows of different lengths, expected equal ones: pad them") from None
