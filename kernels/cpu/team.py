"""A team of threads that runs compiled loops over many rows on all cores.

A Python thread takes some 50 µs to wake, longer than a loop of a small network runs. So the members of the team watch a
word in memory for a millisecond after their last program before they sleep, and a job starts 1 µs after it is posted.
The thread that brings a program, the leader, works too.

Each thread has a share of the parts of each job, the same range of rows every time, which stays in its cache; a thread
that has finished its share helps the others, and who finishes the last part posts the next job. So nobody waits for a
thread that sleeps, or whose core does something else, unless it has claimed a part.

No other threads compute during a step: Numba's parallel loops and OpenBLAS's threads, both spinning on the same cores,
turned a step of 0.5 ms into one of 8.7 ms.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import os
import threading
import time
import types
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from .cores import cores
from .options import compile_and_cache
from .outline import MEMORY, outline
from .shares import CLAIMS, JOB, LINE, SIZE, STOP, run_job, run_program, watch

# The speed of a loop is the number of elements that it processes in the time of one element of an optimizer's update,
# of an exponential or of a random number.
LIGHT = 8  # speed of a loop that compares, adds or multiplies
GRAIN = 1 << 13  # minimum elements per part of a loop of speed 1, some 5 µs
SHARE = 4  # parts of a loop per thread, so that a faster core, or one with nothing else to do, can take some
ALIGNED = 64  # elements: parts of flat arrays begin at a multiple, so vectors and cache lines do not depend on the cut
PATIENCE = 20_000  # pauses without work before a member sleeps
SCRATCH_BYTES = 1 << 21  # scratch memory per thread
LONGEST_END = 30.0  # seconds that the end of a process waits for the compiled code of daemon threads


def spread(
    loop: Any,
    arrays: tuple,
    *scalars: Any,
    width: int = 1,
    speed: int = 1,
    multiple: int | None = None,
    extras: int = 0,
) -> None:
    """Run ``loop(*arrays, *scalars)``, on several cores if the rows are worth it.

    Parameters
    ----------
    loop : function of `compile_cpu`
        Must not raise, and must compute each row independently of the others.
    arrays : tuple of arrays or None
        Arrays with the same number of rows; a part of the work gets a slice of each.
    *scalars
        Further arguments, the same for each part; arrays among them are passed whole.
    width : int, default 1
        Elements per row.
    speed : int, default 1
        Elements that the loop processes in the time of one element of an optimizer's update.
    multiple : int, optional
        Rows per part are a multiple of this, except in the last part.
    extras : {0, 1, 2}, default 0
        With 1 the loop gets the index of its first row between arrays and scalars, with 2 also the address of
        SCRATCH_BYTES bytes of scratch memory.

    Raises
    ------
    CompilationError
        If the loop cannot be compiled. Nothing has run then.
    """
    rows = arrays[0].shape[0]
    parts, step = rows * width // (GRAIN * speed), rows or 1
    if parts > 1 and (size := the_team().size) > 1:
        step = -(-rows // min(parts, SHARE * size))
        step += -step % (multiple or (ALIGNED if width == 1 else 1))
    _run(_runner(loop, extras), arrays, scalars, rows, step)


def prepare(
    loop: Any, rows: int, *, width: int = 1, speed: int = 1, extras: int = 0
) -> Callable[[tuple, tuple], None] | None:
    """Return a function of arrays and scalars that does the same as `spread`, or None if it may take several cores.

    It does without the choice of the parts, which takes longer than a small loop. Do not call it while loops are
    collected.

    Parameters
    ----------
    loop : function of `compile_cpu`
        As for `spread`; compiled before.
    rows : int
        Rows of the arrays.
    width, speed, extras : int
        As for `spread`.

    Returns
    -------
    callable or None
        The function ``run(arrays, scalars)``.
    """
    if rows * width // (GRAIN * speed) > 1:
        return None
    return functools.partial(_run_alone, _runner(loop, extras), rows, rows or 1)


def run_once(loop: Any, *arguments: Any) -> None:
    """Run ``loop(*arguments)`` on the calling thread; the loop of `compile_cpu` must not raise."""
    _run(_runner(loop, 0), (), arguments, 1, 1)


def compile_ahead(loop: Any, arrays: tuple, *scalars: Any, extras: int = 0) -> None:
    """Compile a loop for arguments of these types without running it."""
    with _working() as scratch:
        _runner(loop, extras)(0, scratch, 0, arrays, scalars, 0, 1)


class Job(NamedTuple):
    """A loop with its arguments, its number of rows, and the rows of a part."""

    runner: Callable[..., int]  # result of `_runner`
    arrays: tuple
    scalars: tuple
    rows: int
    step: int


def _run(runner: Callable[..., int], arrays: tuple, scalars: tuple, rows: int, step: int) -> None:
    """Run all parts of a loop, or note it while loops are collected."""
    collected = getattr(_thread, "jobs", None)
    if collected is not None:
        collected.append(Job(runner, arrays, scalars, rows, step))
    elif step >= rows:
        _run_alone(runner, rows, step, arrays, scalars)
    else:
        the_team().run(Job(runner, arrays, scalars, rows, step))


def _run_alone(runner: Callable[..., int], rows: int, step: int, arrays: tuple, scalars: tuple) -> None:
    """Run all parts of a loop on this thread."""
    worker = getattr(_thread, "worker", None) or _working()
    worker.busy = True  # as `with worker` does, without its calls
    if _ending is not None:
        worker.__enter__()
    try:
        runner(0, worker.scratch, 0, arrays, scalars, rows, step)
    finally:
        worker.busy = False


# Of each thread: `jobs`, the list that collects its jobs, or None; `worker`, if it has run compiled code.
_thread = threading.local()


class _Worker:
    """A thread while it runs compiled code, with the address of its scratch memory (`with worker as scratch`).

    When the process ends, its last thread waits for the compiled code of all others, whose memory is about to be freed,
    and they do not begin again: daemon threads would crash the process otherwise.
    """

    __slots__ = ("__weakref__", "busy", "memory", "scratch")

    def __init__(self) -> None:
        self.memory = np.empty(SCRATCH_BYTES, np.uint8)
        self.scratch: int = self.memory.ctypes.data
        self.busy = False
        _workers.add(self)

    def __enter__(self) -> int:
        self.busy = True
        if _ending is not None and _ending != threading.get_ident():
            self.busy = False
            threading.Event().wait()
        return self.scratch

    def __exit__(self, *error: object) -> None:
        self.busy = False


_workers: weakref.WeakSet[_Worker] = weakref.WeakSet()
_ending: int | None = None  # the thread that ends the process


def _working() -> _Worker:
    """Return the worker of this thread."""
    try:
        return _thread.worker
    except AttributeError:
        _thread.worker = _Worker()
        return _thread.worker


@atexit.register
def _wait_for_workers() -> None:
    """Wait until no other thread runs compiled code, at the end of the process, and let none begin again."""
    global _ending
    _ending = threading.get_ident()
    limit = time.monotonic() + LONGEST_END
    while any(worker.busy for worker in list(_workers)) and time.monotonic() < limit:
        time.sleep(0.001)


@contextlib.contextmanager
def collecting() -> Iterator[list[Job]]:
    """Within the block, append this thread's jobs to the list instead of running them."""
    _thread.jobs = []
    try:
        yield _thread.jobs
    finally:
        _thread.jobs = None


