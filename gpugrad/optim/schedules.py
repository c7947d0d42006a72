"""Schedules: the learning rate as a function of the steps taken. Names, formulas and defaults are PyTorch's.

All except ReduceLROnPlateau are closed forms of the number of steps and the first rate of each parameter group, so a
resumed run continues exactly. They set ``optimizer.param_groups[i]["lr"]``, and a recorded step uses the new rate.

`prepare` fills in the missing lengths (None); a Trainer calls it once it knows the length of the run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import ArgumentError, CheckpointError, RecordingError, a_or_an, choose, counted
from ..options import CheckedCall, changed_options, plain, show
from .groups import check_number
from .optimizer import Optimizer


class Schedule(CheckedCall):
    """Base class of the schedules, and of your own: define `rate`.

    Copied together with its optimizer, with `copy.deepcopy` or pickle, a schedule sets the rates of the copy.

    Parameters
    ----------
    optimizer : Optimizer
        Optimizer whose learning rates it sets.
    interval : {"step", "epoch"}
        Unit that `step` counts: a Trainer calls it after each step of the optimizer, or after each epoch.

    Attributes
    ----------
    base_lrs : list of float
        Reference rate of each parameter group: its rate when the schedule was created, or when the group was added.
    interval : {"step", "epoch", "plateau"}
        As passed; "plateau" is after each epoch, with a metric.
    optimizer : Optimizer
        As passed.
    steps : int
        Calls of `step` so far.

    Raises
    ------
    ArgumentError
        If the optimizer is not one, or a value is outside what the schedule accepts.
    """

    _first = "the optimizer"

    def __init__(self, optimizer: Optimizer, interval: str) -> None:
        self.optimizer = check_optimizer(optimizer)
        self.interval = choose("interval", interval, ("step", "epoch"))
        self.base_lrs = [float(group["lr"]) for group in optimizer.param_groups]
        self.steps = 0
        self._training: dict[str, int] | None = None

    def __repr__(self) -> str:
        """Return a summary in one line."""
        options = changed_options(type(self), {name: getattr(self, name) for name in self._settings()})
        shown = [f"{name}={show(value)}" for name, value in options.items()]
        rates = [show(rate) for rate in self.get_last_lr()]
        lr = rates[0] if len(rates) == 1 else f"[{', '.join(rates)}]"
        unit = "step" if self.interval == "step" else "epoch"
        return f"{type(self).__name__}({', '.join([*shown, f'{unit} {self.steps}', f'lr={lr}'])})"

    # ---- overridden by schedules ----

    def rate(self, base: float, t: int) -> float:
        """Return the learning rate after t steps.

        Parameters
        ----------
        base : float
            Rate of the parameter group in `base_lrs`.
        t : int
            Steps taken.

        Returns
        -------
        float
            The learning rate.
        """
        raise NotImplementedError

    def _settings(self) -> dict[str, Any]:
        """Return the other values that the rate depends on, by attribute; saved with the state."""
        return {}

    def _unknown(self) -> bool:
        """Return whether a length is missing that only `prepare` can fill in."""
        return False

    # ---- use ----

    @property
    def needs_length(self) -> bool:
        """Whether the rates depend on the length of the run, and `prepare` has not been called with it."""
        return self._unknown()

    def prepare(self, *, total_steps: int, steps_per_epoch: int, epochs: int) -> None:
        """Set the length of the run, counted from its first step; fills in the missing lengths.

        Parameters
        ----------
        total_steps : int
            Steps of the optimizer in the run.
        steps_per_epoch : int
            Steps of the optimizer per epoch.
        epochs : int
            Epochs in the run.
        """
        self._training = {"step": total_steps, "epoch": epochs}
        self._apply()

    def step(self, metric: float | None = None) -> None:
        """Count one step, or epoch, and set the learning rates.

        Parameters
        ----------
        metric : float, optional
            Only for `ReduceLROnPlateau`; the other schedules ignore it.

        Raises
        ------
        ArgumentError
            If the length of the run is unknown.
        RecordingError
            If it is called inside a recorded step.
        """
        refuse_recording(self.optimizer)
        if self._unknown():
            raise ArgumentError(
                f"{type(self).__name__} does not know the length of the run: pass its length, or call prepare() first"
            )
        self.steps += 1
        self._apply()

    def get_last_lr(self) -> list[float]:
        """Return the learning rate of each parameter group.

        Returns
        -------
        list of float
            One rate per group.
        """
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Return what the next rates depend on, as JSON can hold it.

        Returns
        -------
        dict
            Steps so far, reference rates and settings.
        """
        self._follow_groups()
        return {"steps": self.steps, "base_lrs": list(self.base_lrs), "settings": self._settings()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from a `state_dict`.

        Parameters
        ----------
        state_dict : mapping
            Result of `state_dict` of a schedule of the same class.

        Raises
        ------
        CheckpointError
            If it belongs to another schedule or optimizer.
        """
        self._check_state(state_dict, "base_lrs")
        self._check_settings(state_dict["settings"])
        self.steps, self.base_lrs = state_dict["steps"], list(state_dict["base_lrs"])
        self._load_settings(state_dict["settings"])
        self._apply()

    def _follow_groups(self) -> None:
        """Add the reference rates of parameter groups that were added since."""
        self.base_lrs += [float(group["lr"]) for group in self.optimizer.param_groups[len(self.base_lrs) :]]

    def _apply(self) -> None:
        self._follow_groups()
        if not self._unknown():
            for group, base in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
                group["lr"] = self.rate(base, self.steps)

    def _length(self, given: int | None) -> int:
        """Return a given length, or the length of the run in the unit of `step`."""
        if given is not None:
            return given
        assert self._training is not None, "prepare() has not been called"
        return self._training[self.interval]

    def _check_state(self, found: Any, rates: str) -> None:
        """Refuse a state with other entries, or with rates for another number of parameter groups."""
        name = type(self).__name__
        if not isinstance(found, Mapping) or set(found) != set(self.state_dict()):
            raise CheckpointError(f"the state does not belong to {name}: it was written with another schedule")
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


def check_optimizer(optimizer: Any) -> Optimizer:
    """Refuse anything except an optimizer."""
    if not isinstance(optimizer, Optimizer):
        given = "None" if optimizer is None else a_or_an(type(optimizer))
        raise ArgumentError(
            f"optimizer is {given}, expected an optimizer: pass optim.Adam(model.parameters()), for instance"
        )
    return optimizer


def refuse_recording(optimizer: Optimizer) -> None:
    """Refuse to step inside a recorded step."""
    if optimizer.flat.device.thread.recorder is not None:
        raise RecordingError("a schedule stepped inside a recorded step, which a replay would skip: step it outside")


def check_steps(name: str, value: Any, low: int = 1, *, optional: bool = True) -> Any:
    """Return an integer of at least `low`, or None if it is optional: a length to be filled in; refuse the rest."""
    value = plain(value)
    if optional and value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < low:
        otherwise = ", or None to derive it from the length of the run" if optional else ""
        raise ArgumentError(f"{name} is {value!r}, expected an integer of at least {low}{otherwise}")
    return value


class Constant(Schedule):
    """Keep the learning rate constant.

    (PyTorch's ConstantLR differs: it lowers the rate of the first steps.)

    Parameters
    ----------
    optimizer : Optimizer
        Optimizer whose learning rates it sets.
    interval : {"step", "epoch"}, default "epoch"
        Unit that `step` counts.
    """

    def __init__(self, optimizer: Optimizer, *, interval: str = "epoch") -> None:
        super().__init__(optimizer, interval)

    def rate(self, base: float, t: int) -> float:
        """Return the learning rate after t steps.

        Parameters
        ----------
        base : float
            Reference rate of the parameter group.
        t : int
            Steps taken.

        Returns
        -------
        float
            The learning rate.
        """
        return base


class StepLR(Schedule):
    """Multiply the learning rate by gamma every step_size epochs: base·gamma^⌊t/step_size⌋.

    Parameters
    ----------
    optimizer : Optimizer
        Optimizer whose learning rates it sets.
    step_size : int, optional
        Epochs between two changes; None uses a third of the run.
    gamma : float, default 0.1
        Factor, more than 0.
    interval : {"step", "epoch"}, default "epoch"
        Unit that `step` counts.

    Notes
    -----
    The rate after t epochs is base·gamma^⌊t/step_size⌋.
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int | None = None, gamma: float = 0.1, *, interval: str = "epoch"
    ) -> None:
        super().__init__(optimizer, interval)
        check_number("gamma", gamma, 0.0, above=True)
        self.step_size, self.gamma = check_steps("step_size", step_size), gamma

    def _settings(self) -> dict[str, Any]:
        return {"step_size": self.step_size, "gamma": self.gamma}

    def _unknown(self) -> bool:
        return self.step_size is None and self._training is None

    def rate(self, base: float, t: int) -> float:
        """Return the learning rate after t steps.

        Parameters
        ----------
        base : float
            Reference rate of the parameter group.
        t : int
            Steps taken.

        Returns
        -------
        float
            The learning rate.
        """
        size = self.step_size or max(1, self._length(None) // 3)
        return base * self.gamma ** (t // size)


class ExponentialLR(Schedule):
    """Multiply the learning rate by gamma every epoch: base·gamma^t.

    Parameters
    ----------
    optimizer : Optimizer
        Optimizer whose learning rates it sets.
    gamma : float, optional
        Factor, more than 0; None chooses it so that the run ends at 1 % of the first rate.
    interval : {"step", "epoch"}, default "epoch"
        Unit that `step` counts.

    Notes
    -----
    The rate after t epochs is base·gamma^t.
    """

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
        """Return the learning rate after t steps.

        Parameters
        ----------
        base : float
            Reference rate of the parameter group.
        t : int
            Steps taken.

        Returns
        -------
        float
            The learning rate.
        """
        return base * (self.END ** (t / self._length(None)) if self.gamma is None else self.gamma**t)


class CosineAnnealingLR(Schedule):
    """Lower the learning rate along half a cosine: eta_min + (base − eta_min)·(1 + cos(π·t/T_max))/2.

    Parameters
    ----------
    optimizer : Optimizer
        Optimizer whose learning rates it sets.
    T_max : int, optional
        Steps from the first rate to eta_min; None uses the length of the run.
    eta_min : float, default 0.0
        Last rate.
    interval : {"step", "epoch"}, default "step"
        Unit that `step` counts.

    Notes
    -----
    The rate after t steps is eta_min + (base − eta_min)·(1 + cos(π·t/T_max))/2. After T_max it rises again, as in
    PyTorch.

    References
    ----------
    Loshchilov & Hutter, "SGDR: stochastic gradient descent with warm restarts", arXiv:1608.03983.
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int | None = None, eta_min: float = 0.0, *, interval: str = "step"
    ) -> None:
        super().__init__(optimizer, interval)
        check_number("eta_min", eta_min, 0.0)
        self.T_max, self.eta_min = check_steps("T_max", T_max), eta_min

    def _settings(self) -> dict[str, Any]:
        return {"T_max": self.T_max, "eta_min": self.eta_min}

    def _unknown(self) -> bool:
        return self.T_max is None and self._training is None

    def rate(self, base: float, t: int) -> float:
        """Return the learning rate after t steps.

        Parameters
        ----------
        base : float
            Reference rate of the parameter group.
        t : int
            Steps taken.

        Returns
        -------
        float
            The learning rate.
        """
        return _cosine(base, self.eta_min, t / self._length(self.T_max))


def _cosine(start: float, end: float, share: float) -> float:
    """Return the value from start to end along half a cosine."""
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


class OneCycleLR(Schedule):
    """Raise the learning rate along half a cosine, then lower it along another.

    Momentum is not cycled.

    Parameters
    ----------
    optimizer : Optimizer
        Optimizer whose learning rates it sets.
    max_lr : float or sequence of float, optional
        Highest rate, of all groups or of each; None uses the rate of each group.
    total_steps : int, optional
        Steps up and down together, after which the rate is constant; None uses the length of the run.
    pct_start : float, default 0.3
        Share of the steps on the way up.
    div_factor : float, default 25.0
        Highest rate divided by the first.
    final_div_factor : float, default 1e4
        First rate divided by the last.
    interval : {"step", "epoch"}, default "step"
        Unit that `step` counts.

    Notes
    -----
    The rate rises from max_lr/div_factor to max_lr and falls to max_lr/(div_factor·final_div_factor).

    References
    ----------
    Smith & Topin, "Super-convergence: very fast training of neural networks using large learning rates",
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
            raise ArgumentError(
                f"max_lr has {counted(len(peaks), 'value')}, expected one per parameter group, {groups}"
            )
        for peak in peaks:
            check_number("max_lr", peak, 0.0)
        total_steps = check_steps("total_steps", total_steps)
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
        """Return the learning rate after t steps.

        Parameters
        ----------
        base : float
            Reference rate of the parameter group.
        t : int
            Steps taken.

        Returns
        -------
        float
            The learning rate.
        """
        total, start = self._length(self.total_steps), base / self.div_factor
        last = total - 1
        turn = self.pct_start * total - 1  # the step of the highest rate; negative if there is no way up
        t = min(t, last)
        if t <= turn:
            return _cosine(start, base, t / turn if turn > 0 else 1.0)
        return _cosine(base, start / self.final_div_factor, (t - turn) / (last - turn))


class LinearWarmup(Schedule):
    """Raise the learning rate in equal parts, then follow another schedule or keep it.

    Parameters
    ----------
    optimizer : Optimizer
        Optimizer whose learning rates it sets.
    warmup_steps : int, optional
        Steps of the warm-up; None uses the first twentieth of the run.
    start_factor : float, default 0.01
        First rate, as a share of the reference rate.
    then : Schedule, optional
        Schedule after the warm-up, created over the same optimizer before this one and with the same interval. Its step
        0 is the end of the warm-up. None keeps the rate.
    interval : {"step", "epoch"}, default "step"
        Unit that `step` counts.

    Notes
    -----
    The rate after t steps of the warm-up is base·(start_factor + (1 − start_factor)·t/warmup_steps), as in PyTorch's
    LinearLR.

    References
    ----------
    Goyal et al., "Accurate, large minibatch SGD: training ImageNet in 1 hour", arXiv:1706.02677.
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
        warmup_steps = check_steps("warmup_steps", warmup_steps)
        if not 0 <= start_factor <= 1:
            raise ArgumentError(f"start_factor is {start_factor!r}, expected a share in [0, 1]")
        if then is not None:
            if then.optimizer is not optimizer:
                raise ArgumentError("then is a schedule of another optimizer: create it with the same one")
            if then.interval != interval:
                raise ArgumentError(
                    f"then counts {then.interval}s, the warm-up counts {interval}s: pass the same interval to both"
                )
            self.base_lrs = list(then.base_lrs)
        self.warmup_steps, self.start_factor, self.then = warmup_steps, start_factor, then
        self._apply()

    def prepare(self, *, total_steps: int, steps_per_epoch: int, epochs: int) -> None:
        """Set the length of the run, and of the schedule after the warm-up.

        Parameters
        ----------
        total_steps : int
            Steps of the optimizer in the run.
        steps_per_epoch : int
            Steps of the optimizer per epoch.
        epochs : int
            Epochs in the run.
        """
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
                "the state and this LinearWarmup differ in the schedule after the warm-up: make it with the same one"
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
        """Return the learning rate after t steps.

        Parameters
        ----------
        base : float
            Reference rate of the parameter group.
        t : int
            Steps taken.

        Returns
        -------
        float
            The learning rate.
        """
        warmup = self._warmup()
        if t >= warmup:
            return base if self.then is None else self.then.rate(base, t - warmup)
        return base * (self.start_factor + (1 - self.start_factor) * t / warmup)
