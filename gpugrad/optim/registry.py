"""Optimizers and schedules by name: one row each, from which commands, estimators, the lab and tests derive.

A new optimizer is a class in `rules.py` and a row here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import ArgumentError, choose
from ..options import check_options
from . import rules
from .optimizer import Optimizer
from .plateau import ReduceLROnPlateau
from .schedules import (
    Constant,
    CosineAnnealingLR,
    ExponentialLR,
    LinearWarmup,
    OneCycleLR,
    Schedule,
    StepLR,
    check_optimizer,
)

# (rate that suits gradient descent on a surface, a twentieth of the view) → rate that suits the rule.
LabRate = Callable[[float, float], float]


def in_reach(share: float) -> LabRate:
    """Return a rate for rules whose first step has the size of lr: a share of a twentieth of the view."""
    return lambda descent, reach: float(f"{share * reach:.2g}")


ONE_REACH = in_reach(1.0)


@dataclass(frozen=True)
class Solver:
    """Recipe by which an estimator creates an optimizer.

    Attributes
    ----------
    cls : type
        Class of the optimizer.
    options : mapping
        For each option a value, or a function from the estimator to the value.
    """

    cls: type[Optimizer]
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse options that the class does not accept."""
        _check_row(self.cls, self.options)


@dataclass(frozen=True)
class Rule:
    """An optimizer by name: a class with options, and suitable settings for the command, the estimators and the lab.

    Attributes
    ----------
    cls : type
        Class of the optimizer.
    options : mapping
        Options that differ from the defaults of the class.
    peak_lr : float
        Learning rate of `gpugrad train` without --lr, chosen on the digits and MNIST with the default schedule.
    solver : Solver or None
        Recipe of the estimators for it; None uses the class with its defaults.
    is_solver : bool
        True if the estimators offer it.
    colour : str or None
        Colour of its line in the lab; None uses the next free one.
    dashed : bool
        True if its line is dashed.
    lab_rate : callable
        Learning rate that suits it on a surface.
    plane_rate : float or None
        Learning rate that suits it on the loss of a network; None uses that of gradient descent.
    formula : str
        Its step, in clauses of the docstring of the class; "" uses the first sentence of the docstring.

    Raises
    ------
    ArgumentError
        If cls is not an optimizer class, or does not accept an option.
    """

    cls: type[Optimizer]
    options: Mapping[str, Any] = field(default_factory=dict)
    peak_lr: float = 0.003
    solver: Solver | None = None
    is_solver: bool = True
    colour: str | None = None
    dashed: bool = False
    lab_rate: LabRate = ONE_REACH
    plane_rate: float | None = 0.1
    formula: str = ""

    def __post_init__(self) -> None:
        """Refuse options that the class does not accept."""
        _check_row(self.cls, self.options)


def _check_row(cls: Any, options: Mapping[str, Any]) -> None:
    if not (isinstance(cls, type) and issubclass(cls, Optimizer)):
        raise ArgumentError(f"cls of a row is {cls!r}, expected a class of optim: pass optim.Adam, for instance")
    check_options(f"option of {cls.__name__} in a row", cls, options)


def _descent(descent: float, reach: float) -> float:
    return descent


