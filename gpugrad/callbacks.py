"""What can be hung into a training run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import ArgumentError

if TYPE_CHECKING:
    from .trainer import Trainer


class Callback:
    """Base of callbacks; override what is needed. `trainer.stop("reason")` in any of them ends the training."""

    def on_fit_begin(self, trainer: Trainer) -> None: ...

    def on_epoch_begin(self, trainer: Trainer, epoch: int) -> None: ...

    def on_step_end(self, trainer: Trainer, step: int) -> None:
        """After each optimizer step, counted over the whole training; reading a loss here waits for the device."""

    def on_epoch_end(self, trainer: Trainer, record: dict[str, Any]) -> None:
        """After validation; `record` is the epoch's entry in the history and may be added to."""

    def on_fit_end(self, trainer: Trainer) -> None: ...

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint must keep of this callback: plain values, and NumPy arrays under "arrays"."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class EarlyStopping(Callback):
    """End the training when a value has not improved for `patience` epochs, and restore the weights of its best epoch.

    monitor: a name in the history's records. None: validation_loss with validation data, else train_loss.
    mode: "min" or "max"; None: "max" for accuracy and r2, else "min". min_delta: the least change that counts.
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
        if patience < 1 or int(patience) != patience:
            raise ArgumentError(
                f"patience is {patience}, expected an integer of at least 1: the epochs to wait for progress"
            )
        if not 0 <= min_delta < math.inf:
            raise ArgumentError(f"min_delta is {min_delta}, expected a number of at least 0")
        if mode not in (None, "min", "max"):
            raise ArgumentError(f"mode is {mode!r}, expected 'min' or 'max'")
        self.patience = patience
        self.monitor = monitor
        self.min_delta = min_delta
        self.mode = mode
        self.restore_best = restore_best
        self.best: float | None = None
        self.best_epoch = 0
        self._weights: dict[str, np.ndarray] = {}

    def on_epoch_end(self, trainer: Trainer, record: dict[str, Any]) -> None:
        name = self.monitor or ("validation_loss" if "validation_loss" in record else "train_loss")
        if name not in record:
            raise ArgumentError(
                f"early stopping monitors {name!r}, which no epoch records: choose one of {', '.join(record)}"
            )
        value = record[name]
        sign = -1 if self.mode == "max" or (self.mode is None and name.endswith(("accuracy", "r2"))) else 1
        if self.best is None or sign * (self.best - value) > self.min_delta:
            self.best, self.best_epoch = value, record["epoch"]
            if self.restore_best:
                self._weights = trainer.model.state_dict()
        elif record["epoch"] - self.best_epoch >= self.patience:
            trainer.stop(f"{name} has not improved on {self.best:.4g} since epoch {self.best_epoch}")

    def on_fit_end(self, trainer: Trainer) -> None:
        if self._weights:
            trainer.model.load_state_dict(self._weights)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_epoch": self.best_epoch, "arrays": self._weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.best_epoch, self._weights = state["best"], state["best_epoch"], dict(state["arrays"])
