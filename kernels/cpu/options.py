"""Decorators that compile the CPU loops, all with the same options."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .private import cached_function, linked_function

KERNELS = Path(__file__).parents[1]
PATTERNS = ("cpu/*.py", "*/numba_cpu.py", "*/cpu_*.py")

# Numba's cache checks only the file of a function, which may inline code of any of these: their digest is in its key.
SOURCES = sorted(path for pattern in PATTERNS for path in KERNELS.glob(pattern))
DIGEST = hashlib.sha256(b"".join(path.read_bytes() for path in SOURCES)).hexdigest()[:8]

# Serial: `team` distributes the loops over the cores, and Numba's own threads would compete for the same ones.
# error_model="numpy": division needs no check for zero, which would prevent vectorization.
# "contract" fuses a product and a sum. "reassoc" lets a sum run in several lanes, which is more accurate than one and
# as deterministic. NaN and infinity keep their meaning.
OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "reassoc", "nsz"}}


def compile_cpu(function: Callable[..., Any]) -> Any:
    """Compile a loop for `spread` and `run_once`, or a function for such loops; Python cannot call the result."""
    return linked_function(function, **OPTIONS)


def compile_inline(function: Callable[..., Any], **options: Any) -> Any:
    """Compile a function that is always inlined, with these options of `numba.njit` instead of the common ones."""
    return linked_function(function, forceinline=True, **options)


def compile_and_cache(function: Callable[..., Any]) -> Any:
    """Compile a function that Python calls, at the first call with arguments of these types; cache it on disk."""
    function.__qualname__ = f"{function.__qualname__}_{DIGEST}"  # part of the cache's key
    return cached_function(function, **OPTIONS)
