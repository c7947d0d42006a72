"""Run each engine in its own process: thread pools of several engines in one process slow each other down."""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Any

from ...errors import KernelError
from ..engines import Engine, Entry
from .networks import Problem, Weights

PAUSE = 0.5  # seconds; idle threads of the previous engine spin for up to 0.2 s before they sleep


class EngineError(KernelError):
    """An engine cannot be measured: it failed, its process died, or it trains a different network from gpugrad's."""

    def __init__(self, engine: str, message: str) -> None:
        super().__init__(message)
        self.engine = engine


class Worker:
    """An engine in another process. The process measures the times, so they exclude communication."""

    def __init__(self, entry: Entry, problem: Problem, device: str) -> None:
        context = multiprocessing.get_context("spawn")
        self.name = entry.name
        self._pipe, there = context.Pipe()
        self._process = context.Process(target=_work, args=(there, entry, problem, device), daemon=True)
        self._process.start()
        there.close()

    def train(self, epoch: int) -> float:
        """Train an epoch and return its seconds."""
        time.sleep(PAUSE)
        return self.run(_seconds_of, epoch)

    def weights(self) -> Weights:
        """Return (w, b) of each layer."""
        return self.run(_weights)

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join()

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return ``function(engine, *arguments)``, computed in the process; the function is one of a module."""
        try:
            self._pipe.send((function, *arguments))
            answer = self._pipe.recv()
        except (EOFError, OSError):
            message = f"the process of {self.name} died: leave it out with --engines"
            raise EngineError(self.name, message) from None
        if isinstance(answer, Exception):
            raise EngineError(self.name, str(answer))
        return answer


@contextlib.contextmanager
def workers(entries: Sequence[Entry], problem: Problem, device: str) -> Iterator[list[Worker]]:
    """Start a worker for each engine; their processes end with the block."""
    with contextlib.ExitStack() as stack:
        made = []
        for entry in entries:
            made.append(Worker(entry, problem, device))
            stack.callback(made[-1].close)
        yield made


def _seconds_of(engine: Engine, epoch: int) -> float:
    start = time.perf_counter()
    engine.train(epoch)
    return time.perf_counter() - start


def _weights(engine: Engine) -> Weights:
    return engine.weights()


def _work(pipe: Connection, entry: Entry, problem: Problem, device: str) -> None:
    engine: Engine | None = None
    with contextlib.suppress(EOFError, OSError):  # the other end is closed
        while True:
            function, *arguments = pipe.recv()
            try:
                engine = engine or entry.make(problem, device)
                answer = function(engine, *arguments)
            except Exception as error:
                answer = KernelError(f"{entry.name} failed: {type(error).__name__}: {error}")
            pipe.send(answer)
