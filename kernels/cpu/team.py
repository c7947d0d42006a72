"""Loops over many rows, shared out over the cores by a team of threads that stay in compiled code.

A thread of Python takes some 50 µs to wake, and the loops of a small network take less. So the members of the team
watch a word in memory for a while after their last job, half a millisecond, before they sleep: a job then begins 1 µs
after it is posted. Whoever posts it, the leader, works too. Parts are taken one at a time, so that nobody waits for a
member that does not come, only for one that is at work on a part.

No other threads compute in a step: two teams that both wait for work on the same cores, Numba's parallel loops and
those of OpenBLAS, turned a step of 0.5 ms into one of 8.7 ms.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import os
import threading
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from .atomics import add, load, pause, replace, store
from .options import compile_and_keep, compile_cpu
from .outline import MEMORY, call, outline

GRAIN = 1 << 13  # elements of a part at least, of speed 1: some 5 µs of an optimizer, exponentials or random numbers
LIGHT = 8  # the speed of a loop that compares, adds or multiplies
ALIGNED = 64  # elements: a flat part but the last is whole vectors and cache lines: its bits do not depend on the cut
PATIENCE = 20_000  # pauses before a member sleeps
SCRATCH_BYTES = 1 << 21  # bytes that each thread has for the loops that want some

# The words of a team, as offsets in bytes. TICKET is the number of the job and that of the next part to be taken, in
# the lowest bits; there they are all set while a job is being posted.
TICKET, DONE, STOP, FUNCTION, ARGUMENTS, ROWS, STEP, PARTS = 0, 64, 128, 192, 200, 208, 216, 224
WORDS = 32
PART = (1 << 16) - 1


def cores() -> int:
    """The cores that this process may run on, or fewer where GPUGRAD_THREADS says so, or OMP_NUM_THREADS without it."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for name in ("GPUGRAD_THREADS", "OMP_NUM_THREADS"):
        wanted = os.environ.get(name, "").partition(",")[0].strip()
        if wanted.isdigit() and int(wanted) > 0:
            return min(there, int(wanted))
    return there


