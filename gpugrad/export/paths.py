"""Endings of exported files."""

from __future__ import annotations

from pathlib import Path

from ..errors import ArgumentError
from ..training.values import check_path


def check_suffix(path: str | Path, *suffixes: str) -> str:
    """Return the ending of a path; raise ArgumentError, before any work, if it is not one of these."""
    check_path("path", path, remedy=f"pass one that ends in {suffixes[0]}, after the model")
    suffix = Path(path).suffix.lower()
    if suffix not in suffixes:
        ending = repr(suffix) if suffix else "nothing"
        raise ArgumentError(f"{path} ends in {ending}, expected {' or '.join(suffixes)}: rename it")
    return suffix
