"""Checks of single values: each wrong one is named in one sentence."""

from __future__ import annotations

import errno
import os
import re
import reprlib
from numbers import Real
from typing import Any

from ..errors import ArgumentError, a_or_an, shown
from ..options import plain


def describe(value: Any) -> str:
    """Return how a message names a wrong argument: its value if it is short, else its type."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    value = plain(value)
    if value is None or isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str | Real):
        return reprlib.repr(value)
    if callable(value) and hasattr(value, "__name__"):
        return f"the function {value.__name__}"
    named, package = a_or_an(type(value)), type(value).__module__.partition(".")[0]
    return named if package in ("builtins", "gpugrad", "__main__") else f"{named} of {package}"


def is_number(value: Any) -> bool:
    """Return whether a value is a real number; booleans are not."""
    return isinstance(value, Real) and not isinstance(value, bool)


def is_integer(value: Any) -> bool:
    """Return whether a value is an integer; booleans are not."""
    return isinstance(plain(value), int) and not isinstance(value, bool)


def check_count(name: str, value: Any, meaning: str = "") -> int:
    """Return an integer of at least 1, NumPy's as Python's; raise ArgumentError for anything else."""
    value = plain(value)
    if not is_integer(value) or value < 1:
        meaning = f": {meaning}" if meaning else ""
        raise ArgumentError(f"{name} is {describe(value)}, expected an integer of at least 1{meaning}")
    return value


def check_flag(name: str, value: Any, *, otherwise: str | None = None) -> Any:
    """Return True or False, and None where `otherwise` names its meaning; raise ArgumentError for anything else."""
    value = plain(value)
    if isinstance(value, bool) or (value is None and otherwise):
        return value
    none = f", or None {otherwise}" if otherwise else ""
    raise ArgumentError(f"{name} is {describe(value)}, expected True or False{none}")


def check_path(name: str, path: Any, kind: str = "file", *, remedy: str = "") -> None:
    """Raise ArgumentError unless a path is text or a path object, and one that a file can have."""
    if not isinstance(path, str | os.PathLike):
        remedy = f": {remedy}" if remedy else ""
        raise ArgumentError(f"{name} is {describe(path)}, expected the path of a {kind}{remedy}")
    try:
        os.lstat(path)
    except (OSError, ValueError) as error:  # a zero byte is a ValueError
        if isinstance(error, ValueError) or error.errno == errno.ENAMETOOLONG:
            raise ArgumentError(f"{name} is {shown(path)}, expected a path that a file can have: shorten it") from None


def size_in_bytes(name: str, value: Any) -> int:
    """Return the bytes of a size, a number or a text with a unit: 1 MB = 1000² bytes, 1 MiB = 1024²."""
    size = value
    if isinstance(value, str):
        found = re.fullmatch(r"(\d{1,15}(?:\.\d*)?) *(?:([kmgt])(i?)b?|b?)", value.strip().lower())
        if found is not None:
            number, prefix, binary = found.groups()
            size = int(float(number) * (1024 if binary else 1000) ** " kmgt".index(prefix or " "))
    if not is_integer(size) or size < 1:
        raise ArgumentError(f"{name} is {describe(value)}, expected bytes, or a text such as '256MB' or '1.5GiB'")
    return int(size)
