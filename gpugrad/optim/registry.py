"""The optimizers and schedules by name: one row each, from which commands, estimators, the lab and tests derive.

A new optimizer is its class in `rules.py` and a row here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import choose
from . import rules
from .optimizer import Optimizer
from .plateau import ReduceLROnPlateau
from .schedules import Constant, CosineAnnealingLR, ExponentialLR, LinearWarmup, OneCycleLR, Schedule, StepLR

LabRate = Callable[[float, float], float]  # (a rate that suits gradient descent there, a twentieth of the view)


def in_reach(share: float) -> LabRate:
    """Suit rules whose first step has the size of lr: a share of a twentieth of the view."""
    return lambda descent, reach: float(f"{share * reach:.2g}")


ONE_REACH = in_reach(1.0)


@dataclass(frozen=True)
class Solver:
    """How an estimator makes an optimizer: its class, and for each option the estimator's parameter or a value."""

    cls: type[Optimizer]
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Rule:
    """An optimizer by name: a class with options, and what suits it elsewhere.

    options: where they differ from the defaults of the class. peak_lr: what `gpugrad train` takes without --lr; it did
    well on the digits and on MNIST with the default schedule. solver: of the estimators, None: the class with its
    defaults; is_solver: whether they offer it. colour, dashed: of its line in the lab, where None takes the next one.
    lab_rate, plane_rate: a learning rate that suits it on a surface, and on the loss of a network (None: that of
    gradient descent). recorded: whether the page that needs no server has its paths.
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
    recorded: bool = False


def _descent(descent: float, reach: float) -> float:
    return descent


RULES: dict[str, Rule] = {
    "sgd": Rule(
        rules.SGD,
        peak_lr=0.3,
        # scikit-learn's own: Nesterov's momentum by default, with the rate inside the buffer.
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
        recorded=True,
    ),
    "momentum": Rule(
        rules.SGD,
        {"momentum": 0.9},
        peak_lr=0.1,
        is_solver=False,  # sgd has it as a parameter
        colour="#E69F00",
        lab_rate=_descent,
        plane_rate=None,
        recorded=True,
    ),
    "nesterov": Rule(
        rules.SGD,
        {"momentum": 0.9, "nesterov": True},
        peak_lr=0.1,
        is_solver=False,
        colour="#56B4E9",
        lab_rate=lambda descent, reach: descent / 2,  # it is stable up to two thirds of the rate of descent
        plane_rate=None,
        recorded=True,
    ),
    "adagrad-norm": Rule(
        rules.AdagradNorm, peak_lr=3.0, colour="#009E73", dashed=True, lab_rate=in_reach(4.0), plane_rate=0.5
    ),
    "adagrad": Rule(
        rules.Adagrad, peak_lr=0.03, colour="#009E73", lab_rate=in_reach(4.0), plane_rate=0.5, recorded=True
    ),
    "rmsprop": Rule(
        rules.RMSprop,
        solver=Solver(rules.RMSprop, {"eps": lambda e: e.epsilon}),
        colour="#CC79A7",
        lab_rate=in_reach(0.25),
        plane_rate=0.03,
        recorded=True,
    ),
    "adadelta": Rule(
        rules.Adadelta,
        peak_lr=1.0,
        colour="#0072B2",
        lab_rate=lambda descent, reach: 20.0,  # its first steps are √eps = 1e-3 times this, whatever the function
        plane_rate=20.0,
        recorded=True,
    ),
    "adam": Rule(
        rules.Adam,
        # scikit-learn's own: eps is added before the correction of v.
        solver=Solver(
            rules.Adam, {"betas": lambda e: (e.beta_1, e.beta_2), "eps": lambda e: e.epsilon, "eps_hat": True}
        ),
        colour="#D55E00",
        recorded=True,
    ),
    "adamw": Rule(
        rules.AdamW,
        # An estimator decays weights alone and by itself, so Adam is left of it.
        solver=Solver(rules.Adam, {"betas": lambda e: (e.beta_1, e.beta_2), "eps": lambda e: e.epsilon}),
        colour="#D55E00",
        dashed=True,
    ),
}
NAMES = tuple(RULES)


@dataclass(frozen=True)
class ScheduleRow:
    """A schedule by name: a class, and the options in which it differs from the defaults of the class."""

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
    """Make an optimizer by its name in RULES; lr None is the default of its class.

    Raises ArgumentError for an unknown name or option, or a value that the optimizer cannot take.
    """
    rule = RULES[choose("optimizer", name, RULES)]
    check_options(f"option of {name}", rule.cls, options)
    rate = {} if lr is None else {"lr": lr}
    return rule.cls(parameters, **rate, **{**rule.options, **options})


def make_schedule(name: str, optimizer: Optimizer, **options: Any) -> Schedule:
    """Make a schedule by its name in SCHEDULES; what is not given follows from the training's length.

    "warmup" rises over the first twentieth and then falls along a cosine.
    Raises ArgumentError for an unknown name or option, or a value that the schedule cannot take.
    """
    row = SCHEDULES[choose("schedule", name, SCHEDULES)]
    check_options(f"option of {name}", row.cls, options)
    return row.cls(optimizer, **{**row.options(optimizer), **options})


def check_options(kind: str, made: type, options: Mapping[str, Any]) -> None:
    """Raise ArgumentError for an option that the class does not take."""
    # The first parameters are self and what the object is made over.
    known = list(inspect.signature(made.__init__).parameters)[2:]  # type: ignore[misc]
    for option in options:
        choose(kind, option, known)
