"""Loops over large arrays, shared out over the cores.

A thread of Python takes some 50 µs to wake: only work that takes much longer than that is shared out. The threads are
waiting, not spinning, when they have nothing to do, so the BLAS has the cores to itself in between. (Numba's parallel
loops, whose threads spin, turned a step of 0.5 ms into one of 8.7 ms beside the BLAS.)
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

GRAIN = 1 << 19  # elements for one core at least: 50 µs of the fastest loop in the cache
ALIGNED = 64  # elements: a flat part but the last is whole vectors and cache lines: its bits do not depend on the cut


def cores() -> int:
    """The cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def spread(loop: Callable[..., None], arrays: tuple, *scalars: Any, width: int = 1, tell_start: bool = False) -> None:
    """loop(*arrays, *scalars), whose rows are independent: with parts of the rows on several cores, if they are many.

    arrays: of the same number of rows, or None. width: elements of a row. loop: compiled with nogil; with
    `tell_start` the number of its first row goes before the scalars.
    """
    rows = arrays[0].shape[0]
    parts = min(rows * width // GRAIN, cores())
    if parts < 2:
        loop(*arrays, *(0,) * tell_start, *scalars)
        return
    step = -(-rows // parts)
    if width == 1:
        step += -step % ALIGNED
    cuts = [slice(start, start + step) for start in range(0, rows, step)]
    pieces = [(*(None if a is None else a[cut] for a in arrays), *(cut.start,) * tell_start, *scalars) for cut in cuts]
    waiting = [_pool().submit(loop, *piece) for piece in pieces[1:]]
    loop(*pieces[0])
    for part in waiting:
        part.result()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(1, cores() - 1), thread_name_prefix="gpugrad")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # threads do not survive a fork
