"""IDX, the format of MNIST: big-endian arrays of any rank behind a header of 4 + 4·rank bytes."""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from pathlib import Path

import numpy as np

from ..errors import DataError

GZIP_MAGIC = b"\x1f\x8b"
# The third byte of the magic number is the element type, the fourth the rank: 0x0801 are labels, 0x0803 images.
DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


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
    content = _content(path)
    if not content:
        raise DataError(f"{path} is empty: expected an IDX file; delete it and fetch it again")
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in DTYPES or content[3] == 0:
        raise DataError(
            f"{path} starts with the bytes {content[:4].hex(' ')}: expected the magic number of an IDX file, such as "
            "00 00 08 03 for images and 00 00 08 01 for labels; delete it and fetch it again"
        )
    dtype, rank = np.dtype(DTYPES[content[2]]), content[3]
    start = 4 + 4 * rank
    if len(content) < start:
        raise DataError(f"{path} ends inside its header of {start} bytes: delete it and fetch it again")
    shape = struct.unpack(f">{rank}I", content[4:start])
    expected = start + math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        sizes = " × ".join(map(str, shape))
        raise DataError(
            f"{path} holds {len(content)} bytes: expected {expected} for {sizes} elements of {dtype.itemsize} bytes; "
            "delete it and fetch it again"
        )
    values = np.frombuffer(content, dtype, offset=start).reshape(shape)
    return values.astype(dtype.newbyteorder("="))


def _content(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
        return gzip.decompress(raw) if raw.startswith(GZIP_MAGIC) else raw
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is a damaged gzip file ({error}): delete it and fetch it again") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}; expected an IDX file there") from error
