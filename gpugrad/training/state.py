"""The state of a run: captured between epochs, restored, written to a checkpoint, resumed from one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CheckpointError, GpugradError
from .callbacks import Callback
from .checkpoint import as_json, check_settings, damaged, join, read_file, split, write_file
from .task import State, Task
from .values import is_number


def capture(task: Task, hooks: Sequence[Callback]) -> State:
    """Return everything that the rest of a run depends on."""
    own, optimizer = task.own_state(), task.optimizer.state_dict()
    callbacks = [hook.state_dict() for hook in hooks]
    arrays = {**own.arrays, "optimizer": optimizer["state"]}
    arrays |= {f"callback{i}": kept.get("arrays", {}) for i, kept in enumerate(callbacks)}
    values = {
        **own.values,
        "param_groups": optimizer["param_groups"],
        "schedule": None if task.schedule is None else task.schedule.state_dict(),
        "epoch": task.epoch,
        "steps": task.steps,
        "history": [dict(record) for record in task.history.records],
        "callbacks": [{key: value for key, value in kept.items() if key != "arrays"} for kept in callbacks],
    }
    return State(arrays, values)


def is_finite(state: State) -> bool:
    """Return whether parameters and optimizer state are finite; arrays of callbacks are not checked."""
    arrays = join({name: kept for name, kept in state.arrays.items() if not name.startswith("callback")})
    return all(np.isfinite(array).all() for array in arrays.values() if array.dtype.kind == "f")


def restore(task: Task, state: State, hooks: Sequence[Callback]) -> None:
    """Restore a captured state; raise CheckpointError if it does not fit."""
    arrays, values = state.arrays, state.values
    with task.turns:
        task.load_own_state(state)
    task.optimizer.load_state_dict({"state": arrays.get("optimizer", {}), "param_groups": values["param_groups"]})
    if task.schedule is not None:
        task.schedule.load_state_dict(values["schedule"])
    task.history.records[:] = [dict(record) for record in values["history"]]
    task.steps = values["steps"]
    for i, (hook, kept) in enumerate(zip(hooks, values["callbacks"], strict=True)):
        hook.load_state_dict({**kept, "arrays": arrays.get(f"callback{i}", {})})


def write(task: Task, path: str | Path, state: State, hooks: Sequence[Callback], header: dict[str, Any]) -> None:
    """Write a captured state to a checkpoint, together with `header`."""
    content = {**header, **state.values, "kind": task.kind, "run": _run(task, hooks)}
    write_file(path, join(state.arrays), content)


def read(path: str | Path, kind: str) -> State:
    """Read a checkpoint; raise CheckpointError for a file of another kind or of an earlier gpugrad."""
    arrays, header = read_file(path)
    if header.get("kind") != kind:
        found = f"of kind {header['kind']!r}" if "kind" in header else "a model without the state of its run"
        raise CheckpointError(
            f"{path} is {found}, expected kind {kind!r}: pass the file that the run wrote after each epoch"
        )
    if "run" not in header:
        raise CheckpointError(
            f"{path} is the {kind} of an earlier gpugrad, which this one cannot resume: start the run again"
        )
    return State(split(arrays), header)


def resume(task: Task, path: str | Path, hooks: Sequence[Callback]) -> None:
    """Continue from a checkpoint.

    Raises CheckpointError if it is damaged or was written by a run with other settings; then nothing has changed.
    """
    state = read(path, task.kind)
    try:
        check_settings(path, {**task.older_settings(), **state.values["run"]}, as_json(_run(task, hooks)))
        before = capture(task, hooks)
        _check_kinds(before.values, state.values, path)
        try:
            restore(task, state, hooks)
        except BaseException:
            restore(task, before, hooks)
            raise
    except (GpugradError, KeyboardInterrupt):
        raise
    except Exception as error:  # a header of wrong kinds can raise anything
        raise damaged(path, f"its header: {error!r}") from None


def _run(task: Task, hooks: Sequence[Callback]) -> dict[str, Any]:
    return {**task.settings(), "callbacks": [type(hook).__name__ for hook in hooks]}


def _check_kinds(now: dict[str, Any], stored: dict[str, Any], path: str | Path) -> None:
    """Raise CheckpointError unless stored values are of the kinds of those that they replace."""
    for name, value in now.items():
        if name not in ("model", "history") and name in stored and not _alike(value, stored[name]):
            raise damaged(path, f"its header holds another kind of {name} than this run has")
    records = stored["history"]
    if not isinstance(records, list) or not all(_is_record(record) for record in records):
        raise damaged(path, "its header holds a history that is not a list of records")


def _alike(now: Any, stored: Any) -> bool:
    if now is None:  # not known yet
        return not isinstance(stored, dict)
    if isinstance(now, dict):
        return isinstance(stored, dict) and now.keys() <= stored.keys() and all(_alike(now[k], stored[k]) for k in now)
    if isinstance(now, list | tuple):
        return isinstance(stored, list) and all(map(_alike, now, stored))
    if is_number(now) and not isinstance(now, bool):
        return is_number(stored) and not isinstance(stored, bool)
    return isinstance(stored, type(now))


def _is_record(record: Any) -> bool:
    numbers = ("epoch", "steps", "train_loss", "lr", "seconds")
    return isinstance(record, dict) and all(is_number(record.get(name)) for name in numbers)
