"""MLPClassifier and MLPRegressor: scikit-learn's parameters, attributes, messages and results, trained on a device."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn import neural_network
from sklearn.utils import compute_sample_weight

from ..engine.device import Device
from ..errors import ArgumentError
from ..export.estimator import is_multilabel
from ..export.exportable import exportable
from .base import OnDevice
from .namespace import as_given
from .options import BOTH, OF_CLASSIFIER, OF_REGRESSOR
from .rows import Rows
from .scikit_learn import decode


@exportable
class MLPClassifier(OnDevice, neural_network.MLPClassifier, constraints={**BOTH, **OF_CLASSIFIER}):
    """scikit-learn's MLPClassifier, trained on a device: the same parameters, attributes and results, and more.

    activation: any name in `gpugrad.kernels.activation.SKLEARN_NAMES`, also "gelu" or "leaky_relu" (slope 0.01).
    solver: "lbfgs", or the name of a row in `gg.optim.RULES` with a solver, also "adamw" or "rmsprop", with PyTorch's
    formulas and defaults; their rate is learning_rate_init (Adadelta's is usually 1.0).

    device, toolchain: as for `gg.device`; a model that is trained on one predicts on any, and may be pickled. On a GPU
    the arithmetic is in float32, whatever the dtype of X. precision: of the matrix products, "float32", "tf32" or
    "bfloat16".
    dropout: share of the outputs of each hidden layer that a training step sets to 0, in [0, 1).
    weight_decay: decoupled, p ← p − lr·weight_decay·p before each step, on weights and not on intercepts, besides
    alpha; None: the default of a solver with decoupled decay, 0.01 for "adamw", else 0.
    clip_norm, clip_value: limits of the gradient's norm over all parameters, and of each of its elements.
    schedule: of the learning rate, a name of `gg.optim.SCHEDULE_NAMES` such as "cosine", or a function from an
    optimizer to one of `gg.optim`'s schedules; max_iter epochs are its length.
    callbacks: a list of `gg.Callback`. verbose: 2 is a progress bar. checkpoint: a file that is written after each
    epoch, for `fit(…, resume=True)`. accumulation_steps: minibatches whose gradients make one step of the solver, the
    one of all their rows.
    class_weight: "balanced", or {label: weight}; multiplied with sample_weight. label_smoothing: share of each label
    that is spread over all classes, in [0, 1).

    Attributes besides scikit-learn's: `history_` (a `gg.History`), `validation_loss_curve_` (a value an epoch without
    the penalty, None without validation).
    """

    _of_sklearn = neural_network.MLPClassifier

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: int = 10,
        max_fun: int = 15000,
        device: str | Device = "auto",
        toolchain: str | None = None,
        precision: str = "float32",
        dropout: float = 0.0,
        weight_decay: float | None = None,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        schedule: Any = None,
        callbacks: Any = None,
        checkpoint: Any = None,
        accumulation_steps: int = 1,
        class_weight: Any = None,
        label_smoothing: float = 0.0,
    ) -> None:
        _set_parameters(self, {**locals(), "loss": "log_loss"})

    def predict_proba(self, X: Any) -> Any:
        """Probabilities (rows, n_classes), in the order of `classes_`; of each label (rows, n_labels) for several."""
        return as_given(super().predict_proba(X), X)

    def predict_log_proba(self, X: Any) -> Any:
        """Their logarithms."""
        return as_given(np.log(super().predict_proba(X)), X)

    def _weighted(self, rows: Rows) -> Rows:
        if self.class_weight is None:
            return rows
        given, labels = self.class_weight, self.n_outputs_ if is_multilabel(self) else 1
        if isinstance(given, list) and not (len(given) == labels and all(isinstance(one, dict) for one in given)):
            expected = f"a list of {labels} dicts, one per label" if labels > 1 else "a dict {label: weight}"
            raise ArgumentError(f"class_weight is {given!r}, expected 'balanced', {expected}, or None")
        weight = compute_sample_weight(self.class_weight, decode(self, rows.y))
        return replace(rows, weight=weight if rows.weight is None else weight * rows.weight)


@exportable
class MLPRegressor(OnDevice, neural_network.MLPRegressor, constraints={**BOTH, **OF_REGRESSOR}):
    """scikit-learn's MLPRegressor, trained on a device: the same parameters, attributes and results, and more.

    loss: also "absolute_error", and "huber", which switches from quadratic to linear at `delta`. All others: as in
    `MLPClassifier`.
    """

    _of_sklearn = neural_network.MLPRegressor

    def __init__(
        self,
        loss: str = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: int = 10,
        max_fun: int = 15000,
        device: str | Device = "auto",
        toolchain: str | None = None,
        precision: str = "float32",
        dropout: float = 0.0,
        weight_decay: float | None = None,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        schedule: Any = None,
        callbacks: Any = None,
        checkpoint: Any = None,
        accumulation_steps: int = 1,
        delta: float = 1.0,
    ) -> None:
        _set_parameters(self, locals())


def _set_parameters(model: Any, given: dict[str, Any]) -> None:
    """Store each parameter unchanged as an attribute: scikit-learn's convention."""
    for name, value in given.items():
        if name != "self":
            setattr(model, name, value)
