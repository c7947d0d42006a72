"""Time predictions of single rows: alone, and while another thread of the process trains another network.

Each engine has a process of its own. It predicts one row, waits for a millisecond and predicts the next one, as a
server does that is asked now and then; the training of the other thread never pauses.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from ..engines import OWN, Engine, Entry
from .networks import Problem
from .workers import workers

PAUSE = 1e-3  # seconds between two predictions
ROWS = 1000  # rows to predict
UNTIMED = 100  # first predictions, in which engines compile
Row = dict[str, Any]


def measure(
    problem: Problem,
    entries: Sequence[Entry],
    device: str,
    *,
    calls: int = 500,
    rounds: int = 4,
    on_row: Callable[[Row], None] = print,
) -> list[Row]:
    """Measure the seconds of a prediction of one row.

    Parameters
    ----------
    problem : Problem
        The network, and what the other thread trains on.
    entries : sequence of Entry
        The engines, gpugrad first.
    device : str
        Name of the device.
    calls : int, default 500
        Predictions per round.
    rounds : int, default 4
        Number of rounds, in which the engines take turns.
    on_row : function
        Called with each row.

    Returns
    -------
    list of dict
        Two rows per engine, with `training` False and True: the median, the 99th percentile `p99`, and `times_ours`,
        the median ratio of the 99th percentiles to gpugrad's of the same round.
    """
    times: dict[tuple[bool, str], list[np.ndarray]] = {}
    x = problem.x[:ROWS].astype(np.float32) * np.float32(problem.scale)
    with workers(entries, problem, device) as engines:
        for engine in engines:
            engine.train(0)
        for _ in range(rounds):
            for training in (False, True):
                for entry, engine in zip(entries, engines, strict=True):
                    other = (entry, problem, device) if training else None
                    measured = engine.run(latencies, x, calls, other)
                    times.setdefault((training, entry.name), []).append(measured)
    rows = []
    for (training, name), parts in times.items():
        p99 = [np.percentile(part, 99) for part in parts]
        ours = [np.percentile(part, 99) for part in times[training, OWN]]
        every = np.concatenate(parts)
        rows.append(
            {
                "network": problem.network,
                "batch": problem.batch,
                "engine": name,
                "device": device,
                "training": training,
                "median": float(np.median(every)),
                "low": float(np.percentile(every, 20)),
                "high": float(np.percentile(every, 80)),
                "p99": float(np.percentile(every, 99)),
                "runs": len(every),
                "times_ours": float(np.median(np.divide(p99, ours))),
            }
        )
        on_row(rows[-1])
    return rows


def latencies(engine: Engine, x: np.ndarray, calls: int, other: tuple[Entry, Problem, str] | None) -> np.ndarray:
    """Return the seconds of `calls` predictions of one row of `x` each, while an engine made of `other` trains."""
    seconds = np.empty(calls + UNTIMED)
    with _training(*other) if other else contextlib.nullcontext():
        for i in range(len(seconds)):
            row = x[i % len(x)][None]
            time.sleep(PAUSE)
            start = time.perf_counter()
            engine.predict(row)
            seconds[i] = time.perf_counter() - start
    return seconds[UNTIMED:]


@contextlib.contextmanager
def _training(entry: Entry, problem: Problem, device: str) -> Iterator[None]:
    """Train in another thread within the block."""
    engine, ended = entry.make(problem, device), threading.Event()
    engine.train(0)  # compiles it

    def train() -> None:
        for epoch in itertools.count(1):
            if ended.is_set():
                return
            engine.train(epoch)

    with ThreadPoolExecutor(1) as pool:
        training = pool.submit(train)
        try:
            yield
        finally:
            ended.set()
        training.result()
