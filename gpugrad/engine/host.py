"""The host's side of a device: arrays of any library as NumPy's, and where a part of a data set waits to be sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def to_host(array: Any, dtype: Any = None) -> np.ndarray:
    """An array of any library, or a nested list, as a NumPy array; copied from the GPU that it lives on."""
    if hasattr(array, "__cuda_array_interface__"):
        import cupy

        array = cupy.asnumpy(cupy.asarray(array))
    return np.asarray(array, dtype)


class Staging:
    """Where a part waits until the device is done with the one before; on a host device simply its memory."""

    def __init__(self, buffers: Sequence[Any]) -> None:
        self._buffers = buffers
        self.host = [np.empty(buffer.shape, buffer.dtype) for buffer in buffers]

    def wait(self) -> None:
        """Wait until `host` may be written again."""

    def send(self, rows: int) -> None:
        """Start the transfer of the first rows of `host`."""

    def receive(self, rows: int) -> None:
        """Make the rows that were sent the first rows of the buffers, before any work that is launched from now on."""
        for buffer, host in zip(self._buffers, self.host, strict=True):
            np.copyto(buffer[:rows], host[:rows])
