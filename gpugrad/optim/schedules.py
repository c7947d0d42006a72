"""Schedules: the learning rate as a function of the steps taken. Names, formulas and defaults are PyTorch's.

All but one are closed forms of the number of steps and the rate that each parameter group began with, so a training
that is resumed goes on exactly. They set `optimizer.param_groups[i]["lr"]`; a recorded step sees it change.

Lengths that are left out (None) are filled by `prepare`, which a Trainer calls when it knows how long it will train.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import ArgumentError, CheckpointError, RecordingError, choose
from .groups import check_number
from .optimizer import Optimizer


class Schedule:
    """Base of the schedules, and of your own: define `rate`.

    interval: what `step` counts, and when a Trainer calls it: after each "step" of the optimizer, after each "epoch",
        or "plateau": after each epoch with a metric.

    Attributes: `optimizer`, `interval`, `base_lrs` (of each parameter group, what the schedule is relative to: the rate
    that it had when the schedule was made), `steps` (taken so far).
    """

    def __init__(self, optimizer: Optimizer, interval: str) -> None:
        self.optimizer = optimizer
        self.interval = choose("interval", interval, ("step", "epoch"))
        self.base_lrs = [float(group["lr"]) for group in optimizer.param_groups]
        self.steps = 0
        self._training: dict[str, int] | None = None

    # ---- what a schedule says ----

    def rate(self, base: float, t: int) -> float:
        """The learning rate after t steps of a parameter group whose rate in `base_lrs` is `base`."""
        raise NotImplementedError

    def _settings(self) -> dict[str, Any]:
        """What the rate depends on besides; saved with the state, by the names of the attributes."""
        return {}

    def _unknown(self) -> bool:
        """Whether a length is missing that only `prepare` can fill."""
        return False

    # ---- use ----

    def prepare(self, *, total_steps: int, steps_per_epoch: int, epochs: int) -> None:
        """Say how long the training will be, from its very first step; fills the lengths that were left out."""
        self._training = {"step": total_steps, "epoch": epochs}
        self._apply()

    def step(self, metric: float | None = None) -> None:
        """Count one step, or epoch, and set the learning rates; `metric` is for ReduceLROnPlateau alone."""
        refuse_recording(self.optimizer)
        if self._unknown():
            raise ArgumentError(
                f"{type(self).__name__} does not know how long the training is: "
                "pass its length, or call prepare() first"
            )
        self.steps += 1
        self._apply()

    def get_last_lr(self) -> list[float]:
        """The learning rate of each parameter group."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """All that the next rates depend on, as JSON can hold it."""
        return {"steps": self.steps, "base_lrs": list(self.base_lrs), "settings": self._settings()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave. Raises CheckpointError if it is of another schedule or optimizer."""
        self._check_state(state_dict, "base_lrs")
        self._check_settings(state_dict["settings"])
        self.steps, self.base_lrs = state_dict["steps"], list(state_dict["base_lrs"])
        self._load_settings(state_dict["settings"])
        self._apply()

    def _apply(self) -> None:
        if not self._unknown():
            for group, base in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
                group["lr"] = self.rate(base, self.steps)

    def _length(self, given: int | None) -> int:
        """A length that was given, or else the whole training, counted as `step` counts."""
        if given is not None:
            return given
        assert self._training is not None, "prepare() has not been called"
        return self._training[self.interval]

    def _check_state(self, found: Any, rates: str) -> None:
        """Refuse a state with other entries, or with rates for another number of parameter groups."""
        name = type(self).__name__
        if not isinstance(found, Mapping) or set(found) != set(self.state_dict()):
            raise CheckpointError(f"the state is not one of {name}: it was written with another schedule")
        if len(found[rates]) != len(self.optimizer.param_groups):
            raise CheckpointError(
                f"the state of {name} has {len(found[rates])} parameter groups, the optimizer has "
                f"{len(self.optimizer.param_groups)}: make it with the same groups"
            )

    def _check_settings(self, found: Mapping[str, Any]) -> None:
        expected = self._settings()
        if set(found) != set(expected):
            raise CheckpointError(
                f"the state has the settings {', '.join(found) or 'none'}, {type(self).__name__} has "
                f"{', '.join(expected) or 'none'}: it was written with another schedule"
            )

    def _load_settings(self, settings: Mapping[str, Any]) -> None:
        for name, value in settings.items():
            setattr(self, name, value)


