"""Files that may be packed by gzip, and how much may be unpacked."""

from __future__ import annotations

import contextlib
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from ..errors import DataError, reason

GZIP_MAGIC = b"\x1f\x8b"
MOST = 1032  # bytes that DEFLATE makes of one
# Text is packed to a tenth, tables of few words to a fiftieth: what unpacks to more than this is no table.
MOST_OF_TEXT = 100
ALWAYS = 64 * 1024**2  # bytes that any file may unpack to
BLOCK = 1 << 20


@contextlib.contextmanager
def opened(path: Path, remedy: str) -> Iterator[tuple[BinaryIO, bool]]:
    """Open a file to read its unpacked bytes, and tell whether it is packed, as its first bytes show.

    Raise DataError for what cannot be read or unpacked within the block.
    """
    try:
        with open(path, "rb") as raw:
            packed = raw.peek(2).startswith(GZIP_MAGIC)
            yield (cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if packed else raw), packed
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is a damaged gzip file ({reason(error)}): {remedy}") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}; {remedy}") from error
    except MemoryError:
        raise DataError(f"{path} does not fit into memory: use a part of it") from None


def read_text(path: Path) -> bytes:
    """Return the unpacked bytes of a table; raise DataError for more than `MOST_OF_TEXT` times the file's size."""
    with opened(path, "write it again") as (file, packed):
        if not packed:
            return file.read()
        size = path.stat().st_size
        most = max(ALWAYS, MOST_OF_TEXT * size)
        content = io.BytesIO()
        while block := file.read(BLOCK):
            content.write(block)
            if content.tell() > most:
                raise DataError(
                    f"{path} unpacks to more than {most / 1e6:.0f} MB, {most // size} times its size: expected a "
                    "table; unpack it yourself if it is one"
                )
        return content.getvalue()
