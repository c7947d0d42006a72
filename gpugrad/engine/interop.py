"""Arrays of other libraries as tensors, in the same memory: DLPack, and `__cuda_array_interface__` on a GPU.

The methods of those names of `Tensor` lead the other way.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError, DeviceError, GpugradError, RecordingError
from .device import Device
from .device import device as get_device
from .tape import ReadOnlyVersion
from .tensor import Tensor

# DLPack's numbers for memory of the host (ordinary, pinned) and of a GPU (ordinary, managed).
HOST, GPU = (1, 3), (2, 13)

SHARED = tuple(map(np.dtype, ("float32", "float64")))


def from_dlpack(x: Any, device: str | Device | None = None) -> Tensor:
    """Make a tensor in the memory of an array of another library: both sides read what either writes.

    Parameters
    ----------
    x : array
        Anything with `__dlpack__`, such as an array of NumPy, CuPy, PyTorch or JAX; float32 or float64,
        C-contiguous.
    device : str or Device, optional
        A device of that memory. By default "cuda:N" for GPU N and the CPU for the host, or the device that "auto"
        means if its arrays are on the host.

    Returns
    -------
    Tensor
        A leaf of the tape; read-only if the memory is, as JAX's is.

    Raises
    ------
    ArgumentError
        If the memory cannot be shared.
    DeviceError
        If x is not on the device.
    RecordingError
        In a recorded step.

    Notes
    -----
    On a GPU the device waits for the work that computes x. Later work is not ordered: synchronize one library before
    using the array from the other, and before releasing either array. The tape does not see what the other library
    writes.
    """
    if not hasattr(x, "__dlpack__"):
        raise ArgumentError(
            f"from_dlpack got a {_name(x)}, expected an array with __dlpack__: copy other data with gg.tensor"
        )
    kind, index = map(int, x.__dlpack_device__())
    if kind not in HOST + GPU:
        raise DeviceError(f"a {_name(x)} is on a device of DLPack type {kind}, expected a CPU or a CUDA GPU: move it")
    place = "cpu" if kind in HOST else f"cuda:{index}"
    if device is None:
        automatic = get_device()
        device = automatic if place == "cpu" and automatic.kind != "cuda" else place
    target = get_device(device)
    if place != (target.name if target.kind == "cuda" else "cpu"):  # an emulator, too, is in memory of the host
        raise DeviceError(
            f"a {_name(x)} is on {place}, and {target} cannot share its memory: copy it with gg.tensor(x, device=…)"
        )
    if target.thread.recorder is not None:
        raise RecordingError(
            "an array of another library was imported inside a recorded step, and a replay would not do so again: "
            "import it before the step"
        )
    array = _shared_on_gpu(x, target) if target.kind == "cuda" else _shared(x, np)
    if array.dtype not in SHARED:
        raise ArgumentError(
            f"a {_name(x)} has dtype {array.dtype}, expected float32 or float64: convert it, or copy it with gg.tensor"
        )
    if not array.flags.c_contiguous:
        raise ArgumentError(
            f"a {_name(x)} has shape {array.shape} and strides {array.strides}, expected C-contiguous memory: "
            "make it contiguous, or copy it with gg.tensor"
        )
    return Tensor(array, target, version=ReadOnlyVersion() if _read_only(x, array) else None)


def gpu_of(x: Any) -> int | None:
    """Return the number of the GPU that an array of any library is on.

    Parameters
    ----------
    x : object
        The array, or anything else.

    Returns
    -------
    int or None
        None for an array of the host, and for other objects.
    """
    if hasattr(x, "__dlpack_device__"):
        kind, index = map(int, x.__dlpack_device__())
        return index if kind in GPU else None
    if hasattr(x, "__cuda_array_interface__"):
        import cupy

        return cupy.cuda.runtime.pointerGetAttributes(x.__cuda_array_interface__["data"][0]).device
    return None


def array_from_gpu(x: Any, index: int, target: Device) -> Any:
    """Return an array on a GPU as something to upload.

    Parameters
    ----------
    x : array
        The array.
    index : int
        The number of its GPU.
    target : Device
        The device that will copy it.

    Returns
    -------
    array
        CuPy's, in the same memory, for a device of that GPU; otherwise a copy on the host.
    """
    import cupy

    if target.name == f"cuda:{index}":
        return _shared_on_gpu(x, target)
    with cupy.cuda.Device(index):
        return cupy.asnumpy(_shared(x, cupy))


def _shared_on_gpu(x: Any, target: Any) -> Any:
    """Return CuPy's array in the memory of x; the device's stream waits for the work that computes x."""
    target.wait_for_caller()
    with target.current():
        return _shared(x, target.xp)


def _shared(x: Any, xp: Any) -> Any:
    """Return an array of NumPy or CuPy in the memory of x; CuPy's current stream waits for the stream that x names."""
    try:
        return xp.from_dlpack(x) if hasattr(x, "__dlpack__") else xp.asarray(x)
    except GpugradError:
        raise
    except (BufferError, RuntimeError, TypeError, ValueError) as error:  # each library has its own for a refusal
        words = f"a {_name(x)} of dtype {getattr(x, 'dtype', 'unknown')}"
        raise ArgumentError(f"{words} cannot be shared ({str(error).rstrip('.')}") from error


def _read_only(x: Any, array: Any) -> bool:
    if isinstance(array, np.ndarray):
        return not array.flags.writeable
    # CuPy has no such flag, and DLPack's is lost on the way through it.
    return hasattr(x, "__cuda_array_interface__") and x.__cuda_array_interface__["data"][1]


def _name(x: Any) -> str:
    return f"{type(x).__module__.partition('.')[0]} {type(x).__name__}".removeprefix("builtins ")
