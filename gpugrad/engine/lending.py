"""Tensors for other libraries: copies as NumPy arrays, their memory through DLPack and the CUDA array interface."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError, GraphError, RecordingError
from .device import Device
from .numpy_calls import NumPyCalls
from .tape import ReadOnlyVersion, Version


class Lending(NumPyCalls):
    """Part of Tensor that passes its values to other libraries."""

    __slots__ = ()

    data: Any
    device: Device
    version: Version
    shape: Any
    size: Any
    requires_grad: Any

    def numpy(self) -> np.ndarray:
        """Copy the values to the host.

        Returns
        -------
        numpy.ndarray
            A copy.
        """
        return self.device.download(self.data)

    def item(self) -> float | int | bool:
        """Return the value of a tensor with one element.

        Returns
        -------
        float, int or bool
            The value.

        Raises
        ------
        ArgumentError
            If the tensor has more elements or none.
        """
        if self.size != 1:
            raise ArgumentError(f"item() takes a tensor with one element, this one has shape {self.shape}: use numpy()")
        return self.numpy().item()

    def tolist(self) -> Any:
        """Return the values as Python numbers.

        Returns
        -------
        list or number
            Nested lists; a number for a tensor without axes.
        """
        return self.numpy().tolist()

    def __float__(self) -> float:
        if self.size != 1:
            raise ArgumentError(
                f"float() and the functions of math take a tensor with one element, this one has shape {self.shape}: "
                "use gg.sin for math.sin and gg.exp for math.exp, or numpy()"
            )
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ArgumentError(
                f"the truth value of a tensor of shape {self.shape} is ambiguous, expected one element: reduce it first"
            )
        return bool(self.item())

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)

    def __round__(self, digits: int | None = None) -> float | int:
        return round(self.item(), digits)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if self.requires_grad:
            raise GraphError("this tensor requires a gradient and NumPy would lose it: call detach() or numpy() first")
        if copy is False:
            raise ArgumentError(
                "copy=False of a tensor, whose values are always copied to NumPy: use np.from_dlpack on a CPU"
            )
        return self.numpy() if dtype is None else self.numpy().astype(dtype)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.data.__dlpack_device__()

    def __dlpack__(self, **options: Any) -> Any:
        """Return the memory itself, for `from_dlpack` of another library: both sides read what either writes.

        Parameters
        ----------
        **options : object
            Passed to the array library.

        Returns
        -------
        capsule
            DLPack's.

        Raises
        ------
        GraphError
            If the tensor requires a gradient.
        RecordingError
            In a recorded step.

        Notes
        -----
        The tape does not see what the other library writes. On a GPU the stream that the caller names waits for the
        work launched so far; synchronize before it reads later work.
        """
        self._check_lending()
        if self.device.kind == "cuda" and isinstance(self.version, ReadOnlyVersion):
            raise ArgumentError("this tensor is read-only, which CuPy cannot pass on: copy it with gg.tensor(t)")
        with self.device.current():
            return self.data.__dlpack__(**options)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """Return the memory itself, for Numba, CuPy and others; only a tensor on a GPU has this attribute.

        Returns
        -------
        dict
            The interface. It names the device's stream, which Numba and CuPy wait for; synchronize before a library
            that does not.

        Raises
        ------
        GraphError
            If the tensor requires a gradient.
        RecordingError
            In a recorded step.
        """
        if self.device.kind != "cuda":
            raise AttributeError(f"a tensor on {self.device.name} has no __cuda_array_interface__")
        self._check_lending()
        with self.device.current():
            interface = dict(self.data.__cuda_array_interface__)
        interface["data"] = interface["data"][0], isinstance(self.version, ReadOnlyVersion)
        return interface

    def _check_lending(self) -> None:
        if self.requires_grad:
            raise GraphError("this tensor requires a gradient, which another library would lose: call detach() first")
        if self.device.thread.recorder is not None:
            raise RecordingError(
                "a recorded step lent a tensor to another library, whose work a replay would not repeat: "
                "return the tensor from the step and lend it outside"
            )
