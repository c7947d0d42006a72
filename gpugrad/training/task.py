"""Task: what the loop trains, and what callbacks see of it. A Trainer is one, and so is the fit of an estimator."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from ..engine.device import Device
from ..optim import Optimizer, Schedule
from .history import History
from .minibatches import Minibatches

Step = Callable[[int, int, bool, bool], None]  # (rows, rows of its group, first of the group, last of it)


@dataclass
class State:
    """A run between two epochs, on the host: sets of named arrays, and values that JSON can hold."""

    arrays: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)


class Task(ABC):
    """What is trained: parameters with their optimizer, and the data of the fit that runs.

    Attributes, which callbacks see: `device`, `model` (with state_dict and load_state_dict), `optimizer`, `schedule`
    (or None), `history`, `steps` (of the optimizer, so far), `stop_reason` (why the run ends early, or None).
    """

    kind: ClassVar[str]  # of its checkpoints
    older_settings: ClassVar[dict[str, Any]] = {}  # what checkpoints had before they named it

    device: Device
    model: Any
    optimizer: Optimizer
    schedule: Schedule | None
    history: History
    data: Minibatches
    steps = 0
    rows_so_far = 0  # of the running epoch
    stop_reason: str | None = None

    @property
    def epoch(self) -> int:
        """Epochs trained so far."""
        return len(self.history)

    def stop(self, reason: str) -> None:
        """End the run after the running epoch; for callbacks."""
        self.stop_reason = reason

    @abstractmethod
    def running_loss(self) -> tuple[float, int]:
        """Of the running epoch so far: the sum of the losses of its rows, and their number; waits for the device."""

    # ---- what the loop asks for ----

    @abstractmethod
    def make_step(self, recorded: bool) -> Step:
        """Return the step over the next minibatch; the last one of a group updates the parameters."""

    @abstractmethod
    def begin_epoch(self, rate: float | None = None) -> None:
        """Shuffle, and start sums at zero. rate: the learning rate of an epoch that is run again."""

    @abstractmethod
    def epoch_loss(self) -> float:
        """The mean loss of the epoch's rows; waits for the device."""

    def after_epoch(self, record: dict[str, Any]) -> dict[str, Any]:
        """Validate; return more entries for the epoch's record."""
        return {}

    def judge_epoch(self, record: dict[str, Any]) -> None:  # noqa: B027  (a task need have no rules)
        """Apply rules of its own for when to stop, after callbacks have seen the epoch."""

    @abstractmethod
    def end(self) -> None:
        """Leave the training mode, before callbacks learn of the end, and after an error too."""

    @abstractmethod
    def report_interrupt(self) -> None:
        """Report that Ctrl-C ended the run."""

    def span_of_schedule(self, goal: int) -> tuple[int, int]:
        """Return what the schedule has behind it, and the epochs ahead of it in a run until `goal` epochs."""
        return 0, goal

    # ---- state ----

    @abstractmethod
    def own_state(self) -> State:
        """What the rest of the run depends on, apart from optimizer, schedule, history and callbacks."""

    @abstractmethod
    def load_own_state(self, state: State) -> None:
        """Go back to what `own_state` gave."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """What a run that resumes must have in common with the one that wrote the checkpoint."""
