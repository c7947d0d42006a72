"""What the estimators take beside scikit-learn's own parameters: names, values, and what does not go together."""

from __future__ import annotations

import os
from collections.abc import Callable
from numbers import Real
from typing import Any

from sklearn.neural_network import _multilayer_perceptron
from sklearn.utils._param_validation import Interval, StrOptions

from .. import optim
from ..engine.device import Device
from ..errors import ArgumentError
from ..kernels.dense import PRECISIONS
from ..training.callbacks import Callback
from .network import ACTIVATIONS

SOLVERS: dict[str, Callable[[Any], tuple[type[optim.Optimizer], dict[str, Any]]]] = {
    "sgd": lambda e: (
        optim.SGD,
        {"momentum": e.momentum, "nesterov": e.nesterovs_momentum and e.momentum > 0, "lr_in_buffer": True},
    ),
    "adam": lambda e: (optim.Adam, {"betas": (e.beta_1, e.beta_2), "eps": e.epsilon, "eps_hat": True}),
    "adamw": lambda e: (optim.Adam, {"betas": (e.beta_1, e.beta_2), "eps": e.epsilon}),  # its decay is in Session
    "rmsprop": lambda e: (optim.RMSprop, {"eps": e.epsilon}),
    "adagrad": lambda e: (optim.Adagrad, {}),
    "adadelta": lambda e: (optim.Adadelta, {}),
    "lbfgs": lambda e: (optim.SGD, {}),  # its steps are SciPy's
}
ADAMW_DECAY = 1e-2  # PyTorch's

# scikit-learn asks this list whether a solver goes through minibatches; its own estimators refuse the new names.
_multilayer_perceptron._STOCHASTIC_SOLVERS[:] = [name for name in SOLVERS if name != "lbfgs"]

BOTH: dict[str, list] = {
    "activation": [StrOptions(set(ACTIVATIONS))],
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
}
OF_CLASSIFIER: dict[str, list] = {
    "class_weight": [StrOptions({"balanced"}), dict, list, None],
    "label_smoothing": [Interval(Real, 0, 1, closed="left")],
}
OF_REGRESSOR: dict[str, list] = {
    "loss": [StrOptions({"squared_error", "absolute_error", "huber", "poisson"})],
    "delta": [Interval(Real, 0, None, closed="neither")],
}

# What a step through a minibatch has and L-BFGS has not, with the value that leaves it out.
_OF_STEPS = {"dropout": 0, "clip_norm": None, "clip_value": None, "schedule": None, "checkpoint": None}


def check_together(estimator: Any, incremental: bool) -> None:
    """Raise ArgumentError for parameters that do not go together, or not with partial_fit."""
    e = estimator
    if incremental and getattr(e, "class_weight", None) == "balanced":
        raise ArgumentError(
            "class_weight 'balanced' is not supported for partial_fit, which does not see all rows: "
            "pass a dict, made by sklearn.utils.compute_class_weight for instance"
        )
    for callback in e.callbacks or ():
        if not isinstance(callback, Callback):
            raise ArgumentError(f"callbacks holds {callback!r}, expected objects of gg.Callback: make it a subclass")
    if e.solver == "lbfgs":
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


def decay(estimator: Any) -> float:
    """The decoupled weight decay of an estimator."""
    if estimator.weight_decay is None:
        return ADAMW_DECAY if estimator.solver == "adamw" else 0.0
    return estimator.weight_decay


def make_schedule(estimator: Any, optimizer: optim.Optimizer) -> optim.Schedule | None:
    """What the parameter `schedule` asks for: None, a name of `optim`, or a function of the optimizer."""
    asked = estimator.schedule
    if asked is None:
        return None
    made = optim.make_schedule(asked, optimizer) if isinstance(asked, str) else asked(optimizer)
    if not isinstance(made, optim.Schedule) or made.optimizer is not optimizer:
        raise ArgumentError(
            f"schedule made a {type(made).__name__}, expected one of optim's schedules over the optimizer that it is "
            "given: functools.partial(optim.StepLR, step_size=10) for instance"
        )
    return made
