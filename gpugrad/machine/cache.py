"""Store PTX and translations in the cache folder, by the digest of what they were made from."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import marshal
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

from ..engine.files import cache_folder, write_whole
from ..errors import StorageError
from .translate import Translation

DIGEST = 32  # characters
TRANSLATOR = (
    "ptx.py",
    "kinds.py",
    "emit.py",
    "emit_arithmetic.py",
    "emit_memory.py",
    "translate.py",
    "program.py",
    "memory.py",
)


def digest_of(*texts: str) -> str:
    """Return the digest of some texts."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:DIGEST]


def stored(name: str, make: Callable[[], bytes]) -> bytes:
    """Return the content of a file of the cache; make it, and store it if the folder can be written to.

    A checksum finds damaged files, which are made again.
    """
    path = cache_folder() / "machine" / name
    with contextlib.suppress(OSError):
        checksum, _, content = path.read_bytes().partition(b"\n")
        if checksum.decode(errors="replace") == hashlib.sha256(content).hexdigest():
            return content
    content = make()
    with contextlib.suppress(StorageError):
        write_whole(path, hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
    return content


def stored_translation(ptx: str, entry: str, translate: Callable[[], Translation]) -> Translation:
    """Return the translation of an entry of a PTX text."""

    def make() -> bytes:
        made = translate()
        return pickle.dumps((made.pieces, marshal.dumps(made.code), made.dtypes, made.constants, made.unit))

    name = f"{digest_of(ptx, entry, _translator())}.{sys.implementation.cache_tag}"
    pieces, code, dtypes, constants, unit = pickle.loads(stored(name, make))
    return Translation(pieces, marshal.loads(code), dtypes, constants, unit)


@functools.cache
def _translator() -> str:
    return digest_of(*(Path(__file__).with_name(name).read_text() for name in TRANSLATOR))
