"""Optimizers, sorted in order of increasing complexity, and schedules of their learning rate."""

from __future__ import annotations

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
globals().update({rule.cls.__name__: rule.cls for rule in RULES.values()})
