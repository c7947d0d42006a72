"""Memory maps: arrays whose memory is a file, read without its pages piling up in memory."""

from __future__ import annotations

import contextlib
import mmap
from collections.abc import Iterator
from itertools import islice, pairwise
from typing import Any

import numpy as np

READ_BYTES = 1024**2  # bytes per read from a file
AHEAD = 4  # reads that the disk is asked for ahead: 1.4 times as fast as one
AROUND_BYTES = 2 * 1024**2  # Linux may bring this much of a file around a page that is used


def is_mapped(array: Any) -> bool:
    """Return whether an array's memory is a file, as of one from `np.load` with a mmap_mode."""
    return _file_of(array) is not None


def parts(array: Any, size: int, rows: np.ndarray | None = None) -> Iterator[Any]:
    """Yield an array `size` rows at a time, or copies of its `rows`, which ascend; pages of a map do not stay."""
    for start in range(0, array.shape[0] if rows is None else len(rows), size):
        if rows is None:
            yield (part := array[start : start + size])
            _advise(part, "MADV_DONTNEED", AROUND_BYTES)
        else:
            some = rows[start : start + size]
            read(array, some, copy := np.empty((len(some), *array.shape[1:]), array.dtype))
            yield copy


def read(array: np.ndarray, rows: np.ndarray, out: np.ndarray) -> None:
    """Copy rows of an array, which ascend, to `out`; of a map in pieces, of which the next ones are read ahead."""
    # Without a mode, `take` would allocate memory for `out` again.
    if not is_mapped(array):
        np.take(array, rows, axis=0, out=out, mode="clip")
        return
    size = max(1, READ_BYTES * len(array) // array.nbytes)
    cuts = [0, *(np.flatnonzero(np.diff(rows // size)) + 1), len(rows)]
    pieces = [array[rows[i] : rows[j - 1] + 1] for i, j in pairwise(cuts)]
    coming = iter(pieces)
    for piece in islice(coming, AHEAD):
        _advise(piece, "MADV_WILLNEED")
    for (i, j), piece in zip(pairwise(cuts), pieces, strict=True):
        _advise(next(coming, None), "MADV_WILLNEED")
        np.take(array, rows[i:j], axis=0, out=out[i:j], mode="clip")
        _advise(piece, "MADV_DONTNEED", AROUND_BYTES)


def _advise(array: Any, advice: str, around: int = 0) -> None:
    """Pass advice on the pages of an array in a memory map, and of bytes around it, to the system.

    Only for a map that cannot be written to: changes of a private one (mode "c") are in its pages alone.
    """
    file = _file_of(array)
    if file is None or not array.flags.c_contiguous or not memoryview(file).readonly or not hasattr(mmap, advice):
        return
    place = array.ctypes.data - np.frombuffer(file, np.uint8).ctypes.data
    start = max(0, place - around) // mmap.PAGESIZE * mmap.PAGESIZE
    with contextlib.suppress(OSError):  # it may not apply, as to pages that are locked
        file.madvise(getattr(mmap, advice), start, place + array.nbytes + around - start)


def _file_of(array: Any) -> mmap.mmap | None:
    while isinstance(array, np.ndarray):
        array = array.base
    return array if isinstance(array, mmap.mmap) else None
