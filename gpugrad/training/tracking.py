"""Callbacks that note a training where other tools read it: a CSV file, TensorBoard."""

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

from ..engine.files import check_writable, storage_error, write_whole
from ..errors import ArgumentError, GpugradError
from .callbacks import Callback, Training


class CSVLogger(Callback):
    """One line an epoch in a CSV file: the training's history, complete after each epoch.

    path: of the file, which the first epoch replaces; its folder is made if need be. A training that goes on, from a
    checkpoint too, has a line for each epoch of its history: those of epochs that the checkpoint does not hold are
    dropped. The columns are the keys of the history's records; an epoch that has no value leaves its cell empty.

    Raises StorageError where the file cannot be written, before the training where that can be known.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._columns: list[str] = []  # of the file, as far as this training has written it

    def on_fit_begin(self, trainer: Training) -> None:
        check_writable(self.path.parent)
        if self.path.is_dir():
            raise ArgumentError(f"{self.path} is a folder, expected the path of a CSV file: name one in it")
        self._columns = []

    def on_epoch_end(self, trainer: Training, record: dict[str, Any]) -> None:
        if self._columns and self._columns == list(record):
            try:
                with open(self.path, "a", encoding="utf-8", newline="") as file:
                    file.write(_lines(self._columns, [record]))
            except OSError as error:
                raise storage_error(self.path, error) from error
        else:  # the first epoch of this training, or one with other keys
            records = list(trainer.history)
            self._columns = list(dict.fromkeys(name for each in records for name in each))
            header = dict(zip(self._columns, self._columns, strict=True))
            write_whole(self.path, _lines(self._columns, [header, *records]))


def _lines(columns: list[str], records: Iterable[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    csv.DictWriter(text, columns, lineterminator="\n").writerows(records)
    return text.getvalue()


class TensorBoardLogger(Callback):
    """Losses, scores, learning rate and hyperparameters for TensorBoard; needs `pip install "gpugrad[track]"`.

    log_dir: the folder of this run; `tensorboard --logdir` on it or its parent shows it. After each epoch every number
    of its record becomes a point at the number of optimizer steps so far. every: None, or note the mean loss of each
    so many steps as `step_loss` too; to read it waits for the device. hyperparameters: names and values of one's own
    (numbers, texts or booleans) beside those of the optimizer, which are always noted.

    Of an earlier training in the folder TensorBoard drops the points beyond the one where this one goes on, which is
    all of them unless it is resumed from a checkpoint. The file is on the disk after each epoch.
    Raises ArgumentError for another `every`, GpugradError where tensorboardX is missing, StorageError where the folder
    cannot be written to.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str],
        every: int | None = None,
        *,
        hyperparameters: Mapping[str, Any] | None = None,
    ) -> None:
        if every is not None and (isinstance(every, bool) or not isinstance(every, int | np.integer) or every < 1):
            raise ArgumentError(f"every is {every!r}, expected a number of steps from 1, or None for epochs alone")
        self.log_dir = Path(log_dir)
        self.every = every
        self.hyperparameters = hyperparameters
        self._file: Any = None
        self._closing: Any = None  # closes the file, at the latest with this object
        self._noted = 0.0, 0  # what running_loss said when the loss was last noted

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None, "_closing": None}  # a copy has no file until a training of its own

    def on_fit_begin(self, trainer: Training) -> None:
        self._close()  # the file of a training that ended in an error
        _tensorboardx()
        check_writable(self.log_dir)

    # The file is opened here, for only now has a resumed training its number of steps.
    def on_epoch_begin(self, trainer: Training, epoch: int) -> None:
        self._noted = 0.0, 0
        if self._file is None:
            self._open(trainer.steps)
            self._note_hyperparameters(trainer)

    def on_step_end(self, trainer: Training, step: int) -> None:
        if self.every is None or step % self.every:
            return
        (total, rows), (total_before, rows_before) = trainer.running_loss(), self._noted
        self._noted = total, rows
        self._write_scalars({"step_loss": (total - total_before) / (rows - rows_before)}, step)

    def on_epoch_end(self, trainer: Training, record: dict[str, Any]) -> None:
        numbers = {name: value for name, value in record.items() if isinstance(value, int | float | np.number)}
        steps = int(numbers.pop("steps"))
        self._write_scalars(numbers, steps)
        self._file.flush()

    def on_fit_end(self, trainer: Training) -> None:
        self._close()

    def _open(self, steps: int) -> None:
        # Not SummaryWriter: its queue and thread would leave open when an epoch is on the disk. The time in
        # nanoseconds keeps trainings in one second apart, and puts the files in the order in which they are read.
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

    def _note_hyperparameters(self, trainer: Training) -> None:
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
