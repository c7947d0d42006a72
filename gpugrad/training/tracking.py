"""Callbacks that log a run for other tools: to a CSV file, to TensorBoard."""

from __future__ import annotations

import csv
import io
import os
import time
import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..engine.files import check_writable, check_writable_file, storage_error, write_whole
from ..errors import ArgumentError, GpugradError
from ..options import plain
from .callbacks import Callback, Training
from .inherited import inherit_docs
from .values import check_path, describe, is_integer


@inherit_docs
class CSVLogger(Callback):
    """Write the history to a CSV file, one line per epoch, complete after each epoch.

    The first epoch replaces the file. A run that continues, also from a checkpoint, has one line per epoch of its
    history; lines of later epochs are dropped. The columns are the keys of the history's records; a missing value is an
    empty cell.

    Parameters
    ----------
    path : str or Path
        The file. Its folder is created if it does not exist.

    Raises
    ------
    StorageError
        If the file cannot be written; before training if possible.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        check_path("path", path, "CSV file")
        self.path = Path(path)
        self._columns: list[str] = []  # columns of the file that this run has written, if any

    def on_fit_begin(self, trainer: Training) -> None:
        check_writable_file(self.path)
        self._columns = []

    def on_epoch_end(self, trainer: Training, record: dict[str, Any]) -> None:
        if self._columns and self._columns == list(record):
            try:
                with open(self.path, "a", encoding="utf-8", newline="") as file:
                    file.write(_lines(self._columns, [record]))
            except OSError as error:
                raise storage_error(self.path, error) from error
        else:  # the first epoch of this run, or one with other keys
            records = list(trainer.history)
            self._columns = list(dict.fromkeys(name for each in records for name in each))
            header = dict(zip(self._columns, self._columns, strict=True))
            write_whole(self.path, _lines(self._columns, [header, *records]))


def _lines(columns: list[str], records: Iterable[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    csv.DictWriter(text, columns, lineterminator="\n").writerows(records)
    return text.getvalue()


@inherit_docs
class TensorBoardLogger(Callback):
    """Log losses, scores, learning rate and hyperparameters to TensorBoard.

    After each epoch every number of its record becomes a point at the number of optimizer steps so far, and the file is
    on disk. TensorBoard drops the points of an earlier run in the folder from the step on at which this one starts:
    all of them unless this run resumes from a checkpoint. Needs `pip install "gpugrad[track]"`.

    Parameters
    ----------
    log_dir : str or Path
        The folder of this run; `tensorboard --logdir` with it or its parent shows the run.
    every : int, optional
        Log the mean loss of each `every` steps as `step_loss` too; reading it waits for the device. By default only
        epochs are logged.
    hyperparameters : dict, optional
        Names and values (numbers, strings or booleans) to log in addition to those of the optimizer.

    Raises
    ------
    ArgumentError
        If `every` is not a positive integer.
    GpugradError
        If tensorboardX is not installed.
    StorageError
        If the folder cannot be written to.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str],
        every: int | None = None,
        *,
        hyperparameters: Mapping[str, Any] | None = None,
    ) -> None:
        if every is not None and (not is_integer(every) or every < 1):
            message = f"every is {describe(every)}, expected an integer of at least 1, or None to log only epochs"
            raise ArgumentError(message)
        if not (hyperparameters is None or isinstance(hyperparameters, Mapping)):
            raise ArgumentError(f"hyperparameters is {describe(hyperparameters)}, expected a dict of names and values")
        check_path("log_dir", log_dir, "folder")
        self.log_dir = Path(log_dir)
        self.every = plain(every)
        self.hyperparameters = hyperparameters
        self._file: Any = None
        self._closing: Any = None  # finalizer that closes the file
        self._logged = 0.0, 0  # running_loss at the last point of step_loss

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None, "_closing": None}  # a copy opens its own file when it is used

    def on_fit_begin(self, trainer: Training) -> None:
        self._close()  # the file of a run that ended in an error
        _tensorboardx()
        check_writable(self.log_dir)

    # Open the file here: a resumed run knows its number of steps only now.
    def on_epoch_begin(self, trainer: Training, epoch: int) -> None:
        self._logged = 0.0, 0
        if self._file is None:
            self._open(trainer.steps)
            self._log_hyperparameters(trainer)

    def on_step_end(self, trainer: Training, step: int) -> None:
        if self.every is None or step % self.every:
            return
        (total, rows), (total_before, rows_before) = trainer.running_loss(), self._logged
        self._logged = total, rows
        self._write_scalars({"step_loss": (total - total_before) / (rows - rows_before)}, step)

    def on_epoch_end(self, trainer: Training, record: dict[str, Any]) -> None:
        numbers = {name: value for name, value in record.items() if isinstance(value, int | float | np.number)}
        steps = int(numbers.pop("steps"))
        self._write_scalars(numbers, steps)
        self._file.flush()

    def on_fit_end(self, trainer: Training) -> None:
        self._close()

    def _open(self, steps: int) -> None:
        # SummaryWriter queues writes on a thread, so an epoch might not be on disk yet. The time in nanoseconds gives
        # runs that start in one second different files, and TensorBoard reads files in the order of their names.
        writer = _tensorboardx().event_file_writer.EventsWriter
        self._file = writer(str(self.log_dir / "events"), f".{time.time_ns()}")
        self._closing = weakref.finalize(self, self._file.close)
        event = _tensorboardx().proto.event_pb2
        self._write(event.Event(step=steps + 1, session_log=event.SessionLog(status=event.SessionLog.START)))

    def _write(self, event: Any) -> None:
        event.wall_time = time.time()
        self._file.write_event(event)

    def _write_scalars(self, values: Mapping[str, Any], step: int) -> None:
        event = _tensorboardx().proto.event_pb2.Event
        for name, value in values.items():
            self._write(event(step=step, summary=_tensorboardx().summary.scalar(name, float(value))))

    def _log_hyperparameters(self, trainer: Training) -> None:
        values: dict[str, Any] = {"optimizer": type(trainer.optimizer).__name__, "device": str(trainer.device)}
        groups = trainer.optimizer.param_groups
        for i, group in enumerate(groups):
            suffix = f"/{i}" if len(groups) > 1 else ""
            values |= {f"{name}{suffix}": value for name, value in group.items() if name != "params"}
        values |= self.hyperparameters or {}
        plain = {name: value if isinstance(value, bool | int | float) else str(value) for name, value in values.items()}
        experiment, start, _end = _tensorboardx().summary.hparams(plain, {"train_loss": None, "validation_loss": None})
        for summary in (experiment, start):
            self._write(_tensorboardx().proto.event_pb2.Event(summary=summary))

    def _close(self) -> None:
        if self._closing is not None:
            self._closing()
        self._file = self._closing = None


def _tensorboardx() -> Any:
    try:
        import tensorboardX
        import tensorboardX.event_file_writer
        import tensorboardX.proto.event_pb2
        import tensorboardX.summary
    except ImportError:
        raise GpugradError(
            'TensorBoardLogger needs tensorboardX, which is not installed: pip install "gpugrad[track]"'
        ) from None
    return tensorboardX
