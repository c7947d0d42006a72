"""Run a Numba CUDA kernel in Numba's simulator, and report faults that the simulator alone would miss.

The simulator runs the threads of a block as Python threads, one block after another. On its own it lets a negative
index wrap around to the end of an array, where a GPU reads whatever memory is there, and it lets threads wait at a
barrier for a thread that has ended. So a launch here uses the simulator's ``cuda`` with checked arrays, checked shared
memory, and a scheduler of blocks that replaces its own.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import KernelError
from . import private

numba_simulator: Any = private.simulator()


class CheckedArray:
    """A NumPy array as a simulated kernel sees it: size, shape, and one element at a time.

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


class SharedMemory:
    """``cuda.shared`` of a launch: one array per line that asks for one, filled with NaN or -1 at first."""

    def __init__(self) -> None:
        self._arrays: dict[tuple[Any, int], np.ndarray] = {}

    def array(self, shape: Any, dtype: Any) -> np.ndarray:
        caller = sys._getframe(1)
        poison = np.nan if np.issubdtype(dtype, np.floating) else -1
        return self._arrays.setdefault((caller.f_code, caller.f_lineno), np.full(shape, poison, dtype))


class Cuda(numba_simulator.Cuda):
    """The ``cuda`` that a simulated kernel sees, with checked shared memory."""

    shared = None  # a property of the base class

    def __init__(self, grid: tuple[int, int, int], block: tuple[int, int, int]) -> None:
        super().__init__(grid, block, 0)  # no dynamic shared memory
        self.shared = SharedMemory()


class Block:
    """A block, its threads one at a time: each runs until it waits at a barrier or ends.

    The next thread is drawn at random each time, so that a missing barrier shows. Numba's own scheduler runs all
    threads at once next to one that polls for barriers, which takes ten times as long.
    """

    def __init__(self, function: Callable[..., None], shape: tuple[int, int, int]) -> None:
        self.function = function
        self.new = list(np.ndindex(*shape))  # indices of the threads that have not begun
        self.waiting: list[Worker] = []  # threads at a barrier
        self.ready: list[Worker] = []  # threads past the barrier
        self.ended = 0
        self.error: Exception | None = None
        self.over = _closed()
        self.block_state = np.zeros(shape, bool)  # votes at a barrier; numba_simulator.Thread reads it by this name

    def run(self, place: tuple[int, ...], *arguments: Any) -> None:
        """Run all threads of the block at this place of the grid; raise the first exception of a thread."""
        self.place, self.arguments = place, arguments
        _draw.shuffle(self.new)
        self.next()
        self.over.acquire()
        if self.error:
            raise self.error

    def next(self) -> None:
        """Let another thread run; the calling thread then waits, or has ended."""
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


class Worker(numba_simulator.Thread):
    """A Python thread that runs threads of blocks, one after another; the simulated ``cuda`` asks it for indices."""

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
        self.blockIdx, self.threadIdx = numba_simulator.Index(*block.place), numba_simulator.Index(*place)
        self.thread_id = np.ravel_multi_index(place, block.block_state.shape, order="F")  # x varies fastest
        try:
            block.function(*block.arguments)
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
    """Ends the threads of a block in which one thread has failed."""


def _closed() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


_draw = random.Random(0)
_idle: list[Worker] = []
os.register_at_fork(after_in_child=_idle.clear)  # a forked process has only the thread that forked


def simulate(kernel: Any, grid: Any, block: Any, arguments: list[Any]) -> None:
    """Run a launch to its end; notes on an exception name the thread, the block and the kernel."""
    function, blocks, threads = kernel.py_func, _three(grid), _three(block)
    cuda = Cuda(blocks, threads)
    seen = [CheckedArray(a) if isinstance(a, np.ndarray) else a for a in arguments]
    try:
        with numba_simulator.running(function, cuda), warnings.catch_warnings():
            # NumPy warns where a GPU computes an infinity or NaN silently.
            warnings.simplefilter("ignore", RuntimeWarning)
            for place in np.ndindex(*blocks):
                Block(function, threads).run(place, *seen)
    except Exception as error:
        error.add_note(f"in the kernel {function.__name__} of {function.__module__}")
        raise


def _three(sizes: int | tuple[int, ...]) -> tuple[int, int, int]:
    x, y, z = (*(sizes if isinstance(sizes, tuple) else (sizes,)), 1, 1)[:3]
    return x, y, z
