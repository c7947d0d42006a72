"""Time training steps and training to an accuracy: gpugrad and other engines, from the same weights on the same rows.

First every engine trains the same few steps and must reach the same loss. Then the engines take turns, one epoch each,
in an order that rotates by one engine per epoch, so that a change in the machine's speed affects all of them. The
first epoch, in which engines compile, is reported separately. Accuracies are measured outside the timed part, after
the same number of steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...errors import DeviceError
from ...errors import choose as choose_name
from ..engines import ENGINES, OWN, Entry, key
from .networks import Problem, test_scores
from .timing import Timing
from .workers import EngineError, workers

CHECK_STEPS = 20
CHECK_TOLERANCE = 1e-3  # relative difference of the test losses after CHECK_STEPS; rounding causes about 1e-5
Row = dict[str, Any]


def choose(
    kind: str, names: Sequence[str] | None = None, engines: Sequence[Entry] = ENGINES
) -> tuple[list[Entry], list[str]]:
    """Choose the engines to measure on a kind of device.

    Parameters
    ----------
    kind : str
        "cpu" or "cuda".
    names : sequence of str, optional
        Engines in addition to gpugrad, such as "JAX scan" or jax-scan; by default all that are useful there.
    engines : sequence of Entry
        The engines to choose from.

    Returns
    -------
    entries : list of Entry
        The engines, gpugrad first.
    missing : list of str
        Names of engines that cannot be used here.

    Raises
    ------
    ArgumentError
        If a name is unknown.
    DeviceError
        If a named engine cannot be used.
    """
    known = {entry.key: entry for entry in engines}
    for name in names or ():
        entry = known[choose_name("engine", key(name), known)]
        if not entry.installed:
            raise DeviceError(f"{entry.name} needs {entry.package}, which is not installed: install it or leave it out")
        if not entry.supports(kind):
            raise DeviceError(f"{entry.name} needs a {entry.package} build for {kind}: install one or leave it out")
    asked = None if names is None else set(map(key, names))
    wanted = [e for e in engines if e.name == OWN or (kind in e.kinds if asked is None else e.key in asked)]
    usable = [e for e in wanted if e.installed and e.supports(kind)]
    return usable, [e.name for e in wanted if e not in usable]


def check_agreement(problem: Problem, entries: Sequence[Entry], device: str) -> None:
    """Raise EngineError unless all engines reach gpugrad's test loss after a few steps from the same weights."""
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
    """Measure the seconds of a step of each engine over `rounds` epochs after the first, and the final accuracy.

    The median of the ratios to gpugrad's seconds in the same round is ``times_ours``: a temporary slowdown of the
    machine affects both sides of a ratio. ``times_ours_low`` and ``times_ours_high`` are their 20th and
    80th percentile.
    """
    check_agreement(problem, entries, device)
    seconds: dict[str, list[float]] = {entry.name: [] for entry in entries}
    with workers(entries, problem, device) as engines:
        for engine in engines:
            engine.weights()  # wait until the engine is ready, so that no import runs while another is timed
        for epoch in range(rounds + 1):
            turn = epoch % len(engines)
            for engine in engines[turn:] + engines[:turn]:
                seconds[engine.name].append(engine.train(epoch) / problem.steps)
        accuracies = {engine.name: test_scores(problem, engine.weights())[1] for engine in engines}
    rows = []
    for name, accuracy in accuracies.items():
        timing = Timing.of(seconds[name][1:], True)
        ratios = np.divide(seconds[name][1:], seconds[OWN][1:])
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
                "times_ours": float(np.median(ratios)),
                "times_ours_low": float(np.quantile(ratios, 0.2)),
                "times_ours_high": float(np.quantile(ratios, 0.8)),
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
    """Measure the seconds of training until the test accuracy reaches `target`; evaluation is not timed.

    The first epoch, in which engines compile, counts as much as the second. The seconds are None if the target is not
    reached within `most_epochs`.
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
