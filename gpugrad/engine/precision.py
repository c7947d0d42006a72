"""The precision of matrix products: how their factors are rounded before they are multiplied."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np

from ..errors import ArgumentError, DeviceError
from ..kernels.dense import check_precision, variants
from .device import TOOLCHAINS, Device

TENSOR_CORES = 80  # lowest compute capability (sm_80) whose tensor cores multiply TF32 and bfloat16

_precision = contextvars.ContextVar("precision", default="float32")


@contextlib.contextmanager
def precision(name: str) -> Iterator[None]:
    """Multiply in this precision within the block, in dense layers and `@`.

    A backward pass uses the precision of its forward pass.

    Parameters
    ----------
    name : {"float32", "tf32", "bfloat16"}
        The precision.

    Yields
    ------
    None
        The block.

    Raises
    ------
    ArgumentError
        If the name is unknown; also if float64 tensors are multiplied at a lower precision.

    Notes
    -----
    The factors are rounded, to 10 bits of mantissa in "tf32" and to 7 in "bfloat16"; products are added up and stored
    in float32. On a GPU the lower two run on its tensor cores (Ampere and later). The CPU rounds in the same way and is
    not faster for it.
    """
    check_precision(name)
    token = _precision.set(name)
    try:
        yield
    finally:
        _precision.reset(token)


def check_precision_for(name: str, device: Device, dtype: np.dtype | type = np.float32) -> None:
    """Refuse a precision in which a device cannot multiply this dtype, before any product is launched.

    Parameters
    ----------
    name : str
        The precision.
    device : Device
        The device.
    dtype : dtype, default float32
        The dtype of the factors.

    Raises
    ------
    ArgumentError
        If the name is unknown, or the dtype is float64 and the precision below float32.
    DeviceError
        If the toolchain multiplies in float32 only, or the GPU's tensor cores lack the precision.
    """
    check_precision(name)
    if name == "float32":
        return
    _check_dtype(name, dtype)
    if TOOLCHAINS[device.kind][device.toolchain] == "numba_cuda":
        raise DeviceError(
            f"the precision is {name}, and the Numba CUDA kernels of {device} multiply in float32 only: "
            "use float32, or the toolchain 'cupy'"
        )
    if device.kind == "cuda" and _capability(device) < TENSOR_CORES:
        raise DeviceError(
            f"the precision is {name}, which needs sm_{TENSOR_CORES} or later, and {device.name} is "
            f"sm_{_capability(device)}: use float32"
        )


def product_precision(dtype: np.dtype) -> str:
    """Return the precision of a product that is launched now.

    Parameters
    ----------
    dtype : dtype
        The dtype of the factors.

    Returns
    -------
    str
        The precision.
    """
    name = _precision.get()
    if name != "float32":
        _check_dtype(name, dtype)
    return name


def _check_dtype(name: str, dtype: np.dtype | type) -> None:
    if dtype == np.float64:
        raise ArgumentError(f"the precision is {name} and the tensors are float64: convert them, or use float32")


def _capability(device: Any) -> int:
    return int(device.xp.cuda.Device(device.index).compute_capability)


def product_settings() -> Hashable:
    """Return what a product depends on in addition to its arguments; a step is recorded once for each.

    Returns
    -------
    hashable
        The settings.
    """
    return _precision.get(), variants.forced()