def refuse_recording(optimizer: Optimizer) -> None:
    if optimizer.flat.device.recorder is not None:
        raise RecordingError(
            "a schedule stepped inside a recorded step, where a replay passes over it: step it outside"
        )


def check_steps(name: str, value: Any, low: int = 1, *, optional: bool = True) -> None:
    """Refuse what is no integer of at least `low`; None passes where it is optional, a length yet to be filled."""
    if optional and value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool) or value < low:
        otherwise = ", or None: it follows from the training's length" if optional else ""
        raise ArgumentError(f"{name} is {value!r}, expected an integer of at least {low}{otherwise}")


class Constant(Schedule):
    """The learning rate stays as it is. (PyTorch's ConstantLR is another thing: a lower rate for the first steps.)"""

    def __init__(self, optimizer: Optimizer, *, interval: str = "epoch") -> None:
        super().__init__(optimizer, interval)

    def rate(self, base: float, t: int) -> float:
        return base


class StepLR(Schedule):
    """base·gamma^⌊t/step_size⌋: a fall every step_size epochs. step_size None: a third of the training."""

    def __init__(
        self, optimizer: Optimizer, step_size: int | None = None, gamma: float = 0.1, *, interval: str = "epoch"
    ) -> None:
        super().__init__(optimizer, interval)
        check_steps("step_size", step_size)
        check_number("gamma", gamma, 0.0, above=True)
        self.step_size, self.gamma = step_size, gamma

    def _settings(self) -> dict[str, Any]:
        return {"step_size": self.step_size, "gamma": self.gamma}

    def _unknown(self) -> bool:
        return self.step_size is None and self._training is None

    def rate(self, base: float, t: int) -> float:
        size = self.step_size or max(1, self._length(None) // 3)
        return base * self.gamma ** (t // size)


class ExponentialLR(Schedule):
    """base·gamma^t. gamma None: so that the rate ends at 1 % of where it began."""

    END = 0.01

    def __init__(self, optimizer: Optimizer, gamma: float | None = None, *, interval: str = "epoch") -> None:
        super().__init__(optimizer, interval)
        if gamma is not None:
            check_number("gamma", gamma, 0.0, above=True)
        self.gamma = gamma

    def _settings(self) -> dict[str, Any]:
        return {"gamma": self.gamma}

    def _unknown(self) -> bool:
        return self.gamma is None and self._training is None

    def rate(self, base: float, t: int) -> float:
        return base * (self.END ** (t / self._length(None)) if self.gamma is None else self.gamma**t)


class CosineAnnealingLR(Schedule):
    """eta_min + (base − eta_min)·(1 + cos(π·t/T_max))/2; beyond T_max it rises again, as in PyTorch.

    T_max: steps from the first rate to eta_min; None: the whole training. Loshchilov & Hutter, arXiv:1608.03983.
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int | None = None, eta_min: float = 0.0, *, interval: str = "step"
    ) -> None:
        super().__init__(optimizer, interval)
        check_steps("T_max", T_max)
        check_number("eta_min", eta_min, 0.0)
        self.T_max, self.eta_min = T_max, eta_min

    def _settings(self) -> dict[str, Any]:
        return {"T_max": self.T_max, "eta_min": self.eta_min}

    def _unknown(self) -> bool:
        return self.T_max is None and self._training is None

    def rate(self, base: float, t: int) -> float:
        return _cosine(base, self.eta_min, t / self._length(self.T_max))


def _cosine(start: float, end: float, share: float) -> float:
    """From start to end along half a cosine."""
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


class OneCycleLR(Schedule):
    """Up along a cosine from max_lr/div_factor to max_lr, then down to that start divided by final_div_factor.

    max_lr: one for all groups, or one each; None: the rate that each group has. total_steps: of both parts; None: the
    whole training; beyond it the rate stays. pct_start: the share of the way up. Momentum is not cycled. Smith & Topin,
    arXiv:1708.07120.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float] | None = None,
        total_steps: int | None = None,
        *,
        pct_start: float = 0.3,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        interval: str = "step",
    ) -> None:
        super().__init__(optimizer, interval)
        groups = len(self.base_lrs)
        peaks = self.base_lrs if max_lr is None else max_lr if isinstance(max_lr, Sequence) else [max_lr] * groups
        if len(peaks) != groups:
            raise ArgumentError(f"max_lr has {len(peaks)} values, expected one for each of {groups} parameter groups")
        for peak in peaks:
            check_number("max_lr", peak, 0.0)
        check_steps("total_steps", total_steps)
        if not 0 <= pct_start <= 1:
            raise ArgumentError(f"pct_start is {pct_start!r}, expected a share in [0, 1]")
        check_number("div_factor", div_factor, 0.0, above=True)
        check_number("final_div_factor", final_div_factor, 0.0, above=True)
        self.base_lrs = [float(peak) for peak in peaks]
        self.total_steps, self.pct_start = total_steps, pct_start
        self.div_factor, self.final_div_factor = div_factor, final_div_factor
        self._apply()

    def _settings(self) -> dict[str, Any]:
        names = ("total_steps", "pct_start", "div_factor", "final_div_factor")
        return {name: getattr(self, name) for name in names}

    def _unknown(self) -> bool:
        return self.total_steps is None and self._training is None

    def rate(self, base: float, t: int) -> float:
        total, start = self._length(self.total_steps), base / self.div_factor
        last = total - 1
        turn = self.pct_start * total - 1  # the step with the highest rate; before the first one if there is no way up
        t = min(t, last)
        if t <= turn:
            return _cosine(start, base, t / turn if turn > 0 else 1.0)
        return _cosine(base, start / self.final_div_factor, (t - turn) / (last - turn))


