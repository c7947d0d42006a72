"""Runs a Numba CUDA kernel in Numba's simulator, and refuses what the simulator alone would let pass.

The simulator runs each thread of a block as a Python thread, block after block. Left to itself it lets a negative index
wrap around to the end of an array, where a GPU reads whatever lies there.
"""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np
from numba.cuda.simulator.kernelapi import FakeCUDAShared

# The simulator's main thread polls for barriers and keeps the interpreter until its turn ends: with turns of 1 ms and
# not of Python's 5, a barrier costs a third.
TURN_SECONDS = 1e-3


class CheckedArray:
    """What a simulated kernel sees of a NumPy array: its size and shape, and its elements one by one.

    Raises IndexError for an index that is negative or past the end, or that does not name exactly one element.
    """

    __slots__ = ("_array", "dtype", "ndim", "shape", "size")

    def __init__(self, array: np.ndarray) -> None:
        self._array = array
        self.dtype, self.ndim, self.shape, self.size = array.dtype, array.ndim, array.shape, array.size

    def __getitem__(self, index: Any) -> Any:
        self._check(index)
        return self._array[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self._check(index)
        self._array[index] = value

    def _check(self, index: Any) -> None:
        places = index if isinstance(index, tuple) else (index,)
        if len(places) != self.ndim or not all(0 <= i < n for i, n in zip(places, self.shape, strict=True)):
            raise IndexError(f"index {index} is outside an array of shape {self.shape}")


def _shared_array(self: Any, shape: Any, dtype: Any) -> np.ndarray:
    """cuda.shared.array: one array for each line that asks, with NaN or -1 in it at first.

    Numba's own looks for the array and then stores one: a thread that lost its turn in between computed alone, on an
    array that no other thread saw. Here that is one call of a dictionary.
    """
    caller = sys._getframe(1)
    poison = np.nan if np.issubdtype(dtype, np.floating) else -1
    return self._allocations.setdefault((caller.f_code, caller.f_lineno), np.full(shape, poison, dtype))


FakeCUDAShared.array = _shared_array


def simulate(kernel: Any, grid: Any, block: Any, arguments: list[Any]) -> None:
    """Run a launch to its end. An exception names the thread and the block, and in a note the kernel."""
    seen = [CheckedArray(a) if isinstance(a, np.ndarray) else a for a in arguments]
    turn = sys.getswitchinterval()
    sys.setswitchinterval(TURN_SECONDS)
    try:
        with warnings.catch_warnings():
            # NumPy warns where a GPU computes an infinity or NaN in silence.
            warnings.simplefilter("ignore", RuntimeWarning)
            kernel[grid, block](*seen)
    except Exception as error:
        error.add_note(f"in the kernel {kernel.py_func.__name__} of {kernel.py_func.__module__}")
        raise
    finally:
        sys.setswitchinterval(turn)
