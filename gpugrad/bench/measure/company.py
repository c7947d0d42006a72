"""Processes that keep cores busy while something else is measured."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Iterator
from multiprocessing.connection import Connection


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """Keep `count` processes computing within the block; the system places them on its cores."""
    context = multiprocessing.get_context("spawn")
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            here, there = context.Pipe()
            process = context.Process(target=_compute, args=(there,), daemon=True)
            process.start()
            stack.callback(process.join)
            stack.callback(process.kill)
            there.close()
            here.recv()  # it computes now
        yield


def _compute(pipe: Connection) -> None:
    pipe.send(None)
    while True:
        pass
