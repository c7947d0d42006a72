"""Live progress bar of a run, on a terminal only, within 80 columns."""

from __future__ import annotations

import sys
import time
from typing import Any

REFRESH = 0.1  # seconds between updates, since a step may take less than a millisecond


def on_terminal() -> bool:
    """Return whether standard error, which is None where it is closed, is a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()


class Progress:
    """Show one bar per run on standard error, with the epoch and the last epoch's numbers.

    show: None shows it if standard error is a terminal.
    """

    def __init__(self, epoch: int, goal: int, rows: int, *, show: bool | None = None) -> None:
        self._bar: Any = None
        self._task: Any = None
        self._epoch, self._goal, self._rows = epoch, goal, rows
        self._done = 0
        self._next = 0.0
        if on_terminal() if show is None else show:
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as RichProgress
            from rich.table import Column

            self._bar = RichProgress(
                TextColumn("epoch {task.fields[epoch]}", table_column=Column(no_wrap=True)),
                BarColumn(bar_width=None, table_column=Column(ratio=1)),
                TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True)),
                TextColumn("{task.fields[scores]}", table_column=Column(no_wrap=True)),
                console=Console(stderr=True),
                expand=True,
                transient=True,
            )

    def __enter__(self) -> Progress:
        if self._bar is not None:
            self._bar.start()
            total = self._rows * (self._goal - self._epoch)
            self._task = self._bar.add_task("", total=total, epoch=self._label(), scores="")
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, rows: int) -> None:
        if self._bar is not None:
            self._done += rows
            now = time.perf_counter()
            if now >= self._next:
                self._next = now + REFRESH
                self._bar.update(self._task, completed=self._done)

    def epoch_done(self, record: dict[str, Any]) -> None:
        if self._bar is not None:
            self._epoch += 1
            self._bar.update(self._task, completed=self._done, epoch=self._label(), scores=short_scores(record))

    def _label(self) -> str:
        return f"{min(self._epoch + 1, self._goal)}/{self._goal}"


def short_scores(record: dict[str, Any]) -> str:
    """Return the losses and the score of an epoch's record, "loss 0.1234, validation 0.2345, accuracy 0.9712"."""
    names = {"train_loss": "loss", "validation_loss": "validation"}
    return ", ".join(
        f"{names.get(name, name.removeprefix('validation_'))} {value:.4f}"
        for name, value in record.items()
        if name.endswith(("loss", "accuracy", "r2"))
    )