RULES: dict[str, Rule] = {
    "sgd": Rule(
        rules.SGD,
        peak_lr=0.3,
        # scikit-learn's default is Nesterov's momentum, with the rate inside the buffer.
        solver=Solver(
            rules.SGD,
            {
                "momentum": lambda e: e.momentum,
                "nesterov": lambda e: e.nesterovs_momentum and e.momentum > 0,
                "lr_in_buffer": True,
            },
        ),
        colour="#000000",
        lab_rate=_descent,
        plane_rate=None,
        formula="p ← p − lr·g",
    ),
    "momentum": Rule(
        rules.SGD,
        {"momentum": 0.9},
        peak_lr=0.1,
        is_solver=False,  # the estimators' sgd has momentum as a parameter
        colour="#E69F00",
        lab_rate=_descent,
        plane_rate=None,
        formula="b ← momentum·b + g, p ← p − lr·b",
    ),
    "nesterov": Rule(
        rules.SGD,
        {"momentum": 0.9, "nesterov": True},
        peak_lr=0.1,
        is_solver=False,
        colour="#56B4E9",
        lab_rate=lambda descent, reach: descent / 2,  # stable up to two thirds of the rate of gradient descent
        plane_rate=None,
        formula="b ← momentum·b + g, p ← p − lr·(g + momentum·b)",
    ),
    "adagrad-norm": Rule(
        rules.AdagradNorm,
        peak_lr=3.0,
        colour="#009E73",
        dashed=True,
        lab_rate=in_reach(4.0),
        plane_rate=0.5,
        formula="s ← s + ‖g‖², p ← p − lr·g / √(eps + s)",
    ),
    "adagrad": Rule(
        rules.Adagrad,
        peak_lr=0.03,
        colour="#009E73",
        lab_rate=in_reach(4.0),
        plane_rate=0.5,
        formula="s ← s + g², p ← p − lr·g / (√s + eps)",
    ),
    "rmsprop": Rule(
        rules.RMSprop,
        solver=Solver(rules.RMSprop, {"eps": lambda e: e.epsilon}),
        colour="#CC79A7",
        lab_rate=in_reach(0.25),
        plane_rate=0.03,
        formula="v ← alpha·v + (1 − alpha)·g², p ← p − lr·g / (√v + eps)",
    ),
    "adadelta": Rule(
        rules.Adadelta,
        peak_lr=1.0,
        colour="#0072B2",
        lab_rate=lambda descent, reach: 20.0,  # its first steps are √eps = 1e-3 times lr, for any function
        plane_rate=20.0,
        formula="v ← rho·v + (1 − rho)·g², d = √((u + eps)/(v + eps))·g, u ← rho·u + (1 − rho)·d², p ← p − lr·d",
    ),
    "adam": Rule(
        rules.Adam,
        # scikit-learn adds eps before the correction of v.
        solver=Solver(
            rules.Adam, {"betas": lambda e: (e.beta_1, e.beta_2), "eps": lambda e: e.epsilon, "eps_hat": True}
        ),
        colour="#D55E00",
        formula="m ← beta1·m + (1 − beta1)·g, v ← beta2·v + (1 − beta2)·g², p ← p − lr·(m/c1) / (√(v/c2) + eps), "
        "c1 = 1 − beta1^t, c2 = 1 − beta2^t",
    ),
    "adamw": Rule(
        rules.AdamW,
        # An estimator decays the weights itself, without the biases, which leaves Adam.
        solver=Solver(rules.Adam, {"betas": lambda e: (e.beta_1, e.beta_2), "eps": lambda e: e.epsilon}),
        colour="#D55E00",
        dashed=True,
        formula="p ← p − lr·weight_decay·p, then Adam's step",
    ),
}
NAMES = tuple(RULES)


@dataclass(frozen=True)
class ScheduleRow:
    """A schedule by name.

    Attributes
    ----------
    cls : type
        Class of the schedule.
    options : callable
        Function from the optimizer to the options that differ from the defaults of the class.
    """

    cls: type[Schedule]
    options: Callable[[Optimizer], dict[str, Any]] = lambda optimizer: {}


SCHEDULES: dict[str, ScheduleRow] = {
    "constant": ScheduleRow(Constant),
    "step": ScheduleRow(StepLR),
    "exponential": ScheduleRow(ExponentialLR),
    "cosine": ScheduleRow(CosineAnnealingLR),
    "one-cycle": ScheduleRow(OneCycleLR),
    "warmup": ScheduleRow(LinearWarmup, lambda optimizer: {"then": CosineAnnealingLR(optimizer)}),
    "plateau": ScheduleRow(ReduceLROnPlateau, lambda optimizer: {"patience": 3}),
}
SCHEDULE_NAMES = tuple(SCHEDULES)


def make(name: str, parameters: Iterable[Any], *, lr: float | None = None, **options: Any) -> Optimizer:
    """Create an optimizer by its name in `RULES`.

    Parameters
    ----------
    name : str
        Name of the optimizer, such as "adam".
    parameters : iterable of Parameter or of dict
        Parameters, or parameter groups.
    lr : float, optional
        Learning rate; None uses the default of the class.
    **options : Any
        Other options of the class.

    Returns
    -------
    Optimizer
        The new optimizer.

    Raises
    ------
    ArgumentError
        If the name or an option is unknown, or the optimizer does not accept a value.
    """
    rule = RULES[choose("optimizer", name, RULES)]
    check_options(f"option of {name}", rule.cls, options)
    rate = {} if lr is None else {"lr": lr}
    return rule.cls(parameters, **rate, **{**rule.options, **options})


def make_schedule(name: str, optimizer: Optimizer, **options: Any) -> Schedule:
    """Create a schedule by its name in `SCHEDULES`; missing lengths follow from the length of the run.

    "warmup" rises over the first twentieth of the run and then falls along a cosine.

    Parameters
    ----------
    name : str
        Name of the schedule, such as "cosine".
    optimizer : Optimizer
        Optimizer whose learning rates it sets.
    **options : Any
        Options of the class.

    Returns
    -------
    Schedule
        The new schedule.

    Raises
    ------
    ArgumentError
        If the name or an option is unknown, the optimizer is not one, or the schedule does not accept a value.
    """
    row = SCHEDULES[choose("schedule", name, SCHEDULES)]
    check_optimizer(optimizer)
    check_options(f"option of {name}", row.cls, options)
    return row.cls(optimizer, **{**row.options(optimizer), **options})