def spread(
    loop: Any,
    arrays: tuple,
    *scalars: Any,
    width: int = 1,
    speed: int = 1,
    multiple: int | None = None,
    tell: int = 0,
) -> None:
    """loop(*arrays, *scalars), whose rows are independent: with parts of the rows on several cores, if they are many.

    loop: of `compile_cpu`; must not raise. arrays: of the same number of rows, or None. width: elements of a row.
    speed: how many elements the loop does while an optimizer's does one. multiple: of rows in a part, but the last one.
    tell: 1 for the number of the first row before the scalars, 2 for that and the address of SCRATCH_BYTES bytes.
    """
    rows = arrays[0].shape[0]
    parts, step = rows * width // (GRAIN * speed), rows or 1
    if parts > 1 and (parts := min(parts, the_team().size)) > 1:
        step = -(-rows // parts)
        step += -step % (multiple or (ALIGNED if width == 1 else 1))
    _do(_shared(loop, tell), arrays, scalars, rows, step)


def once(loop: Any, *arguments: Any) -> None:
    """loop(*arguments), on this thread; loop: of `compile_cpu`; must not raise."""
    _do(_shared(loop, 0), (), arguments, 1, 1)


class Job(NamedTuple):
    """A loop of `_shared`, its arguments, and how many rows there are in all and in a part."""

    shared: Callable[..., int]
    arrays: tuple
    scalars: tuple
    rows: int
    step: int


def _do(shared: Callable[..., int], arrays: tuple, scalars: tuple, rows: int, step: int) -> None:
    """Run all parts of a loop, or note it where loops are collected."""
    collected = getattr(_here, "jobs", None)
    if collected is not None:
        collected.append(Job(shared, arrays, scalars, rows, step))
    elif step >= rows:
        shared(0, the_team().own_scratch(), 0, arrays, scalars, rows, step)
    else:
        the_team().run(Job(shared, arrays, scalars, rows, step))


_here = threading.local()  # `jobs`: those that are collected on this thread instead of done


@contextlib.contextmanager
def collecting() -> Iterator[list[Job]]:
    """Within the block this thread's loops are not run but put into the list, for a `Program`."""
    _here.jobs = []
    try:
        yield _here.jobs
    finally:
        _here.jobs = None


class NotCollectable(Exception):
    """A launch does something else than running loops."""


def at_once() -> None:
    """Said before anything else than a loop is done. Raises NotCollectable where loops are collected."""
    if getattr(_here, "jobs", None) is not None:
        raise NotCollectable


class Program:
    """Jobs that are run again and again with the same arguments, by one call of compiled code."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = list(jobs)  # keeps their arrays
        self._memory = np.zeros((len(self._jobs), MEMORY // 8), np.int64)
        self._words = np.empty((len(self._jobs), 4), np.int64)
        for job, memory, words in zip(self._jobs, self._memory, self._words, strict=True):
            address = memory.ctypes.data
            function = job.shared(0, 0, address, job.arrays, job.scalars, job.rows, job.step)
            words[:] = function, address, job.rows, job.step
        self._alone = all(job.step >= job.rows for job in self._jobs)

    def __call__(self) -> None:
        the_team().lead(_run_program, self._alone, self._words)


class Team:
    """Threads that wait for parts of a loop, `size` with the one that leads; made by `the_team`."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._words = np.zeros(WORDS, np.int64)
        self._address = self._words.ctypes.data
        self._scratch = threading.local()
        self._lead = threading.Lock()
        self._awake = threading.Event()
        self._members = [threading.Thread(target=self._serve, name=f"gpugrad-{i}", daemon=True) for i in range(1, size)]
        for member in self._members:
            member.start()

    def run(self, job: Job) -> None:
        """Run all parts of a job."""
        self.lead(job.shared, False, 0, job.arrays, job.scalars, job.rows, job.step)

    def lead(self, function: Any, alone: bool, *arguments: Any) -> None:
        """function(team, scratch, *arguments); the team is 0 if `alone`, or where another thread leads just now."""
        scratch = self.own_scratch()
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
        self._words[STOP // 8] = 1
        self._awake.set()
        for member in self._members:
            member.join()

    def _wake(self) -> None:
        """Wake the members, on other cores than this thread's.

        In a virtual machine Linux takes a core that sleeps for one that is not there, and lets a thread that wakes wait
        on the core of the one that woke it: a job of 6 ms was done before its member began.
        """
        if hasattr(os, "sched_setaffinity"):
            with contextlib.suppress(OSError):  # of a sandbox that does not allow it
                others = os.sched_getaffinity(0) - {_libc().sched_getcpu()}
                for member in self._members if others else ():
                    os.sched_setaffinity(member.native_id or 0, others)
        self._awake.set()

    def own_scratch(self) -> int:
        """The address of the scratch of the calling thread: memory that is used from the first time it is wanted."""
        try:
            return self._scratch.address
        except AttributeError:
            self._scratch.memory = np.empty(SCRATCH_BYTES, np.uint8)
            self._scratch.address = self._scratch.memory.ctypes.data
            return self._scratch.address

    def _serve(self) -> None:
        scratch = self.own_scratch()
        while not self._words[STOP // 8]:
            _watch(self._address, scratch, PATIENCE)
            self._awake.clear()
            if not self._words[STOP // 8]:
                self._awake.wait()


@functools.cache
def _libc() -> Any:
    return ctypes.CDLL(None)


@functools.cache
def the_team() -> Team:
    """The team of this process, of all its cores; made at the first call."""
    team = Team(cores())
    atexit.register(team.close)  # no thread may run compiled code while the interpreter frees it
    return team


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=the_team.cache_clear)  # threads do not survive a fork


# ---- compiled ----


@compile_cpu
def _post_and_work(team, scratch, function, arguments, rows, step):
    """Post a job and work on it until all of it is done; alone if `team` is 0."""
    if team == 0:
        for start in range(0, rows, step):
            call(function, arguments, start, min(start + step, rows), scratch)
        return
    job = (load(team + TICKET) | PART) + 1
    store(team + TICKET, job | PART)  # nobody takes a part before all words are written
    store(team + FUNCTION, function)
    store(team + ARGUMENTS, arguments)
    store(team + ROWS, rows)
    store(team + STEP, step)
    store(team + PARTS, -(-rows // step))
    store(team + DONE, 0)
    store(team + TICKET, job)
    _work(team, scratch)
    while load(team + DONE) < load(team + PARTS):
        pause()


@compile_cpu
def _work(team, scratch):
    """Take parts until none is left."""
    while True:
        ticket = load(team + TICKET)
        if ticket & PART >= load(team + PARTS):
            return
        function, arguments = load(team + FUNCTION), load(team + ARGUMENTS)
        rows, step = load(team + ROWS), load(team + STEP)
        # Whoever changes the ticket has the part, and has read the words of its job: another one has another ticket.
        if replace(team + TICKET, ticket, ticket + 1):
            start = (ticket & PART) * step
            call(function, arguments, start, min(start + step, rows), scratch)
            add(team + DONE, 1)


@compile_and_keep
def _watch(team, scratch, patience):
    """Work on every job that is posted; return after so many pauses without one, or when the team ends."""
    left = patience
    while left > 0 and load(team + STOP) == 0:
        if load(team + TICKET) & PART < load(team + PARTS):
            _work(team, scratch)
            left = patience
        else:
            pause()
            left -= 1


@compile_and_keep
def _run_program(team, scratch, jobs):
    """The jobs one after the other: rows of function, arguments, rows, step."""
    for i in range(jobs.shape[0]):
        function, arguments, rows, step = jobs[i]
        _post_and_work(team if step < rows else 0, scratch, function, arguments, rows, step)


@functools.cache
def _shared(loop: Any, told: int) -> Callable[..., int]:
    """The compiled function that outlines a loop, and runs it, or with `memory` leaves its arguments there.

    It has the loop as a global, and the name and the file of the loop, by which Numba keeps what it compiled.
    """
    origin = loop.py_func.__code__
    name = f"{origin.co_name}_shared_{told}"
    place = {"co_filename": origin.co_filename, "co_firstlineno": origin.co_firstlineno, "co_name": name}
    code = _run_outlined.__code__.replace(**place)
    function = types.FunctionType(code, globals() | {"loop": loop, "told": told}, name)
    function.__qualname__, function.__module__ = name, loop.py_func.__module__
    return compile_and_keep(function)


def _run_outlined(team, scratch, memory, arrays, scalars, rows, step):
    function, arguments = outline(loop, arrays, scalars, told, memory)  # noqa: F821
    if memory == 0:
        _post_and_work(team, scratch, function, arguments, rows, step)
    return function
