"""Measure the cost of a launch on a GPU: with CuPy or Numba, alone, in graphs, and in a whole step."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import gpugrad as gg
from gpugrad import nn, optim

ELEMENTS = 256  # array size of a launch, so small that its work takes no time
STEP = 10  # launches per step, approximately; a round has this many times fewer steps


@dataclass(frozen=True)
class Effort:
    """The amount to measure: calls per round, rounds, launches per graph, and the network of the whole step."""

    calls: int = 500
    rounds: int = 15
    nodes: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64)
    network: tuple[int, int, int] = (784, 128, 10)
    batch: int = 64


QUICK = Effort(calls=2, rounds=2, nodes=(1, 2), network=(4, 3, 2), batch=4)  # only checks that it works
Row = dict[str, Any]


def launches(device: Any, effort: Effort) -> Iterator[Row]:
    """Measure a launch of the smallest optimizer, eagerly and in graphs of several."""
    launcher = device.kernels.sgd_step
    ones = np.ones(ELEMENTS, np.float32)
    arguments = (device.upload(ones), device.upload(ones[:1]), None, device.upload(ones), None)
    with device.current():
        yield row("launch, arguments checked", lambda: launcher(*arguments), device, effort)
        yield row("launch alone", lambda: launcher.launch(*arguments), device, effort)
    for nodes in effort.nodes:
        replay = device.replayer([lambda: launcher.launch(*arguments)] * nodes)
        yield row(f"graph of {nodes}", replay, device, effort)


def steps(device: Any, effort: Effort) -> Iterator[Row]:
    """Measure a whole training step with Adam, through the tape and recorded."""
    n_in, hidden, n_out = effort.network
    rng = np.random.default_rng(0)
    x = gg.tensor(rng.normal(size=(effort.batch, n_in)).astype(np.float32), device=device)
    y = gg.tensor(rng.integers(0, n_out, effort.batch).astype(np.int32), device=device)
    model = nn.MLP(n_in, [hidden], n_out, seed=0).to(device)
    optimizer, criterion = optim.Adam(model.parameters(), lr=1e-3), nn.CrossEntropyLoss()

    def step() -> Any:
        loss = criterion(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    fewer = replace(effort, calls=max(1, effort.calls // STEP))
    yield row("step through the tape", step, device, fewer)
    yield row("step recorded", gg.record(step, device), device, fewer)


def row(what: str, work: Callable[[], Any], device: Any, effort: Effort) -> Row:
    """Measure the seconds of a call: median, 20th and 80th percentile over rounds of several calls and a wait."""
    work()
    device.synchronize()
    rounds = []
    for _ in range(effort.rounds):
        start = time.perf_counter()
        for _ in range(effort.calls):
            work()
        device.synchronize()
        rounds.append((time.perf_counter() - start) / effort.calls)
    low, high = np.percentile(rounds, (20, 80))
    return {"what": what, "median": statistics.median(rounds), "low": float(low), "high": float(high)}