class NotOnlyLoops(Exception):
    """A launch that does more than run loops."""


def runs_host_code() -> None:
    """Declare that the launcher continues with something other than a loop; raise NotOnlyLoops while collecting."""
    if getattr(_thread, "jobs", None) is not None:
        raise NotOnlyLoops


class Program:
    """Jobs that one call of compiled code runs, each time with the same arguments."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = list(jobs)  # keeps the arrays alive
        self._memory = np.zeros((len(self._jobs), MEMORY // 8), np.int64)
        self._words = np.empty((len(self._jobs), JOB), np.int64)
        for job, memory, words in zip(self._jobs, self._memory, self._words, strict=True):
            address = memory.ctypes.data
            function = job.runner(0, 0, address, job.arrays, job.scalars, job.rows, job.step)
            words[:] = function, address, job.rows, job.step
        self._alone = all(job.step >= job.rows for job in self._jobs)
        run_program(0, 0, self._words[:0])  # compiles it: a program that exists can run

    def __call__(self) -> None:
        the_team().lead(run_program, self._alone, self._words)


class Team:
    """Threads that run the parts of a job: the leader and `size` − 1 members. Created by `the_team`."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._words = np.zeros((CLAIMS + size * LINE) // 8, np.int64)
        self._words[SIZE // 8] = size
        self._address = self._words.ctypes.data
        self._lead = threading.Lock()
        self._awake = threading.Event()
        if size > 1:
            watch(self._address, 0, 0, 0)  # compiles it here, where an error has a caller
        self._members = [
            threading.Thread(target=self._serve, args=(i,), name=f"gpugrad-{i}", daemon=True) for i in range(1, size)
        ]
        for member in self._members:
            member.start()

    def run(self, job: Job) -> None:
        """Run all parts of a job."""
        self.lead(job.runner, False, 0, job.arrays, job.scalars, job.rows, job.step)

    def lead(self, function: Any, alone: bool, *arguments: Any) -> None:
        """Call ``function(team, scratch, *arguments)``; team is 0 if `alone`, or while another thread leads."""
        with _working() as scratch:
            if alone or not self._lead.acquire(blocking=False):
                function(0, scratch, *arguments)
                return
            try:
                if not self._awake.is_set():
                    self._wake()
                function(self._address, scratch, *arguments)
            finally:
                self._lead.release()

    def close(self) -> None:
        """End the threads."""
        self._words[STOP // 8] = 1
        self._awake.set()
        for member in self._members:
            member.join()

    def _wake(self) -> None:
        """Wake the members on cores other than this thread's.

        In a virtual machine Linux treats a sleeping core as busy, and queues a waking thread on the core of the thread
        that woke it: a job of 6 ms was over before the member began.
        """
        if hasattr(os, "sched_setaffinity"):
            with contextlib.suppress(OSError):  # a sandbox may forbid it
                others = os.sched_getaffinity(0) - {_libc().sched_getcpu()}
                for member in self._members if others else ():
                    os.sched_setaffinity(member.native_id or 0, others)
        self._awake.set()

    def _serve(self, me: int) -> None:
        """Work as a member until the team is closed."""
        worker = _Worker()  # keeps the memory alive; `close` waits for members
        while not self._words[STOP // 8]:
            watch(self._address, worker.scratch, me, PATIENCE)
            self._awake.clear()
            if not self._words[STOP // 8]:
                self._awake.wait()


@functools.cache
def _libc() -> Any:
    return ctypes.CDLL(None)


def the_team() -> Team:
    """Return the team of this process, one thread per core; create it at the first call."""
    return _team or _create_team()


def _create_team() -> Team:
    global _team
    with _creation:
        if _team is None:
            _team = Team(cores())
            atexit.register(_team.close)  # compiled code must not run while the interpreter frees it
        return _team


def _forget_team() -> None:
    """Begin without a team in the child of a fork, which threads do not survive."""
    global _team, _creation
    _team, _creation = None, threading.Lock()
    _workers.clear()
    _thread.__dict__.pop("worker", None)


_team: Team | None = None
_creation = threading.Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_team)


@functools.cache
def _runner(loop: Any, extras: int) -> Callable[..., int]:
    """Return the compiled function that outlines a loop and runs it, or leaves its arguments in `memory` (not 0).

    It is a copy of `_run_outlined` with the loop as a global, so that compiling it inlines the loop. Numba's cache
    finds functions by name, file and line: the copy has those of the loop.
    """
    origin = loop.py_func.__code__
    name = f"{origin.co_name}_runner_{extras}"
    place = {"co_filename": origin.co_filename, "co_firstlineno": origin.co_firstlineno, "co_name": name}
    code = _run_outlined.__code__.replace(**place)
    function = types.FunctionType(code, globals() | {"loop": loop, "extras": extras}, name)
    function.__qualname__, function.__module__ = name, loop.py_func.__module__
    return compile_and_cache(function)


def _run_outlined(team, scratch, memory, arrays, scalars, rows, step):
    """Template of `_runner`; returns the address of the outlined loop."""
    function, arguments = outline(loop, arrays, scalars, extras, memory)  # noqa: F821
    if memory == 0:
        run_job(team, scratch, function, arguments, rows, step)
    return function
