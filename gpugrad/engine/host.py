"""The host's side of a device: arrays of any library as NumPy's, and the buffer from which data are sent."""

from __future__ import annotations

from collections.abc import Sequence
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
    """Buffer in which a part of a data set waits until the device is done with the part before.

    Parameters
    ----------
    buffers : sequence of array
        Arrays on the device that receive the parts.

    Attributes
    ----------
    host : list of numpy.ndarray
        Arrays to write the next part to.
    """

    def __init__(self, buffers: Sequence[Any]) -> None:
        self._buffers = buffers
        self.host = [np.empty(buffer.shape, buffer.dtype) for buffer in buffers]

    def wait(self) -> None:
        """Wait until `host` may be written again."""

    def send(self, rows: int) -> None:
        """Start the transfer of the first rows of `host`.

        Parameters
        ----------
        rows : int
            Number of rows.
        """

    def receive(self, rows: int) -> None:
        """Make the sent rows the first rows of the buffers, before any later launch.

        Parameters
        ----------
        rows : int
            Number of rows.
        """
        for buffer, host in zip(self._buffers, self.host, strict=True):
            np.copyto(buffer[:rows], host[:rows])
