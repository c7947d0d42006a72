"""Find the first operation of a run that produces NaN or infinity."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..engine.device import Device
from ..kernels import Launcher
from ..kernels.contract import SCRATCH_NAMES
from . import state as states
from .callbacks import Callback
from .epoch import end_schedule_epoch, run_epoch
from .task import State, Task


class NonFiniteWatch:
    """Observe every result of a device: `with device.observe(watch): step()`.

    It waits for each launch and reads its results, so use it only for a step that is known to fail. Attribute: `first`,
    a sentence about the first launch that wrote NaN or infinity, or None.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self.first: str | None = None

    def __call__(self, launch: Any, arrays: tuple, scalars: dict[str, Any]) -> None:
        if self.first is not None:
            return
        for name, array in _written(launch, arrays, scalars):
            if array.dtype.kind == "f" and not np.isfinite(values := self._device.download(array)).all():
                what = "NaN" if np.isnan(values).any() else "infinity"
                details = ", ".join(f"{key}={value}" for key, value in scalars.items() if key != "out")
                self.first = (
                    f"{launch.__name__}({details}) wrote {what} to {int((~np.isfinite(values)).sum())} "
                    f"of {values.size} elements of {name} {tuple(array.shape)}"
                )
                return


def explain_non_finite(task: Task, good: State, between: Sequence[dict[str, Any]], hooks: Sequence[Callback]) -> str:
    """Restore a good state, train the epochs `between` again, watch the next one, and return where it fails.

    An epoch that is run again is bit-for-bit identical, so the fault occurs again unless a callback caused it. The task
    is left in the good state.
    """
    states.restore(task, good, hooks)
    watch, bad_step = NonFiniteWatch(task.device), 0
    try:
        step = task.make_step(recorded=True)
        for record in between:
            run_epoch(task, step, rate=record["lr"])
            task.history.records.append(record)
            end_schedule_epoch(task, record)
        epoch, start = task.epoch + 1, task.steps
        with task.device.observe(watch), contextlib.suppress(_Found):
            run_epoch(task, task.make_step(recorded=False), [_Halt(watch)])
        bad_step = task.steps - start
    finally:
        states.restore(task, good, hooks)
    if watch.first is None:
        return f"in epoch {epoch}, but not without its callbacks: one of them may have changed the model"
    return f"in epoch {epoch}, step {bad_step} of {len(task.data.groups)}: {watch.first}"


class _Found(Exception):
    """The watched epoch had its first fault."""


class _Halt(Callback):
    """End an epoch after the step in which a watch found the first fault."""

    def __init__(self, watch: NonFiniteWatch) -> None:
        self._watch = watch

    def on_step_end(self, trainer: Any, step: int) -> None:
        if self._watch.first is not None:
            raise _Found


def _written(launch: Any, arrays: tuple, scalars: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    if isinstance(launch, Launcher):
        yield from (
            (name, array) for name, array in launch.contract.written(arrays, scalars) if name not in SCRATCH_NAMES
        )
    elif "out" in scalars:
        yield "its result", scalars["out"]
    elif launch.__name__ == "__setitem__":
        yield "its result", launch.__self__
    elif arrays and hasattr(arrays[0], "dtype"):  # copyto and similar functions write to their first argument
        yield "its result", arrays[0]
