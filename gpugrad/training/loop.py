"""The training loop of every fit: epochs, callbacks, schedule, history, progress and checkpoints."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import NonFiniteError
from . import state as states
from .callbacks import Callback
from .checkpoint import as_json
from .debug import explain_non_finite
from .epoch import end_schedule_epoch, run_epoch
from .progress import Progress
from .task import State, Step, Task


class Loop:
    """Run a task with its callbacks.

    Parameters
    ----------
    task : Task
        The task to train.
    hooks : sequence of Callback
        Its callbacks.
    recorded : bool, default True
        Whether to replay the step. False runs it through the tape each time.
    strict : bool, default True
        Whether an epoch that produces NaN or infinity raises NonFiniteError with the reason, after restoring the state
        before that epoch. Otherwise the run continues, and `explain` finds the reason afterwards.
    """

    def __init__(self, task: Task, hooks: Sequence[Callback], *, recorded: bool = True, strict: bool = True) -> None:
        self._task, self._hooks = task, hooks
        self._recorded, self._strict = recorded, strict
        self._good = State()  # the last finite state

    def begin(self, resume: str | Path | None = None) -> None:
        """Call `on_fit_begin`, then resume from a checkpoint if there is one."""
        for hook in self._hooks:
            hook.on_fit_begin(self._task)
        if resume is not None:
            states.resume(self._task, resume, self._hooks)

    def run(
        self,
        goal: int,
        *,
        progress: bool | None = None,
        checkpoint: str | Path | None = None,
        header: dict[str, Any] | None = None,
    ) -> None:
        """Train until the history has `goal` epochs, or a callback, a rule or an interrupt ends the run.

        Parameters
        ----------
        goal : int
            Epochs in the history at the end.
        progress : bool, optional
            Whether to show a live bar. By default it is shown on a terminal.
        checkpoint : str or Path, optional
            A file to write after each epoch.
        header : dict, optional
            Values to keep in the checkpoint.
        """
        task = self._task
        if task.schedule is not None:
            total_steps, epochs = task.span_of_schedule(goal)
            task.schedule.prepare(total_steps=total_steps, steps_per_epoch=len(task.data.groups), epochs=epochs)
        step = task.make_step(self._recorded)
        self._good = states.capture(task, self._hooks)
        try:
            # No warnings of NumPy about overflow: a loss that is not finite is explained.
            with Progress(task.epoch, goal, task.data.rows, show=progress) as bar, np.errstate(all="ignore"):
                while task.epoch < goal and task.stop_reason is None:
                    for hook in self._hooks:
                        hook.on_epoch_begin(task, task.epoch)
                    if task.stop_reason is None:
                        self._run_epoch(step, bar)
                        self._keep(checkpoint, header or {})
        except KeyboardInterrupt:
            task.stop_reason = f"interrupted in epoch {task.epoch + 1}"
            task.report_interrupt()
        finally:
            with task.turns:
                task.end()
        for hook in self._hooks:
            hook.on_fit_end(task)
        task.history.stopped = task.stop_reason

    def explain(self) -> str:
        """Return in which step of `run`, and in which operation, a result was first not finite."""
        if not states.is_finite(self._good):
            return "before this run: its initial weights or optimizer state are not finite"
        records, first = self._task.history.records, self._good.values["epoch"]
        bad = next((i for i in range(first, len(records)) if not math.isfinite(records[i]["train_loss"])), -1)
        now = states.capture(self._task, self._hooks)
        try:
            return explain_non_finite(self._task, self._good, records[first:bad], self._hooks)
        finally:
            states.restore(self._task, now, self._hooks)

    def _run_epoch(self, step: Step, bar: Progress) -> None:
        task = self._task
        record = run_epoch(task, step, self._hooks, bar)
        if self._strict and not (math.isfinite(record["train_loss"]) and task.optimizer.is_finite()):
            raise NonFiniteError(
                f"training is no longer finite {explain_non_finite(task, self._good, [], self._hooks)}; "
                "the model is as it was before that epoch: lower the learning rate, or clip the gradient"
            )
        record.update(task.after_epoch(record))
        task.history.records.append(record)  # from here on the epoch counts
        end_schedule_epoch(task, record)
        for hook in self._hooks:
            hook.on_epoch_end(task, record)
        record.update(as_json(record))  # includes the additions of callbacks
        bar.epoch_done(record)
        task.judge_epoch(record)

    def _keep(self, checkpoint: str | Path | None, header: dict[str, Any]) -> None:
        """Keep the state after an epoch, in memory and in the checkpoint."""
        if self._strict:
            self._good = State()  # frees the memory of the old one first
            self._good = states.capture(self._task, self._hooks)
        if checkpoint is not None:
            state = self._good if self._strict else states.capture(self._task, self._hooks)
            states.write(self._task, checkpoint, state, self._hooks, header)
