"""Locks that a fork waits for: its child has none of the threads that would release them."""

from __future__ import annotations

import logging  # noqa: F401  registers its lock first: hooks run in reverse, and threads log while they hold these locks
import os
import threading
from typing import Any, Protocol


class Lock(Protocol):
    """A reentrant lock."""

    def acquire(self) -> Any: ...
    def release(self) -> Any: ...


# Held while a thread loads modules or launchers. It is taken before Numba's lock, never within it.
LOADING: Any = threading.RLock()

_locks: list[Lock] = [LOADING]  # in the order in which threads take them
_held: list[Lock] = []


def waits_for(lock: Lock) -> None:
    """Let forks wait for a lock, which threads take after those of earlier calls.

    Parameters
    ----------
    lock : Lock
        The lock; reentrant, since a thread that holds it may fork.
    """
    _locks.append(lock)


def _hold() -> None:
    for lock in _locks:  # not a copy: the thread that held LOADING may have added its locks
        lock.acquire()
        _held.append(lock)


def _release() -> None:
    while _held:
        _held.pop().release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_hold, after_in_parent=_release, after_in_child=_release)
