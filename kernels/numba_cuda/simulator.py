"""Runs a Numba CUDA kernel in Numba's simulator, and refuses what the simulator alone would let pass.

The simulator runs the threads of a block as threads of Python, block after block. Left to itself it lets a negative
index wrap around to the end of an array, where a GPU reads whatever lies there, and lets threads wait at a barrier for
one that has ended.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import warnings
from typing import Any

import numpy as np
from numba.cuda.simulator import kernel as numba_simulator
from numba.cuda.simulator.kernelapi import Dim3, FakeCUDAShared

from ...errors import KernelError


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
    """cuda.shared.array: one array for each line that asks, with NaN or -1 in it at first."""
    caller = sys._getframe(1)
    poison = np.nan if np.issubdtype(dtype, np.floating) else -1
    return self._allocations.setdefault((caller.f_code, caller.f_lineno), np.full(shape, poison, dtype))


class Block:
    """The threads of a block, one at a time: each runs until it waits at a barrier or ends. Which one is next is drawn,
    anew each time, so that a missing barrier shows.

    Numba's own run all at once and compete with one more that polls for barriers: ten times the work.
    """

    def __init__(self, kernel: Any, grid: tuple[int, ...], block: tuple[int, ...], debug: bool) -> None:
        self.kernel = kernel
        self.new = list(np.ndindex(*block))  # places of the threads that have not begun
        self.waiting: list[Worker] = []  # at a barrier
        self.ready: list[Worker] = []  # past it
        self.ended = 0
        self.error: Exception | None = None
        self.over = _closed()
        self.block_state = np.zeros(block, bool)  # what BlockThread keeps the votes of a barrier in

    def run(self, place: tuple[int, ...], *arguments: Any) -> None:
        """Run all its threads, at this place of the grid. Raises the first exception of one."""
        self.place, self.arguments = place, arguments
        _draw.shuffle(self.new)
        self.next()
        self.over.acquire()
        if self.error:
            raise self.error

    def next(self) -> None:
        """Let another thread run: the one that calls waits, or has ended."""
        if self.new:
            worker = _idle.pop() if _idle else Worker()
            worker._manager = self
            worker.turn.release()
            return
        if not self.ready:
            if self.waiting and self.ended and not self.error:
                threads = f"{len(self.waiting)} of the {self.ended + len(self.waiting)} threads of block {self.place}"
                self.error = KernelError(f"{threads} wait at a barrier that the others never reach")
            self.waiting, self.ready = [], self.waiting
            _draw.shuffle(self.ready)
        (self.ready.pop().turn if self.ready else self.over).release()


class Worker(numba_simulator.BlockThread):
    """A thread of Python that runs threads of blocks, each to its end. The simulator asks it who it is."""

    def __init__(self) -> None:
        threading.Thread.__init__(self, daemon=True)
        self.turn = _closed()
        self.start()

    def run(self) -> None:
        while True:
            self.turn.acquire()
            block = self._manager
            while block.new:
                self._run_thread(block, block.new.pop())
            _idle.append(self)
            block.next()

    def _run_thread(self, block: Block, place: tuple[int, ...]) -> None:
        self.blockIdx, self.threadIdx = Dim3(*block.place), Dim3(*place)
        self.thread_id = np.ravel_multi_index(place, block.block_state.shape, order="F")  # x varies fastest
        try:
            block.kernel(*block.arguments)
        except _Abandoned:
            pass
        except Exception as error:
            error.add_note(f"in thread {place} of block {block.place}")
            block.error = error
            block.new.clear()
        block.ended += 1

    def syncthreads(self) -> None:
        block = self._manager
        block.waiting.append(self)
        block.next()
        self.turn.acquire()
        if block.error:
            raise _Abandoned


class _Abandoned(Exception):
    """Ends the threads of a block in which one has failed."""


def _closed() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


_draw = random.Random(0)
_idle: list[Worker] = []
os.register_at_fork(after_in_child=_idle.clear)  # a fork has no thread but the one that forked

FakeCUDAShared.array = _shared_array
numba_simulator.BlockManager = Block


def simulate(kernel: Any, grid: Any, block: Any, arguments: list[Any]) -> None:
    """Run a launch to its end. A note of an exception names the thread, the block and the kernel."""
    seen = [CheckedArray(a) if isinstance(a, np.ndarray) else a for a in arguments]
    try:
        with warnings.catch_warnings():
            # NumPy warns where a GPU computes an infinity or NaN in silence.
            warnings.simplefilter("ignore", RuntimeWarning)
            kernel[grid, block](*seen)
    except Exception as error:
        error.add_note(f"in the kernel {kernel.py_func.__name__} of {kernel.py_func.__module__}")
        raise
