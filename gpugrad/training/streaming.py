"""Streaming of a data set that does not fit: bring the next part while the device works on this one."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from ..data.maps import read
from ..engine.device import Device

MEMORY = 128 * 1024**2  # bytes of the two parts in memory, by default
BLOCKS = 64  # blocks of consecutive rows per part: by default of 1 MiB, which a disk reads at full speed


def shuffled_in_blocks(generator: np.random.Generator | np.random.RandomState, rows: int, window: int) -> np.ndarray:
    """Return a permutation of the rows (int32) for data on a disk.

    Blocks of consecutive rows are shuffled, then the rows within each window of that order, which holds BLOCKS blocks.
    """
    size = max(1, window // BLOCKS)
    starts = generator.permutation(np.arange(0, rows, size))
    order = np.concatenate([np.arange(i, min(i + size, rows), dtype=np.int32) for i in starts])
    for start in range(0, rows, window):
        generator.shuffle(order[start : start + window])
    return order


class Stream:
    """Bring the rows of host arrays to `buffers` on the device in a given order, `rows` at a time.

    The buffers hold two parts: while the device works on one, a thread brings the next.
    """

    def __init__(self, device: Device, arrays: Sequence[np.ndarray], rows: int) -> None:
        self.rows = rows
        self.buffers = [device.empty((2 * rows, *array.shape[1:]), array.dtype) for array in arrays]
        self._arrays = arrays
        self._staging = device.staging(self.buffers)
        self._thread = ThreadPoolExecutor(1, "gpugrad-stream")
        self._order = np.empty(0, np.int32)
        self._half = 0  # of the buffers, for the next part
        self._coming: Future | None = None

    def __repr__(self) -> str:
        return f"Stream(rows={self.rows} per part)"

    def begin(self, order: np.ndarray) -> None:
        """Start an epoch in this order of the rows."""
        if self._coming is not None:  # a part of an epoch that ended early
            self._coming.result()
        self._order = order
        self._bring()

    def advance(self) -> np.ndarray:
        """Return where in the buffers the rows of the next part are, in order (int32)."""
        assert self._coming is not None, "the order has no rows left"
        places = self._coming.result()
        self._half = 1 - self._half
        self._bring()
        return places

    def _bring(self) -> None:
        part, self._order = self._order[: self.rows], self._order[self.rows :]
        self._coming = None
        if len(part):
            self._staging.begin()
            self._coming = self._thread.submit(self._read, part, self._half)

    def _read(self, part: np.ndarray, half: int) -> np.ndarray:
        """Read the rows in the order of the file, and let the places bring them into that of the epoch."""
        by_row = np.argsort(part)
        part = part[by_row]
        for array, host in zip(self._arrays, self._staging.host(half), strict=True):
            read(array, part, host[: len(part)])
        self._staging.send(half, len(part))
        places = np.empty(len(part), np.int32)
        places[by_row] = np.arange(half * self.rows, half * self.rows + len(part), dtype=np.int32)
        return places
