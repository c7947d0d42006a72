"""How the CPU loops are compiled, in one place."""

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

from .linking import LINK_ONLY

KERNELS = Path(__file__).parents[1]
PATTERNS = ("cpu/*.py", "*/numba_cpu.py", "*/cpu_*.py")

# Numba keeps what it compiled while the file of the function stays as it is; but what goes into it may lie in another.
SOURCES = sorted(path for pattern in PATTERNS for path in KERNELS.glob(pattern))
DIGEST = hashlib.sha256(b"".join(path.read_bytes() for path in SOURCES)).hexdigest()[:8]

# Serial on purpose: `team` shares loops out over the cores, and Numba's threads would fight for the same ones.
# error_model="numpy": a division needs no check for zero, which would keep the loop from vectorising.
# "contract" lets a product and a sum fuse; "reassoc" lets a sum run in several lanes, which is more accurate than one
# lane and just as deterministic. NaN and infinity keep their meaning.
_compile = functools.partial(numba.njit, nogil=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz"})


def compile_cpu(function: Callable[..., Any]) -> Any:
    """The function, for compiled ones to call, and kept with them (`linking`): from Python it raises TypeError."""
    compiled = _compile(**LINK_ONLY)(function)

    def refuse(*arguments: Any) -> None:
        raise TypeError(f"{function.__name__} is for compiled code alone: run it with spread() or once()")

    # Numba's dispatcher would jump to the way in that is not there, once it knows of a compiled version.
    compiled.add_overload = lambda version: compiled.overloads.update({tuple(version.signature.args): version})
    compiled._compile_for_args = refuse
    return compiled


def compile_and_keep(function: Callable[..., Any]) -> Any:
    """The function, compiled when it is first called with arguments of these types, and kept for later processes."""
    function.__qualname__ = f"{function.__qualname__}_{DIGEST}"  # by which Numba finds it again
    return _compile(cache=True, no_cfunc_wrapper=True)(function)
