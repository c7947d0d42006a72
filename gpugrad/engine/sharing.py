"""What threads share of a device and what each has for itself: turns, properties computed once, state of a thread."""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any

from ..kernels.fork import LOADING
from .recorder import Recorder

Observer = Callable[[Any, tuple, dict[str, Any]], None]  # (launch, arrays, scalars)


class Turns:
    """Reentrant lock that is passed on to the thread that has waited longest.

    Python's locks may be taken again and again by a thread that releases them for a moment, such as one that trains,
    while others wait. In the child of a fork it is free, unless the thread that forked holds it.
    """

    def __init__(self) -> None:
        self._owner: int | None = None
        self._depth = 0
        self._leave_to_this_thread()
        _all.add(self)

    def _leave_to_this_thread(self) -> None:
        """Forget all other threads, which do not exist in the child of a fork."""
        self._mutex = threading.Lock()
        self._waiting: deque[tuple[int, threading.Lock]] = deque()
        if self._owner != threading.get_ident():
            self._owner, self._depth = None, 0

    def __reduce__(self) -> tuple:
        return Turns, ()  # a copy is free

    def __enter__(self) -> None:
        me = threading.get_ident()
        with self._mutex:
            if self._owner in (None, me):
                self._owner = me
                self._depth += 1
                return
            gate = threading.Lock()
            gate.acquire()
            self._waiting.append((me, gate))
        try:
            gate.acquire()
        except BaseException:  # an interrupt
            with self._mutex:
                if (me, gate) in self._waiting:
                    self._waiting.remove((me, gate))
                    raise
            self.__exit__(None, None, None)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._mutex:
            self._depth -= 1
            if self._depth:
                return
            self._owner = None
            if self._waiting:
                self._owner, gate = self._waiting.popleft()
                self._depth = 1
                gate.release()


_all: weakref.WeakSet[Turns] = weakref.WeakSet()


def _leave_all() -> None:
    for turns in list(_all):
        turns._leave_to_this_thread()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_all)


class once:
    """Property of an object that one thread computes at first use, while the others wait, and so do forks."""

    def __init__(self, compute: Callable[[Any], Any]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, owner: Any, kind: type | None = None) -> Any:
        if owner is None:
            return self
        with LOADING:
            if self._name not in owner.__dict__:
                owner.__dict__[self._name] = self._compute(owner)  # from now on found before this
        return owner.__dict__[self._name]


class OfThread(threading.local):
    """What each thread has for itself on a device: what sees its launches, and scratch.

    Attributes
    ----------
    recorder : Recorder or None
        The recording in progress.
    profiler : function or None
        Makes and times each launch.
    observers : tuple of function
        Called after each launch.
    scratch : dict
        Arrays by kind and dtype; during a recording those of the step, which another thread may replay.
    """

    recorder: Recorder | None = None
    profiler: Observer | None = None
    observers: tuple[Observer, ...] = ()

    def __init__(self) -> None:
        self.scratch: dict[tuple, Any] = {}
