"""ReduceLROnPlateau: the schedule that follows a metric, and therefore has more state than a number of steps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..errors import ArgumentError, choose
from .groups import check_number
from .optimizer import Optimizer
from .schedules import Schedule, check_steps, refuse_recording

# Smallest change of a rate; smaller ones are left out. PyTorch's value.
SMALLEST_CHANGE = 1e-8


class ReduceLROnPlateau(Schedule):
    """Multiply the learning rate by factor when a metric has not improved for more than `patience` epochs.

    Parameters
    ----------
    optimizer : Optimizer
        Optimizer whose learning rates it sets.
    mode : {"min", "max"}, default "min"
        "min" if a lower metric is better, "max" if a higher one is.
    factor : float, default 0.1
        Factor of the rate, in (0, 1).
    patience : int, default 10
        Epochs without improvement that are tolerated.
    threshold : float, default 1e-4
        Share of the best value by which a better one must beat it.
    cooldown : int, default 0
        Epochs after a change that do not count.
    min_lr : float, default 0.0
        Lowest rate.

    Attributes
    ----------
    best : float or None
        Best metric so far. A NaN is never an improvement.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        *,
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(optimizer, "epoch")
        self.interval = "plateau"
        choose("mode", mode, ("min", "max"))
        check_number("factor", factor, 0.0, 1.0, above=True)
        patience = check_steps("patience", patience, 0, optional=False)
        check_number("threshold", threshold, 0.0)
        cooldown = check_steps("cooldown", cooldown, 0, optional=False)
        check_number("min_lr", min_lr, 0.0)
        self.mode, self.factor, self.patience, self.threshold = mode, factor, patience, threshold
        self.cooldown, self.min_lr = cooldown, min_lr
        self.best: float | None = None
        self._bad_epochs = 0
        self._cooling = 0

    def prepare(self, *, total_steps: int, steps_per_epoch: int, epochs: int) -> None:
        """Do nothing: the rates do not depend on the length of the run.

        Parameters
        ----------
        total_steps : int
            Ignored.
        steps_per_epoch : int
            Ignored.
        epochs : int
            Ignored.
        """

    def step(self, metric: float | None = None) -> None:
        """Record the metric of one epoch, and lower the rates after too many epochs without improvement.

        Parameters
        ----------
        metric : float
            Value to watch, such as the validation loss.

        Raises
        ------
        ArgumentError
            If no metric is passed.
        RecordingError
            If it is called inside a recorded step.
        """
        refuse_recording(self.optimizer)
        if metric is None:
            raise ArgumentError(
                "ReduceLROnPlateau.step() got no metric: pass the value to watch, step(validation_loss)"
            )
        metric = float(metric)
        self.steps += 1
        if self._better(metric):
            self.best, self._bad_epochs = metric, 0
        else:
            self._bad_epochs += 1
        if self._cooling > 0:
            self._cooling -= 1
            self._bad_epochs = 0
        if self._bad_epochs > self.patience:
            self._lower()
            self._cooling, self._bad_epochs = self.cooldown, 0

    def _better(self, metric: float) -> bool:
        if self.best is None:
            return not math.isnan(metric)
        if self.mode == "min":
            return metric < self.best * (1 - self.threshold)
        return metric > self.best * (1 + self.threshold)

    def _lower(self) -> None:
        for group in self.optimizer.param_groups:
            lower = max(group["lr"] * self.factor, self.min_lr)
            if group["lr"] - lower > SMALLEST_CHANGE:
                group["lr"] = lower

    def _settings(self) -> dict[str, Any]:
        names = ("mode", "factor", "patience", "threshold", "cooldown", "min_lr")
        return {name: getattr(self, name) for name in names}

    def state_dict(self) -> dict[str, Any]:
        """Return what the next rates depend on, as JSON can hold it.

        Returns
        -------
        dict
            Epochs so far, rates, best metric, counters and settings.
        """
        return {
            "steps": self.steps,
            "lrs": [float(rate) for rate in self.get_last_lr()],
            "best": self.best,
            "bad_epochs": self._bad_epochs,
            "cooling": self._cooling,
            "settings": self._settings(),
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from a `state_dict`.

        Parameters
        ----------
        state_dict : mapping
            Result of `state_dict` of a ReduceLROnPlateau.

        Raises
        ------
        CheckpointError
            If it belongs to another schedule or optimizer.
        """
        self._check_state(state_dict, "lrs")
        self._check_settings(state_dict["settings"])
        self.steps, self.best = state_dict["steps"], state_dict["best"]
        self._bad_epochs, self._cooling = state_dict["bad_epochs"], state_dict["cooling"]
        self._load_settings(state_dict["settings"])
        for group, rate in zip(self.optimizer.param_groups, state_dict["lrs"], strict=True):
            group["lr"] = rate
