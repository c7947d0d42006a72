"""Measure how the time of a training step grows with width, depth and batch size."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...engine.device import Device
from ...errors import ArgumentError
from ..engines import OWN
from ..engines.own import Own
from .kernels import MEASURABLE
from .networks import Problem, random_problem
from .timing import Budget, repeat

WORK = 2e9  # operations per epoch: few steps of a large network, many of a small one
STEPS = (4, 200)  # minimum and maximum steps per epoch; they also carry the epoch's overhead
UPDATE_BYTES = 28  # bytes that Adam reads and writes per parameter: p, m and v both, g read
FLAT = 1.25  # a step of at most this many times the shortest step counts as equally fast
ALIKE = 0.15  # slopes that differ by at most this count as equal
Row = dict[str, Any]


@dataclass(frozen=True)
class Axis:
    """A quantity that grows, with the hidden sizes and the batch size for each of its values."""

    name: str
    values: tuple[int, ...]
    network: Callable[[int], tuple[tuple[int, ...], int]]


AXES = (
    Axis("width", (64, 128, 256, 512, 1024, 2048), lambda width: ((width, width), 128)),
    Axis("depth", (1, 2, 3, 4, 6, 8), lambda depth: ((256,) * depth, 128)),
    Axis("batch size", (16, 32, 64, 128, 256, 512, 1024, 2048), lambda batch: ((256,), batch)),
)


def measure(
    device: Device, *, budget: Budget, most_values: int | None = None, on_row: Callable[[Row], None] = print
) -> tuple[list[Row], list[Row]]:
    """Measure a step for each value of each axis.

    Parameters
    ----------
    device : Device
        The device.
    budget : Budget
        When to stop repeating a step.
    most_values : int, optional
        Number of values per axis; by default all.
    on_row : callable, default print
        Receives each row as it is measured.

    Returns
    -------
    rows : list of dict
        Seconds of a step (median, low, high), operations of its products, bytes of its update.
    slopes : list of dict
        One row per axis.

    Raises
    ------
    ArgumentError
        If the device is not measurable.
    """
    if device.kind not in MEASURABLE:
        raise ArgumentError(f"times in the {device.kind} mean nothing: measure cpu or cuda")
    rows: list[Row] = []
    slopes = []
    for axis in AXES:
        part = []
        for value in axis.values[:most_values]:
            part.append({"axis": axis.name, "value": value, **measure_step(device, *axis.network(value), budget)})
            on_row(part[-1])
        rows += part
        slopes.append(slope(axis.name, part))
    return rows, slopes


def measure_step(device: Device, hidden: Sequence[int], batch: int, budget: Budget) -> Row:
    """Time a step of one network on random bytes: repeat epochs of several steps until the median settles."""
    problem = random_problem(hidden, batch, 1)
    problem = random_problem(hidden, batch, int(np.clip(WORK / problem.operations, *STEPS)))
    engine = Own(problem, device.name, device.toolchain)
    engine.train(0)

    def sample() -> float:
        start = time.perf_counter()
        engine.train(engine.trainer.epoch)
        return (time.perf_counter() - start) / problem.steps

    timing = repeat(sample, budget)
    return {
        "network": problem.network,
        "batch": batch,
        "engine": OWN,
        "device": device.name,
        "median": timing.median,
        "low": timing.low,
        "high": timing.high,
        "runs": timing.runs,
        "settled": timing.settled,
        "operations": problem.operations,
        "speed": problem.operations / timing.median,
        "update_bytes": update_bytes(problem),
    }


def update_bytes(problem: Problem) -> int:
    """Return the bytes that the update of a step reads and writes."""
    return UPDATE_BYTES * problem.parameters


def slope(axis: str, rows: Sequence[Row]) -> Row:
    """Fit the exponents of time and operations over the upper half of an axis, and explain them in a sentence.

    Parameters
    ----------
    axis : str
        Name of the axis.
    rows : sequence of dict
        At least two rows of the axis, in the order of their values.

    Returns
    -------
    dict
        ``slope``, ``slope_of_operations``, the range of values, and ``explanation``.
    """
    upper = rows[len(rows) // 2 :] if len(rows) > 2 else rows
    x = np.log([row["value"] for row in upper])
    of_time, of_work = (np.polyfit(x, np.log([row[name] for row in upper]), 1)[0] for name in ("median", "operations"))
    shortest = min(row["median"] for row in rows)
    flat = itertools.takewhile(lambda row: row["median"] <= FLAT * shortest, rows)
    found = {
        "axis": axis,
        "slope": float(of_time),
        "slope_of_operations": float(of_work),
        "from": upper[0]["value"],
        "to": upper[-1]["value"],
        "flat_to": max((row["value"] for row in flat), default=rows[0]["value"]),
    }
    return {**found, "explanation": _explanation(found, rows, upper)}


def _explanation(slope: Row, rows: Sequence[Row], upper: Sequence[Row]) -> str:
    axis, flat = slope["axis"], slope["flat_to"]
    if flat == rows[-1]["value"]:
        return f"up to {axis} {flat}, launches dominate the time of a step"
    head = ""
    if flat > rows[0]["value"]:
        head = f"up to {axis} {flat} the time hardly grows, since launches dominate it; "
    head += f"from {slope['from']} on, operations grow with the power {slope['slope_of_operations']:.2f} of the {axis}"
    difference = slope["slope"] - slope["slope_of_operations"]
    if abs(difference) <= ALIKE:
        return f"{head}, and the time equally: products dominate it"
    first, last = (upper[i]["operations"] / upper[i]["median"] / 1e9 for i in (0, -1))
    speeds = f"{first:.1f} to {last:.1f} GFLOP/s"
    if difference < 0:
        return f"{head}, the time more slowly ({speeds}): launches matter less in a larger step"
    return f"{head}, the time faster ({speeds}): a larger step exceeds the caches, or other work slows it down"
