"""The host's side of a device: arrays of any library as NumPy's, and the way of data to the device."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np


def to_host(array: Any, dtype: Any = None) -> np.ndarray:
    """Return an array of any library, or a nested list, as a NumPy array.

    Parameters
    ----------
    array : array_like
        The array; copied from a GPU if it is on one.
    dtype : dtype, optional
        The dtype; by default its own.

    Returns
    -------
    numpy.ndarray
        The array on the host.
    """
    if hasattr(array, "__cuda_array_interface__"):
        import cupy

        array = cupy.asnumpy(cupy.asarray(array))
    return np.asarray(array, dtype)


class Staging:
    """Way of a data set into one half of buffers while the device reads the other half.

    Parameters
    ----------
    buffers : sequence of array
        Arrays on the device, each for two parts of the data set.
    """

    def __init__(self, buffers: Sequence[Any]) -> None:
        self._halves = [(buffer[: len(buffer) // 2], buffer[len(buffer) // 2 :]) for buffer in buffers]

    def begin(self) -> None:
        """Begin a transfer, which waits for all work launched so far."""

    def host(self, half: int) -> list[np.ndarray]:
        """Return the arrays to write the next part to.

        Parameters
        ----------
        half : {0, 1}
            The half of the buffers for it.

        Returns
        -------
        list of numpy.ndarray
            One array per buffer.
        """
        return [halves[half] for halves in self._halves]

    def send(self, half: int, rows: int) -> None:
        """Transfer what was written; return when it is there.

        Parameters
        ----------
        half : {0, 1}
            The half of the buffers.
        rows : int
            Number of rows.
        """


def resident_memory(name: str) -> int | None:
    """Return the bytes of this process in memory: now ("VmRSS") or at most so far ("VmHWM"); None except on Linux."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    line = next(line for line in status.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024