class LinearWarmup(Schedule):
    """From start_factor·base up to base in warmup_steps equal parts, and then another schedule, or the rate stays.

    warmup_steps None: the first twentieth of the training. then: made over the same optimizer before this one, and
    counting the same; its step 0 is the end of the warm-up. The ramp is that of PyTorch's LinearLR.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        warmup_steps: int | None = None,
        *,
        start_factor: float = 0.01,
        then: Schedule | None = None,
        interval: str = "step",
    ) -> None:
        super().__init__(optimizer, interval)
        check_steps("warmup_steps", warmup_steps)
        if not 0 <= start_factor <= 1:
            raise ArgumentError(f"start_factor is {start_factor!r}, expected a share in [0, 1]")
        if then is not None:
            if then.optimizer is not optimizer:
                raise ArgumentError("then is a schedule of another optimizer: make it over the same one")
            if then.interval != interval:
                raise ArgumentError(
                    f"then counts {then.interval}s, the warm-up counts {interval}s: pass the same interval to both"
                )
            self.base_lrs = list(then.base_lrs)
        self.warmup_steps, self.start_factor, self.then = warmup_steps, start_factor, then
        self._apply()

    def prepare(self, *, total_steps: int, steps_per_epoch: int, epochs: int) -> None:
        self._training = {"step": total_steps, "epoch": epochs}
        if self.then is not None:
            rest = {"step": total_steps, "epoch": epochs}
            rest[self.interval] = max(1, rest[self.interval] - self._warmup())
            self.then.prepare(total_steps=rest["step"], steps_per_epoch=steps_per_epoch, epochs=rest["epoch"])
        self._apply()

    def _warmup(self) -> int:
        return self.warmup_steps or max(1, self._length(None) // 20)

    def _settings(self) -> dict[str, Any]:
        then = None if self.then is None else self.then._settings()
        return {"warmup_steps": self.warmup_steps, "start_factor": self.start_factor, "then": then}

    def _check_settings(self, found: Mapping[str, Any]) -> None:
        super()._check_settings(found)
        if (self.then is None) != (found["then"] is None):
            raise CheckpointError(
                "the state and this LinearWarmup differ in what comes after it: make it with the same one"
            )
        if self.then is not None:
            self.then._check_settings(found["then"])

    def _load_settings(self, settings: Mapping[str, Any]) -> None:
        self.warmup_steps, self.start_factor = settings["warmup_steps"], settings["start_factor"]
        if self.then is not None:
            self.then._load_settings(settings["then"])

    def _unknown(self) -> bool:
        then_unknown = self.then is not None and self.then._unknown()
        return then_unknown or (self.warmup_steps is None and self._training is None)

    def rate(self, base: float, t: int) -> float:
        warmup = self._warmup()
        if t >= warmup:
            return base if self.then is None else self.then.rate(base, t - warmup)
        return base * (self.start_factor + (1 - self.start_factor) * t / warmup)
