"""The endings of files that are written."""

from __future__ import annotations

from pathlib import Path

from ..errors import ArgumentError


def check_suffix(path: str | Path, *suffixes: str) -> str:
    """The ending of a path, which must be one of these; raises ArgumentError, before any work, if it is not."""
    suffix = Path(path).suffix.lower()
    if suffix not in suffixes:
        ending = repr(suffix) if suffix else "nothing"
        raise ArgumentError(f"{path} ends in {ending}, expected {' or '.join(suffixes)}: rename it")
    return suffix
