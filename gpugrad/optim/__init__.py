"""Optimizers, sorted in order of increasing complexity, and schedules of their learning rate."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

from ..errors import choose
from .optimizer import Optimizer
from .plateau import ReduceLROnPlateau
from .rules import SGD, Adadelta, Adagrad, AdagradNorm, Adam, AdamW, RMSprop
from .schedules import Constant, CosineAnnealingLR, ExponentialLR, LinearWarmup, OneCycleLR, Schedule, StepLR

# The names of the command line: a class, and the options in which it differs from the class's defaults.
_RULES: dict[str, tuple[type[Optimizer], dict[str, Any]]] = {
    "sgd": (SGD, {}),
    "momentum": (SGD, {"momentum": 0.9}),
    "nesterov": (SGD, {"momentum": 0.9, "nesterov": True}),
    "adagrad-norm": (AdagradNorm, {}),
    "adagrad": (Adagrad, {}),
    "rmsprop": (RMSprop, {}),
    "adadelta": (Adadelta, {}),
    "adam": (Adam, {}),
    "adamw": (AdamW, {}),
}
_SCHEDULES: dict[str, tuple[type[Schedule], dict[str, Any]]] = {
    "constant": (Constant, {}),
    "step": (StepLR, {}),
    "exponential": (ExponentialLR, {}),
    "cosine": (CosineAnnealingLR, {}),
    "one-cycle": (OneCycleLR, {}),
    "warmup": (LinearWarmup, {}),
    "plateau": (ReduceLROnPlateau, {"patience": 3}),
}
NAMES = tuple(_RULES)
SCHEDULE_NAMES = tuple(_SCHEDULES)


def make(name: str, parameters: Iterable[Any], *, lr: float | None = None, **options: Any) -> Optimizer:
    """Make an optimizer by its name in NAMES; lr None is the default of its class.

    Raises ArgumentError for an unknown name or option, or a value that the optimizer cannot take.
    """
    rule, preset = _RULES[choose("optimizer", name, NAMES)]
    _check_options(f"option of {name}", rule, options)
    rate = {} if lr is None else {"lr": lr}
    return rule(parameters, **rate, **{**preset, **options})


def make_schedule(name: str, optimizer: Optimizer, **options: Any) -> Schedule:
    """Make a schedule by its name in SCHEDULE_NAMES; what is not given follows from the training's length.

    "warmup" rises over the first twentieth and then falls along a cosine.
    Raises ArgumentError for an unknown name or option, or a value that the schedule cannot take.
    """
    schedule, preset = _SCHEDULES[choose("schedule", name, SCHEDULE_NAMES)]
    _check_options(f"option of {name}", schedule, options)
    if name == "warmup":
        preset = {"then": CosineAnnealingLR(optimizer)}
    return schedule(optimizer, **{**preset, **options})


def _check_options(kind: str, made: type, options: dict[str, Any]) -> None:
    # The first parameters are self and what the object is made over.
    known = list(inspect.signature(made.__init__).parameters)[2:]  # type: ignore[misc]
    for option in options:
        choose(kind, option, known)


__all__ = [
    "NAMES",
    "SCHEDULE_NAMES",
    "SGD",
    "Adadelta",
    "Adagrad",
    "AdagradNorm",
    "Adam",
    "AdamW",
    "Constant",
    "CosineAnnealingLR",
    "ExponentialLR",
    "LinearWarmup",
    "OneCycleLR",
    "Optimizer",
    "RMSprop",
    "ReduceLROnPlateau",
    "Schedule",
    "StepLR",
    "make",
    "make_schedule",
]
