"""Time a call: repeat it until its median settles or the time is up."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...engine.device import Device

__all__ = ["QUICK", "Budget", "Timing", "repeat", "sampler"]

SHORTEST_SAMPLE = 20e-6  # seconds; shorter calls are timed in groups, since reading the clock takes 50 ns
FLUSH_SIZE = 512 << 20  # bytes written before a cold run: several times the L2 cache of any GPU
QUIET = 0.05  # seconds; idle threads of other libraries spin on our cores for up to 30 ms
GRAPH_LAUNCHES = 20  # launches per graph of a hot run, which share its start of about 10 µs


@dataclass(frozen=True)
class Budget:
    """When to stop repeating a call.

    Parameters
    ----------
    seconds : float, default 1
        Time limit.
    precision : float, default 0.01
        The median has settled if its 95 % interval is within ± this fraction of it.
    least_runs : int, default 7
        Minimum number of runs.
    """

    seconds: float = 1.0
    precision: float = 0.01
    least_runs: int = 7


QUICK = Budget(seconds=0.02, precision=0.05)


@dataclass(frozen=True)
class Timing:
    """Seconds of a call.

    Parameters
    ----------
    median, low, high : float
        Median, 20th and 80th percentile.
    runs : int
        Number of runs.
    settled : bool
        Whether the median settled.
    """

    median: float
    low: float
    high: float
    runs: int
    settled: bool

    @classmethod
    def of(cls, seconds: list[float], settled: bool) -> Timing:
        """Summarize the seconds of all runs.

        Parameters
        ----------
        seconds : list of float
            Seconds of each run.
        settled : bool
            Whether the median settled.

        Returns
        -------
        Timing
            Median and percentiles.
        """
        low, median, high = (float(value) for value in np.percentile(seconds, (20, 50, 80)))
        return cls(median, low, high, len(seconds), settled)


def repeat(sample: Callable[[], float], budget: Budget) -> Timing:
    """Repeat a run until the median of its seconds settles or the budget is spent.

    Parameters
    ----------
    sample : callable
        Runs once and returns the seconds.
    budget : Budget
        When to stop.

    Returns
    -------
    Timing
        Median and percentiles of all runs.
    """
    seconds: list[float] = []
    end = time.perf_counter() + budget.seconds
    next_look = budget.least_runs
    while True:
        seconds.append(sample())
        if len(seconds) >= next_look:
            if _half_interval(seconds) <= budget.precision:
                return Timing.of(seconds, True)
            next_look = len(seconds) * 5 // 4 + 1
        if time.perf_counter() >= end and len(seconds) >= budget.least_runs:
            return Timing.of(seconds, _half_interval(seconds) <= budget.precision)


def _half_interval(seconds: list[float]) -> float:
    """Return half the 95 % interval of the median, relative to it, from order statistics (distribution-free)."""
    from scipy.stats import quantile_test

    interval = quantile_test(seconds, q=float(np.median(seconds)), p=0.5).confidence_interval(0.95)
    half = (interval.high - interval.low) / 2 / np.median(seconds)
    return float(half) if np.isfinite(half) else np.inf


def sampler(
    device: Device, call: Callable[[], Any], *, cold: bool = False, captured: bool = True
) -> Callable[[], float]:
    """Return a function that times one run of a call on a device.

    Parameters
    ----------
    device : Device
        The device.
    call : callable
        The call to time.
    cold : bool, default False
        Flush the L2 cache of a GPU before each run.
    captured : bool, default True
        Replay the call as a CUDA graph; it must only launch kernels. False for a call that cannot be captured, such as
        cuBLAS through CuPy.

    Returns
    -------
    callable
        Runs the call and returns its seconds.
    """
    if device.kind != "cuda":
        return _host(call)
    repeated = [call] * (1 if cold else GRAPH_LAUNCHES)
    replay = device.replayer(repeated) if captured else Device.replayer(device, repeated)
    return _gpu_cold(device, replay) if cold else lambda: _between_events(device, replay) / GRAPH_LAUNCHES


def _host(call: Callable[[], Any]) -> Callable[[], float]:
    clock = time.perf_counter
    time.sleep(QUIET)
    call()
    start = clock()
    call()
    count = max(1, int(SHORTEST_SAMPLE / max(clock() - start, 1e-9)))

    def sample() -> float:
        start = clock()
        for _ in range(count):
            call()
        return (clock() - start) / count

    return sample


def _gpu_cold(device: Any, replay: Callable[[], Any]) -> Callable[[], float]:
    # The flush takes longer than the host needs to queue the launches after it, so no gap between them is timed.
    waste = device.empty(FLUSH_SIZE, np.uint8)
    replay()

    def sample() -> float:
        device.write(waste, 0)
        return _between_events(device, replay)

    return sample


def _between_events(device: Any, call: Callable[[], Any]) -> float:
    with device.current():
        start = device.mark()
        call()
        end = device.mark()
    return float(device.seconds_between(start, end))
