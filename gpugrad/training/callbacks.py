"""What can be hung into a training run."""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np

from ..engine.device import Device
from ..errors import ArgumentError, choose
from ..optim import Optimizer
from .history import History


class Model(Protocol):
    """Whatever has weights to keep."""

    def state_dict(self) -> dict[str, np.ndarray]: ...
    def load_state_dict(self, state: dict[str, np.ndarray]) -> None: ...


class Training(Protocol):
    """What a callback sees of the run that calls it: a Trainer, or the fit of an estimator.

    `model`, `optimizer`, `device`, `history`; `epoch` and `steps`, trained so far.
    """

    @property
    def model(self) -> Model: ...
    @property
    def optimizer(self) -> Optimizer: ...
    @property
    def device(self) -> Device: ...
    @property
    def history(self) -> History: ...
    @property
    def epoch(self) -> int: ...
    @property
    def steps(self) -> int: ...
    def stop(self, reason: str) -> None:
        """End the run after the running epoch."""

    def running_loss(self) -> tuple[float, int]:
        """Of the running epoch so far: the sum of the losses of its rows, and their number; waits for the device."""


class Callback:
    """Base of callbacks; override what is needed. `trainer.stop("reason")` in any of them ends the training."""

    def on_fit_begin(self, trainer: Training) -> None:
        """Before anything else; where a checkpoint is resumed, it is loaded after this."""

    def on_epoch_begin(self, trainer: Training, epoch: int) -> None:
        """Before an epoch, counted from 0 over the whole training; to stop here is to leave it out."""

    def on_step_begin(self, trainer: Training, step: int) -> None:
        """Before each optimizer step, counted from 0 over the whole training."""

    def on_step_end(self, trainer: Training, step: int) -> None:
        """After each optimizer step, counted from 1 over the whole training; reading a loss waits for the device."""

    def on_epoch_end(self, trainer: Training, record: dict[str, Any]) -> None:
        """After validation; `record` is the epoch's entry in the history; numbers and texts may be added."""

    def on_fit_end(self, trainer: Training) -> None:
        """After the last epoch, and after an interrupt; not after an error."""

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint must keep of this callback: plain values, and under "arrays" a dict of NumPy arrays."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave; "arrays" is always there."""


class EarlyStopping(Callback):
    """End the training when a value has not improved for `patience` epochs, and restore the weights of its best epoch.

    They are restored however the training ends, after an interrupt too. monitor: a name in the history's records;
    None: validation_loss with validation data, else train_loss. mode: "min" or "max"; None: "max" for accuracy and r2,
    else "min". min_delta: the least change that counts. A value that is NaN is no improvement. Each `fit` begins anew.

    Attributes: `best` and `best_epoch`, the best value of the last training and its epoch, None if there was none.
    """

    def __init__(
        self,
        patience: int = 10,
        *,
        monitor: str | None = None,
        min_delta: float = 0.0,
        mode: str | None = None,
        restore_best: bool = True,
    ) -> None:
        if isinstance(patience, bool) or not isinstance(patience, int | np.integer) or patience < 1:
            raise ArgumentError(
                f"patience is {patience!r}, expected an integer of at least 1: the epochs to wait for progress"
            )
        if not 0 <= min_delta < math.inf:
            raise ArgumentError(f"min_delta is {min_delta}, expected a number of at least 0")
        self.patience = patience
        self.monitor = monitor
        self.min_delta = min_delta
        self.mode = None if mode is None else choose("mode", mode, ("min", "max"))
        self.restore_best = restore_best
        self.best: float | None = None
        self.best_epoch: int | None = None
        self._first_epoch = 0  # of this fit: patience counts from it until there is a best epoch
        self._weights: dict[str, np.ndarray] = {}

    def on_fit_begin(self, trainer: Training) -> None:
        self.best = self.best_epoch = None
        self._first_epoch, self._weights = trainer.epoch, {}

    # The decision falls before an epoch, so that a training that is resumed after its last one ends there too.
    def on_epoch_begin(self, trainer: Training, epoch: int) -> None:
        since = self._first_epoch if self.best_epoch is None else self.best_epoch
        if epoch - since >= self.patience:
            best = "" if self.best is None else f" on {self.best:.4g}"
            trainer.stop(f"{self._name(trainer.history[-1])} has not improved{best} since epoch {since}")

    def on_epoch_end(self, trainer: Training, record: dict[str, Any]) -> None:
        name = self._name(record)
        if name not in record:
            raise ArgumentError(
                f"early stopping monitors {name!r}, which no epoch records: choose one of {', '.join(record)}"
            )
        value = float(record[name])
        sign = -1 if self.mode == "max" or (self.mode is None and name.endswith(("accuracy", "r2"))) else 1
        if not math.isnan(value) and (self.best is None or sign * (self.best - value) > self.min_delta):
            self.best, self.best_epoch = value, record["epoch"]
            if self.restore_best:
                self._weights = trainer.model.state_dict()

    def on_fit_end(self, trainer: Training) -> None:
        if self._weights:
            weights = trainer.model.state_dict()  # written in place, since it has the layouts of the matrices
            for name, array in self._weights.items():
                weights[name][...] = array
            trainer.model.load_state_dict(weights)
            self._weights = {}

    def _name(self, record: dict[str, Any]) -> str:
        return self.monitor or ("validation_loss" if "validation_loss" in record else "train_loss")

    def state_dict(self) -> dict[str, Any]:
        return {
            "best": self.best,
            "best_epoch": self.best_epoch,
            "first_epoch": self._first_epoch,
            "arrays": self._weights,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.best_epoch = state["best"], state["best_epoch"]
        self._first_epoch, self._weights = state["first_epoch"], dict(state["arrays"])
