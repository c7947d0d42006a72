"""Task: what the loop trains and callbacks see, a Trainer or the fit of an estimator."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from ..engine.device import Device
from ..engine.sharing import Turns
from ..optim import Optimizer, Schedule
from .history import History
from .minibatches import Minibatches

# For the loop and checkpoints; `dir()` of a task, which completes names, leaves them out.
_INTERNAL = frozenset(
    (
        *("after_epoch", "begin_epoch", "end", "epoch_loss", "judge_epoch", "make_step", "report_interrupt"),
        *(
            "span_of_schedule",
            "own_state",
            "load_own_state",
            "settings",
            "older_settings",
            "initial_options",
            "kind",
            "turns",
        ),
    )
)

Step = Callable[[int, int, bool, bool], None]  # (rows, rows of its group, first of the group, last of it)


@dataclass
class State:
    """A run between two epochs, on the host: sets of named arrays, and values that JSON can hold."""

    arrays: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"State(arrays of {', '.join(self.arrays) or 'nothing'}; values {', '.join(self.values) or 'none'})"


class Task(ABC):
    """Parameters with their optimizer, and the data of the running fit.

    Attributes
    ----------
    device : Device
        Device of the parameters.
    model : object
        Has state_dict and load_state_dict.
    optimizer : optim.Optimizer
        The optimizer.
    schedule : optim.Schedule or None
        The schedule of the learning rate.
    history : History
        One record per epoch.
    data : Minibatches
        The data of the running fit.
    steps : int
        Optimizer steps so far.
    rows_so_far : int
        Rows of the running epoch so far.
    stop_reason : str or None
        Why the run ends early.
    turns : Turns
        Held while a step, or a prediction in another thread, uses the parameters.
    """

    kind: ClassVar[str]  # names its checkpoints

    device: Device
    model: Any
    optimizer: Optimizer
    schedule: Schedule | None
    history: History
    data: Minibatches
    turns: Turns
    steps = 0
    rows_so_far = 0
    stop_reason: str | None = None

    @property
    def epoch(self) -> int:
        """Epochs trained so far."""
        return len(self.history)

    def __repr__(self) -> str:
        optimizer = type(self.optimizer).__name__
        return f"{type(self).__name__}(optimizer={optimizer}, device={self.device.name!r}, epochs={self.epoch})"

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if name not in _INTERNAL]

    def stop(self, reason: str) -> None:
        """End the run after the running epoch; for callbacks.

        Parameters
        ----------
        reason : str
            The text for `history.stopped`.
        """
        self.stop_reason = reason

    @abstractmethod
    def running_loss(self) -> tuple[float, int]:
        """Return the loss of the running epoch so far; waits for the device.

        Returns
        -------
        total : float
            The sum of the losses of its rows.
        rows : int
            The number of these rows.
        """

    # ---- called by the loop ----

    @abstractmethod
    def make_step(self, recorded: bool) -> Step:
        """Return the step over the next minibatch: gather, forward, loss, backward, and the update after a group.

        Parameters
        ----------
        recorded : bool
            Whether to record the step and replay it.

        Returns
        -------
        callable
            The function step(rows, rows of its group, first of the group, last of it).
        """

    @abstractmethod
    def begin_epoch(self, rate: float | None = None) -> None:
        """Order the rows, and set the sum of the losses to zero.

        Parameters
        ----------
        rate : float, optional
            The learning rate of an epoch that is run again, for a task that sets it itself.
        """

    @abstractmethod
    def epoch_loss(self) -> float:
        """Return the mean loss of the epoch's rows; waits for the device.

        Returns
        -------
        float
            The mean loss.
        """

    def after_epoch(self, record: dict[str, Any]) -> dict[str, Any]:
        """Validate after an epoch.

        Parameters
        ----------
        record : dict
            The record of the epoch so far.

        Returns
        -------
        dict
            More entries for the record.
        """
        return {}

    def judge_epoch(self, record: dict[str, Any]) -> None:  # noqa: B027  (a task need not have rules)
        """Apply the task's own rules for stopping, after callbacks have seen the epoch.

        Parameters
        ----------
        record : dict
            The record of the epoch.
        """

    @abstractmethod
    def end(self) -> None:
        """Leave the training mode, before `on_fit_end` of callbacks, and after an error too."""

    @abstractmethod
    def report_interrupt(self) -> None:
        """Report that Ctrl-C ended the run."""

    def span_of_schedule(self, goal: int) -> tuple[int, int]:
        """Return the length of a run for the schedule, counted from its first step.

        Parameters
        ----------
        goal : int
            Epochs in the history at the end of the run.

        Returns
        -------
        steps : int
            Steps of the optimizer.
        epochs : int
            Epochs.
        """
        return goal * len(self.data.groups), goal

    # ---- state ----

    @abstractmethod
    def own_state(self) -> State:
        """Return the state of the run apart from optimizer, schedule, history and callbacks.

        Returns
        -------
        State
            Copies on the host.
        """

    @abstractmethod
    def load_own_state(self, state: State) -> None:
        """Restore a state that `own_state` returned.

        Parameters
        ----------
        state : State
            The state.
        """

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Return the settings that a resumed run must share with the one that wrote the checkpoint.

        Returns
        -------
        dict
            Values that JSON can hold, by the names of the settings.
        """

    def older_settings(self) -> dict[str, Any]:
        """Return the values of settings that older checkpoints do not name.

        Returns
        -------
        dict
            Values by the names of the settings.
        """
        return {}
