"""Optimizers, in order of increasing complexity, and schedules of their learning rate."""

from __future__ import annotations

import sys
from typing import NoReturn

from ..engine.elsewhere import OPTIM, has_no
from .optimizer import Optimizer
from .plateau import ReduceLROnPlateau
from .registry import NAMES, RULES, SCHEDULE_NAMES, SCHEDULES, make, make_schedule
from .rules import SGD, Adadelta, Adagrad, AdagradNorm, Adam, AdamW, RMSprop
from .schedules import Constant, CosineAnnealingLR, ExponentialLR, LinearWarmup, OneCycleLR, Schedule, StepLR

__all__ = [
    "NAMES",
    "RULES",
    "SCHEDULES",
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

# A row in the registry is enough for `optim.Lion`.
_classes: list[type] = [rule.cls for rule in RULES.values()] + [row.cls for row in SCHEDULES.values()]
globals().update({cls.__name__: cls for cls in _classes})
__all__ += [name for name in dict.fromkeys(cls.__name__ for cls in _classes) if name not in __all__]


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> NoReturn:
    raise AttributeError(has_no(__name__, name, OPTIM), name=name, obj=sys.modules[__name__])
