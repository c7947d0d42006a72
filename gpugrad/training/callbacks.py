"""Callbacks for `Trainer.fit` and the estimators."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..engine.device import Device
from ..errors import ArgumentError, choose
from ..optim import Optimizer
from .history import History
from .inherited import inherit_docs
from .values import check_count, check_flag, describe, is_number


class Model(Protocol):
    """An object with weights to keep."""

    def state_dict(self) -> dict[str, np.ndarray]: ...
    def load_state_dict(self, state: dict[str, np.ndarray]) -> None: ...


class Training(Protocol):
    """A run as callbacks see it: a Trainer, or the fit of an estimator; `epoch` and `steps` count from its start."""

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
        """Return the sum of the losses of the running epoch's rows so far, and their number; waits for the device."""


class Callback:
    """Base of callbacks: override the methods that you need.

    Any method may call `trainer.stop("reason")` to end the run.
    """

    def __repr__(self) -> str:
        shown = []
        for name, value in vars(self).items():
            value = str(value) if isinstance(value, Path) else value
            if not name.startswith("_") and isinstance(value, str | bool | int | float):
                shown.append(f"{name}={value!r}")
        return f"{type(self).__name__}({', '.join(shown)})"

    def on_fit_begin(self, trainer: Training) -> None:
        """Run first in `fit`; a checkpoint to resume is loaded afterwards.

        Parameters
        ----------
        trainer : Trainer
            The run.
        """

    def on_epoch_begin(self, trainer: Training, epoch: int) -> None:
        """Run before an epoch. Calling `trainer.stop` here skips this epoch.

        Parameters
        ----------
        trainer : Trainer
            The run.
        epoch : int
            Epochs trained before, over all of the run.
        """

    def on_step_begin(self, trainer: Training, step: int) -> None:
        """Run before each optimizer step.

        Parameters
        ----------
        trainer : Trainer
            The run.
        step : int
            Steps taken before, over all of the run.
        """

    def on_step_end(self, trainer: Training, step: int) -> None:
        """Run after each optimizer step; reading a loss waits for the device.

        Parameters
        ----------
        trainer : Trainer
            The run.
        step : int
            Steps taken, over all of the run.
        """

    def on_epoch_end(self, trainer: Training, record: dict[str, Any]) -> None:
        """Run after validation.

        Parameters
        ----------
        trainer : Trainer
            The run.
        record : dict
            The epoch's entry in the history. Numbers and strings may be added.
        """

    def on_fit_end(self, trainer: Training) -> None:
        """Run after the last epoch, and after an interrupt; not after an error.

        Parameters
        ----------
        trainer : Trainer
            The run.
        """

    def state_dict(self) -> dict[str, Any]:
        """Return the state of this callback for a checkpoint.

        Returns
        -------
        dict
            Values that JSON can hold, and under "arrays" a dict of NumPy arrays.
        """
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state that `state_dict` returned.

        Parameters
        ----------
        state : dict
            The state; "arrays" is always in it.
        """


@inherit_docs
class EarlyStopping(Callback):
    """End the run when a value has not improved for `patience` epochs, and restore the weights of its best epoch.

    They are restored after an interrupt too. A value of NaN is no improvement. Each `fit` starts
    with no best epoch.

    Parameters
    ----------
    patience : int, default 10
        Epochs to wait for an improvement.
    monitor : str, optional
        The name of a value in the history's records. By default "validation_loss" with validation data, otherwise
        "train_loss".
    min_delta : float, default 0.0
        A change up to this is no improvement.
    mode : {"min", "max"}, optional
        Whether lower or higher is better. By default "max" for accuracy and r2, otherwise "min".
    restore_best : bool, default True
        Whether to restore the weights of the best epoch.

    Attributes
    ----------
    best : float or None
        The best value of the last run.
    best_epoch : int or None
        The epoch of the best value.

    Raises
    ------
    ArgumentError
        If a parameter is outside its range.
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
        self.patience = check_count("patience", patience, "the epochs to wait for an improvement")
        if not (monitor is None or isinstance(monitor, str)):
            raise ArgumentError(f"monitor is {describe(monitor)}, expected the name of a value in the history, or None")
        if not is_number(min_delta) or not 0 <= min_delta < math.inf:
            raise ArgumentError(f"min_delta is {describe(min_delta)}, expected a number of at least 0")
        self.monitor = monitor
        self.min_delta = min_delta
        self.mode = None if mode is None else choose("mode", mode, ("min", "max"))
        self.restore_best = check_flag("restore_best", restore_best)
        self.best: float | None = None
        self.best_epoch: int | None = None
        self._first_epoch = 0  # epochs before this fit: patience counts from here until there is a best epoch
        self._weights: dict[str, np.ndarray] = {}

    def on_fit_begin(self, trainer: Training) -> None:
        self.best = self.best_epoch = None
        self._first_epoch, self._weights = trainer.epoch, {}

    # Decide at epoch start, so that resuming a finished run stops immediately.
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
