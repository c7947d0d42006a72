"""A profile of training steps: the time, the bytes and the arithmetic of each operation, as a table and as a trace."""

from __future__ import annotations

import contextlib
import itertools
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import ArgumentError, counted
from ..kernels import Launcher
from ..kernels.contract import SCRATCH_NAMES
from .device import Device
from .device import device as get_device
from .files import to_json, write_whole


@dataclass(frozen=True)
class Launch:
    """One launch of a profiled step.

    Parameters
    ----------
    name, shapes : str
        The operation, and the shapes of its first array and its largest result.
    step : int
        The number of the step.
    marks : tuple
        Start and end, as marks of the device.
    host : tuple of float
        Start and end of the call, in seconds of the host.
    bytes, operations : int
        The least that the work needs, by its contract.
    """

    name: str
    shapes: str
    step: int
    marks: tuple[Any, Any]
    host: tuple[float, float]
    bytes: int
    operations: int

    @property
    def host_seconds(self) -> float:
        """Seconds that the host took to launch."""
        return self.host[1] - self.host[0]


@dataclass(frozen=True)
class Operation:
    """All launches of one operation with the same shapes in a step; seconds are medians over the steps.

    Parameters
    ----------
    name, shapes : str
        The operation and its shapes.
    launches : int
        Number of launches per step.
    seconds : float
        Their time in a step.
    share : float
        Their part of the time of all launches.
    host_seconds : float
        The time that the host takes to launch; on a CPU the same as `seconds`.
    bytes, operations : int
        The least that the work needs, by its contract.
    """

    name: str
    shapes: str
    launches: int
    seconds: float
    share: float
    host_seconds: float
    bytes: int
    operations: int


