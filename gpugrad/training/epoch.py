"""One epoch of training: every minibatch once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from .callbacks import Callback
from .progress import Progress
from .task import Step, Task


def run_epoch(
    task: Task, step: Step, hooks: Sequence[Callback] = (), bar: Progress | None = None, rate: float | None = None
) -> dict[str, Any]:
    """Train one epoch and return its record; `rate` is the learning rate of an epoch that is run again."""
    start = time.perf_counter()
    task.rows_so_far = 0
    with task.turns:
        task.begin_epoch(rate)
    lr = task.optimizer.param_groups[0]["lr"]
    for group in task.data.groups:
        rows = sum(group)
        for hook in hooks:
            hook.on_step_begin(task, task.steps)
        for i, size in enumerate(group):
            task.data.prepare(size)
            with task.turns:
                step(size, rows, i == 0, i == len(group) - 1)
            if bar is not None:
                bar.advance(size)
        task.steps += 1
        task.rows_so_far += rows
        if task.schedule is not None and task.schedule.interval == "step":
            task.schedule.step()
        for hook in hooks:
            hook.on_step_end(task, task.steps)
    loss = task.epoch_loss()
    seconds = time.perf_counter() - start
    return {
        "epoch": task.epoch + 1,
        "steps": task.steps,
        "train_loss": loss,
        "lr": lr,
        "seconds": seconds,
        "samples_per_second": task.data.rows / seconds,
    }


def end_schedule_epoch(task: Task, record: dict[str, Any]) -> None:
    """Step a schedule that counts epochs."""
    if task.schedule is not None and task.schedule.interval != "step":
        task.schedule.step(record.get("validation_loss", record["train_loss"]))
