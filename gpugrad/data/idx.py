"""IDX, the format of MNIST: big-endian arrays of any rank behind a header of 4 + 4·rank bytes."""

from __future__ import annotations

import math
import os
import struct
import sys
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..errors import DataError
from .packed import MOST, opened

# The third byte of the magic number is the element type, the fourth the rank: 0x0801 are labels, 0x0803 images.
DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAX_RANK = 32
AGAIN = "delete it and fetch it again"


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """Read one IDX file, gzipped or not, as its first bytes show.

    Parameters
    ----------
    path : str or path
        The file.

    Returns
    -------
    ndarray
        C-contiguous, in native byte order, with the shape and element type of the header.

    Raises
    ------
    DataError
        If the file is absent, empty, truncated, too long, or not an IDX file.
    """
    path = Path(path)
    with opened(path, AGAIN) as (file, packed):
        size = path.stat().st_size * (MOST if packed else 1)  # at most
        start = file.read(4)
        if not start:
            raise DataError(f"{path} is empty: expected an IDX file; {AGAIN}")
        if len(start) < 4 or start[:2] != b"\0\0" or start[2] not in DTYPES or not 0 < start[3] <= MAX_RANK:
            raise DataError(
                f"{path} starts with the bytes {start.hex(' ')}: expected the magic number of an IDX file, such as "
                f"00 00 08 03 for images and 00 00 08 01 for labels; {AGAIN}"
            )
        dtype, rank = np.dtype(DTYPES[start[2]]), start[3]
        sizes = file.read(4 * rank)
        if len(sizes) < 4 * rank:
            raise DataError(f"{path} ends inside its header of {4 + 4 * rank} bytes: {AGAIN}")
        shape = struct.unpack(f">{rank}I", sizes)
        promised = math.prod(shape) * dtype.itemsize
        # Not a byte more than promised is unpacked, and no memory is taken for more than the file can hold.
        values = np.empty(math.prod(shape) if promised <= size else 0, dtype)
        held, more = _fill(values, file), bool(file.read(1))
    sides = math.prod(n or 1 for n in shape)  # NumPy refuses huge ones of an empty array too
    if held != promised or more or sides * dtype.itemsize > sys.maxsize:
        raise DataError(
            f"{path} holds {'more' if held == promised else 'less'} than {' × '.join(map(str, shape))[:60]} elements "
            f"of {dtype.itemsize} bytes, which its header promises: {AGAIN}"
        )
    return values.reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _fill(values: np.ndarray, file: BinaryIO) -> int:
    """Read into `values` and return the number of bytes, fewer if the file ends."""
    view, held = values.view(np.uint8).data, 0
    while held < len(view) and (count := file.readinto(view[held:])):  # type: ignore[attr-defined]
        held += count
    return held
