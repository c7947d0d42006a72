"""Whole training steps, and the time to an accuracy: gpugrad beside its peers, from the same weights on the same rows.

First every engine trains the same few steps, and must get to the same loss. Then all train epoch after epoch, in an
order that turns by one engine an epoch, so that a change in the machine's speed meets them all. The first epoch, in
which engines compile, is told apart. Accuracies are measured outside the clock, after the same number of steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...errors import ArgumentError, DeviceError
from ..engines import ENGINES, OWN, Entry, key
from .networks import Problem, test_scores
from .timing import Timing
from .workers import EngineError, workers

CHECK_STEPS = 20
CHECK_TOLERANCE = 1e-3  # of the test loss after CHECK_STEPS steps; roundings grow to some 1e-5 in them
Row = dict[str, Any]


def choose(kind: str, names: Sequence[str] | None = None) -> tuple[list[Entry], list[str]]:
    """The engines to measure on a kind of device, gpugrad first, and the names of those that cannot be used there.

    names: beside gpugrad, such as "JAX scan" or jax-scan; None: all that are worth measuring there. Raises
    ArgumentError for an unknown name, DeviceError for one that is asked for and cannot be used.
    """
    known = {entry.key: entry for entry in ENGINES}
    for name in names or ():
        if key(name) not in known:
            raise ArgumentError(f"unknown engine {name!r}, expected one of {', '.join(known)}")
        entry = known[key(name)]
        if not entry.installed:
            raise DeviceError(f"{entry.name} needs {entry.package}, which is not installed: install it or leave it out")
        if not entry.supports(kind):
            raise DeviceError(
                f"{entry.name} needs a {entry.package} that computes on {kind}: install such a one or leave it out"
            )
    asked = None if names is None else set(map(key, names))
    wanted = [e for e in ENGINES if e.name == OWN or (kind in e.kinds if asked is None else e.key in asked)]
    usable = [e for e in wanted if e.installed and e.supports(kind)]
    return usable, [e.name for e in wanted if e not in usable]


def check_agreement(problem: Problem, entries: Sequence[Entry], device: str) -> None:
    """Raises EngineError unless all engines have the test loss of gpugrad after a few steps from the same weights."""
    short = problem.first(CHECK_STEPS)
    losses = {}
    with workers(entries, short, device) as engines:
        for engine in engines:
            engine.train(0)
            losses[engine.name] = test_scores(short, engine.weights())[0]
    for name, loss in losses.items():
        if not abs(loss - losses[OWN]) <= CHECK_TOLERANCE * losses[OWN]:
            raise EngineError(
                name,
                f"{name} has the test loss {loss:.6f} after {short.steps} steps of {problem.network}, gpugrad "
                f"{losses[OWN]:.6f}: they do not train the same network, so their times cannot be compared",
            )


def measure_steps(
    problem: Problem, entries: Sequence[Entry], device: str, *, rounds: int = 5, on_row: Callable[[Row], None] = print
) -> list[Row]:
    """Seconds of a step of each engine, over `rounds` epochs after the first; accuracy after all of them.

    times_ours: the median of the ratios to gpugrad's seconds in the same round, so that what slows the machine down
    for a while counts on both sides of it.
    """
    check_agreement(problem, entries, device)
    seconds: dict[str, list[float]] = {entry.name: [] for entry in entries}
    with workers(entries, problem, device) as engines:
        for engine in engines:
            engine.weights()  # waits until it is made: no import of one in the time of another
        for epoch in range(rounds + 1):
            turn = epoch % len(engines)
            for engine in engines[turn:] + engines[:turn]:
                seconds[engine.name].append(engine.train(epoch) / problem.steps)
        accuracies = {engine.name: test_scores(problem, engine.weights())[1] for engine in engines}
    rows = []
    for name, accuracy in accuracies.items():
        timing = Timing.of(seconds[name][1:], True)
        rows.append(
            {
                "network": problem.network,
                "batch": problem.batch,
                "engine": name,
                "device": device,
                "data": problem.data,
                "median": timing.median,
                "low": timing.low,
                "high": timing.high,
                "runs": timing.runs,
                "steps": problem.steps * (rounds + 1),
                "first": seconds[name][0] * problem.steps,
                "accuracy": accuracy,
                "times_ours": float(np.median(np.divide(seconds[name][1:], seconds[OWN][1:]))),
            }
        )
        on_row(rows[-1])
    return rows


def measure_time_to_accuracy(
    problem: Problem,
    entries: Sequence[Entry],
    device: str,
    *,
    target: float = 0.975,
    most_epochs: int = 20,
    on_row: Callable[[Row], None] = print,
) -> list[Row]:
    """Seconds of training until the test accuracy is at least `target`, evaluated after each epoch off the clock.

    The first epoch, in which engines compile, counts as long as the second. Seconds are None where the target is not
    reached in `most_epochs`.
    """
    rows = []
    for entry in entries:
        times: list[float] = []
        accuracy = 0.0
        with workers([entry], problem, device) as (engine,):
            while accuracy < target and len(times) < most_epochs:
                times.append(engine.train(len(times)))
                accuracy = test_scores(problem, engine.weights())[1]
            epochs = len(times)
            if epochs == 1:
                times.append(engine.train(1))
        seconds, reached = times[1] + sum(times[1:epochs]), accuracy >= target
        rows.append(
            {
                "network": problem.network,
                "batch": problem.batch,
                "engine": entry.name,
                "device": device,
                "data": problem.data,
                "target": target,
                "seconds": seconds if reached else None,
                "epochs": epochs,
                "accuracy": accuracy,
                "reached": reached,
            }
        )
        on_row(rows[-1])
    return rows
