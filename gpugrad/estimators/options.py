"""Parameters in addition to scikit-learn's: names, values, and which exclude each other."""

from __future__ import annotations

import inspect
import os
from numbers import Integral, Real
from typing import Any

from .. import optim
from ..engine.device import Device
from ..errors import ArgumentError, a_or_an
from ..kernels.activation import SKLEARN_NAMES
from ..kernels.dense import PRECISIONS
from ..kernels.regression import LOSSES
from ..training.callbacks import Callback
from .scikit_learn import LBFGS, Interval, StrOptions

SOLVERS = (*(name for name, rule in optim.RULES.items() if rule.is_solver), LBFGS)

BOTH: dict[str, list] = {
    "activation": [StrOptions(set(SKLEARN_NAMES))],
    "solver": [StrOptions(set(SOLVERS))],
    "device": [str, Device],
    "toolchain": [str, None],
    "precision": [StrOptions(set(PRECISIONS))],
    "dropout": [Interval(Real, 0, 1, closed="left")],
    "weight_decay": [Interval(Real, 0, None, closed="left"), None],
    "clip_norm": [Interval(Real, 0, None, closed="neither"), None],
    "clip_value": [Interval(Real, 0, None, closed="neither"), None],
    "schedule": [StrOptions(set(optim.SCHEDULE_NAMES)), callable, None],
    "callbacks": [list, tuple, None],
    "checkpoint": [str, os.PathLike, None],
    "accumulation_steps": [Interval(Integral, 1, None, closed="left")],
}
OF_CLASSIFIER: dict[str, list] = {
    "class_weight": [StrOptions({"balanced"}), dict, list, None],
    "label_smoothing": [Interval(Real, 0, 1, closed="left")],
}
OF_REGRESSOR: dict[str, list] = {
    "loss": [StrOptions(set(LOSSES))],
    "delta": [Interval(Real, 0, None, closed="neither")],
}

# Parameters of a step through a minibatch, which L-BFGS does not take, with the value that turns each off.
_OF_STEPS = {
    "dropout": 0,
    "clip_norm": None,
    "clip_value": None,
    "schedule": None,
    "checkpoint": None,
    "accumulation_steps": 1,
}


def check_together(estimator: Any, incremental: bool) -> None:
    """Raise ArgumentError for parameters that exclude each other, or partial_fit."""
    e = estimator
    if incremental and getattr(e, "class_weight", None) == "balanced":
        raise ArgumentError(
            "class_weight 'balanced' is not supported for partial_fit, which does not see all rows: "
            "pass a dict, for instance from sklearn.utils.compute_class_weight"
        )
    for callback in e.callbacks or ():
        if not isinstance(callback, Callback):
            raise ArgumentError(
                f"callbacks has {callback!r}, expected instances of gg.Callback: derive from that class"
            )
    if e.solver == LBFGS:
        wrong = {name: getattr(e, name) for name, out in _OF_STEPS.items() if getattr(e, name) != out}
        if e.weight_decay:
            wrong["weight_decay"] = e.weight_decay
        if e.callbacks:
            wrong["callbacks"] = e.callbacks
        for name, value in wrong.items():
            raise ArgumentError(
                f"{name} is {value!r} with solver 'lbfgs', which takes no steps through minibatches: "
                "leave it out, or choose another solver"
            )
    if e.schedule is not None and e.solver == "sgd" and e.learning_rate != "constant":
        raise ArgumentError(
            f"schedule is {e.schedule!r} and learning_rate {e.learning_rate!r}, expected one of them: "
            "leave learning_rate at 'constant'"
        )


def make_optimizer(estimator: Any, groups: list[dict[str, Any]]) -> optim.Optimizer:
    """Return the optimizer of an estimator's solver over these parameter groups; SciPy makes L-BFGS steps."""
    rate = estimator.learning_rate_init
    if estimator.solver == LBFGS:
        return optim.SGD(groups, lr=rate)
    rule = optim.RULES[estimator.solver]
    cls, options = (rule.cls, rule.options) if rule.solver is None else (rule.solver.cls, rule.solver.options)
    return cls(groups, lr=rate, **{k: v(estimator) if callable(v) else v for k, v in options.items()})


def decay(estimator: Any) -> float:
    """Return the decoupled weight decay of an estimator, by default that of its solver's class if decoupled there."""
    if estimator.weight_decay is not None:
        return estimator.weight_decay
    rule = optim.RULES.get(estimator.solver)
    if rule is None or not rule.cls.decoupled:
        return 0.0
    return inspect.signature(rule.cls).parameters["weight_decay"].default


def make_schedule(estimator: Any, optimizer: optim.Optimizer) -> optim.Schedule | None:
    """Return the schedule of the parameter `schedule`: None, a name of `optim`, or a function of the optimizer."""
    asked = estimator.schedule
    if asked is None:
        return None
    made = optim.make_schedule(asked, optimizer) if isinstance(asked, str) else asked(optimizer)
    if not isinstance(made, optim.Schedule) or made.optimizer is not optimizer:
        raise ArgumentError(
            f"schedule made {a_or_an(type(made))}, expected a schedule of gg.optim over the optimizer that it gets: "
            "pass for instance functools.partial(gg.optim.StepLR, step_size=10)"
        )
    return made