class Profile:
    """Timer of the launches of steps on a device, and of the same steps as a whole.

    A recorded step runs launch by launch in `step`, with the same results, and as usual in `whole_step`. A GPU starts
    when all launches of a step are queued: no gap is counted in which it waits for the host. Tools that show NVTX
    ranges find each launch of `step` under its name.

    Parameters
    ----------
    device : str or Device, default "auto"
        The device.

    Attributes
    ----------
    device : Device
        The device.
    launches : list of Launch
        The launches so far.

    Examples
    --------
    >>> profile = gg.Profile("cpu")
    >>> for _ in range(20):
    ...     with profile.step():
    ...         train(x, y)
    ...     with profile.whole_step():
    ...         train(x, y)
    >>> print(profile.table())
    >>> profile.write_trace("trace.json")
    """

    def __init__(self, device: str | Device | None = None) -> None:
        self.device = get_device(device or "auto")
        self.launches: list[Launch] = []
        self._steps: list[tuple[Any, Any]] = []
        self._whole_steps: list[tuple[Any, Any]] = []
        self._origin = self.device.mark(), time.perf_counter()

    def __repr__(self) -> str:
        steps = counted(len(self._steps), "step")
        return f"Profile({steps} launch by launch, {len(self._whole_steps)} whole, on {self.device.name})"

    def step(self) -> contextlib.AbstractContextManager[None]:
        """Time one step, launch by launch.

        Returns
        -------
        context manager
            The step.
        """
        return self._timed(self._steps, self)

    def whole_step(self) -> contextlib.AbstractContextManager[None]:
        """Time one step as a whole.

        Returns
        -------
        context manager
            The step.
        """
        return self._timed(self._whole_steps, None)

    @contextlib.contextmanager
    def _timed(self, steps: list[tuple[Any, Any]], profiler: Profile | None) -> Iterator[None]:
        device = self.device
        device.synchronize()
        device.thread.profiler = profiler
        try:
            with device.held():
                start = device.mark()
                yield
                end = device.mark()
        finally:
            device.thread.profiler = None
        device.synchronize()
        steps.append((start, end))

    def __call__(self, launch: Any, arrays: tuple, scalars: dict[str, Any]) -> None:
        """Make a launch; called by `Device.run`."""
        device, name, call = self.device, launch.__name__, launch
        if isinstance(launch, Launcher):
            launch.check(*arrays, **scalars)  # a replay skips the check
            call = launch.launch
        with device.named(name):
            begin = time.perf_counter()
            start = device.mark()
            call(*arrays, **scalars)
            end = device.mark()
            done = time.perf_counter()
        shapes, size, operations = _work(launch, arrays, scalars)
        step = len(self._steps)
        self.launches.append(Launch(name, shapes, step, (start, end), (begin, done), size, operations))

    # ---- what was found ----

    @property
    def step_seconds(self) -> float | None:
        """Median seconds of a whole step; None if none was timed."""
        between = self.device.seconds_between
        return statistics.median(between(*marks) for marks in self._whole_steps) if self._whole_steps else None

    def alike(self) -> list[list[Launch]]:
        """Return the launches of each step of the most frequent kind; an epoch's last minibatch is often smaller.

        Returns
        -------
        list of list of Launch
            The launches by step.

        Raises
        ------
        ArgumentError
            If nothing was launched.
        """
        if not self.launches:
            raise ArgumentError("the profile has no launch: run steps on its device within profile.step()")
        kinds = defaultdict(list)
        for _, group in itertools.groupby(self.launches, lambda launch: launch.step):
            step = list(group)
            kinds[tuple((launch.name, launch.shapes) for launch in step)].append(step)
        return max(kinds.values(), key=len)

    def operations(self) -> list[Operation]:
        """Return the time of each operation in one of the steps that are `alike`.

        Returns
        -------
        list of Operation
            In the order of their first launches.

        Raises
        ------
        ArgumentError
            If nothing was launched.
        """
        steps = self.alike()
        groups: dict[tuple[str, str], list[list[Launch]]] = {}
        for number, step in enumerate(steps):
            for launch in step:
                groups.setdefault((launch.name, launch.shapes), [[] for _ in steps])[number].append(launch)
        between = self.device.seconds_between
        seconds = {
            key: statistics.median(sum(between(*launch.marks) for launch in group) for group in by_step)
            for key, by_step in groups.items()
        }
        total = sum(seconds.values())
        return [
            Operation(
                *key,
                launches=len(by_step[0]),
                seconds=seconds[key],
                share=seconds[key] / total,
                host_seconds=statistics.median(sum(launch.host_seconds for launch in group) for group in by_step),
                bytes=sum(launch.bytes for launch in by_step[0]),
                operations=sum(launch.operations for launch in by_step[0]),
            )
            for key, by_step in groups.items()
        ]

    def record(self) -> dict[str, Any]:
        """Return the measurements for JSON.

        Returns
        -------
        dict
            The device, the number of steps, the seconds of a step, and its operations.

        Raises
        ------
        ArgumentError
            If nothing was launched.
        """
        return {
            "device": self.device.name,
            "toolchain": self.device.toolchain,
            "steps": len(self.alike()),
            "whole_steps": len(self._whole_steps),
            "step_seconds": self.step_seconds,
            "operations": [asdict(operation) for operation in self.operations()],
        }

    def table(self) -> str:
        """Format the measurements in lines of at most 100 columns.

        Returns
        -------
        str
            The table.

        Raises
        ------
        ArgumentError
            If nothing was launched.
        """
        operations = self.operations()
        names = max(len(operation.name) for operation in operations)
        shapes = max(len(operation.shapes) for operation in operations)
        gpu = self.device.kind == "cuda"
        lines = [
            f"{'operation':<{names}} {'':<{shapes}} {'launches':>8} {'µs':>9} {'share':>6} {'kB':>9} {'GB/s':>7} "
            f"{'GFLOP/s':>8}{' µs to launch' if gpu else ''}"
        ]
        for o in operations:
            rates = f"{o.bytes / o.seconds / 1e9:>7.1f} {o.operations / o.seconds / 1e9:>8.1f}"
            launching = f" {o.host_seconds * 1e6:>12.1f}" if gpu else ""
            lines.append(
                f"{o.name:<{names}} {o.shapes:<{shapes}} {o.launches:>8} {o.seconds * 1e6:>9.1f} {o.share:>6.1%} "
                f"{o.bytes / 1e3:>9.1f} {rates}{launching}"
            )
        total = sum(operation.seconds for operation in operations)
        width = names + shapes + 10
        lines.append(f"{'all launches':<{width}} {total * 1e6:>9.1f}")
        if self.step_seconds is not None:
            lines.append(f"{'the step, whole':<{width}} {self.step_seconds * 1e6:>9.1f}")
        return "\n".join(lines)

    def write_trace(self, path: str | Path) -> None:
        """Write the launches as a Chrome trace, for Perfetto or chrome://tracing.

        Parameters
        ----------
        path : path
            The file, which is written whole or not at all.

        Raises
        ------
        StorageError
            If it cannot be written.
        """
        device, events = self.device, []
        threads = {0: device.name} | ({1: "host"} if device.kind == "cuda" else {})
        for number, name in threads.items():
            events.append({"ph": "M", "name": "thread_name", "pid": 0, "tid": number, "args": {"name": name}})
        for number, marks in enumerate(self._steps):
            events.append(self._slice(f"step {number}", marks, {}))
        for launch in self.launches:
            seconds = max(device.seconds_between(*launch.marks), 1e-9)
            details = {
                "shapes": launch.shapes,
                "bytes": launch.bytes,
                "GB/s": launch.bytes / seconds / 1e9,
                "GFLOP/s": launch.operations / seconds / 1e9,
            }
            events.append(self._slice(launch.name, launch.marks, details))
            if device.kind == "cuda":
                start, end = ((seconds - self._origin[1]) * 1e6 for seconds in launch.host)
                events.append({"ph": "X", "name": launch.name, "pid": 0, "tid": 1, "ts": start, "dur": end - start})
        write_whole(path, to_json({"traceEvents": events, "displayTimeUnit": "ms"}))

    def _slice(self, name: str, marks: tuple[Any, Any], details: dict[str, Any]) -> dict[str, Any]:
        """Return a slice of the trace, in microseconds since the profile was made."""
        start = self.device.seconds_between(self._origin[0], marks[0]) * 1e6
        duration = self.device.seconds_between(*marks) * 1e6
        return {"ph": "X", "name": name, "pid": 0, "tid": 0, "ts": start, "dur": duration, "args": details}


def _work(launch: Any, arrays: tuple, scalars: dict[str, Any]) -> tuple[str, int, int]:
    """Return the shapes of a launch, from its first array to its largest result; its bytes and operations."""
    if isinstance(launch, Launcher):
        cost = launch.contract.cost_of(*arrays, **scalars)
        results = [array for name, array in launch.contract.written(arrays, scalars) if name not in SCRATCH_NAMES]
        result = max(results, key=lambda array: array.size)
        size, operations = cost.bytes, cost.operations
    else:
        result = scalars.get("out")
        size = sum(getattr(array, "nbytes", 0) for array in (*arrays, result))
        operations = 0 if launch.__name__ == "copyto" else getattr(result, "size", 0)
    first = next((array for array in arrays if hasattr(array, "shape")), None)
    shapes = [_shape(array) for array in (first, result) if array is not None]
    return " → ".join(dict.fromkeys(shapes)), size, operations


def _shape(array: Any) -> str:
    return "×".join(map(str, array.shape)) or "1"
