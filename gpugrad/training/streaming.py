"""Streaming of a data set that does not fit on a device: copy the next part while the device works on this one."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from ..data.maps import is_mapped
from ..engine.device import Device

PART_BYTES = 256 * 1024**2  # size of a part: large enough to copy at full speed, small compared with GPU memory
BLOCK_ROWS = 4096  # rows per read from a file


def rows_of_part(arrays: Sequence[np.ndarray], step_rows: int) -> int:
    """Return the rows of a part: about PART_BYTES, and whole optimizer steps of `step_rows`."""
    row_bytes = sum(array.nbytes for array in arrays) / len(arrays[0])
    return max(1, int(PART_BYTES / row_bytes) // step_rows) * step_rows


class Stream:
    """Bring the rows of host arrays to `buffers` on the device in a given order, `rows` at a time.

    A thread gathers and sends the next part while the device works on this one.
    """

    def __init__(self, device: Device, arrays: Sequence[np.ndarray], rows: int) -> None:
        self.rows = rows
        self.buffers = [device.empty((rows, *array.shape[1:]), array.dtype) for array in arrays]
        self._arrays = arrays
        self._staging = device.staging(self.buffers)
        self._thread = ThreadPoolExecutor(1, "gpugrad-stream")
        self._order = np.empty(0, np.int64)
        self._sent: Future | None = None

    def __repr__(self) -> str:
        return f"Stream(rows={self.rows} per part)"

    def begin(self, order: np.ndarray) -> None:
        """Start an epoch in this order of the rows."""
        if self._sent is not None:  # a part of an epoch that ended early
            self._sent.result()
        self._order = order
        self._send()

    def advance(self) -> None:
        """Copy the next part into the buffers."""
        assert self._sent is not None, "the order has no rows left"
        self._staging.receive(self._sent.result())
        self._send()

    def _send(self) -> None:
        part, self._order = self._order[: self.rows], self._order[self.rows :]
        self._sent = self._thread.submit(self._gather, part) if len(part) else None

    def _gather(self, part: np.ndarray) -> int:
        self._staging.wait()
        order = np.argsort(part) if any(map(is_mapped, self._arrays)) else None
        for array, host in zip(self._arrays, self._staging.host, strict=True):
            if order is not None and is_mapped(array):
                _take_in_order(array, part, order, host)
            else:
                np.take(array, part, axis=0, out=host[: len(part)])
        self._staging.send(len(part))
        return len(part)


def _take_in_order(array: np.ndarray, rows: np.ndarray, order: np.ndarray, out: np.ndarray) -> None:
    """Do np.take, but reading in file order, which is 6x faster from disk than random order."""
    for start in range(0, len(order), BLOCK_ROWS):
        some = order[start : start + BLOCK_ROWS]
        out[some] = array[rows[some]]
