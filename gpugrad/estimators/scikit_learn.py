"""Adapter: every private name of scikit-learn that gpugrad uses, read in version 1.9.1.

No other file imports a private name of scikit-learn or touches a private attribute of its estimators. pyproject.toml
admits 1.9 only; a newer minor release needs this file compared with its source first. Nothing of scikit-learn is
changed by importing this file.

| private name | reason |
| --- | --- |
| `BaseMultilayerPerceptron` | the estimators are scikit-learn's, so that they clone, pickle and pass its tests |
| `._fit`, `._check_solver` | overridden: scikit-learn's accept "sgd" and "adam" only |
| `._validate_input` | its checks of X and y, and its binarized labels |
| `._initialize` | its initial weights, from its random numbers |
| `._fit_lbfgs`, `._loss_grad_lbfgs` | its call of SciPy; overridden: the loss and the gradient |
| `._forward_pass_fast` | overridden: the outputs behind its `predict` and `predict_proba` |
| `._score` | its validation score: accuracy or R², without checks |
| `_random_state`, `_label_binarizer`, `_best_coefs`, … | its state between two epochs: see `FitState` |
| `_stochastic_optimizers` | its rules of the learning rate: when to lower it, when to stop |
| `_parameter_constraints`, `_validate_params`, `_fit_context`, `Interval`, `StrOptions` | its check of parameters |
| `_check_sample_weight`, `_array_api` | its check of weights; results in the library of the input |

`fit` and `partial_fit` end in `Perceptron._fit`, and `predict` and `predict_proba` in `Perceptron._outputs`, past
scikit-learn's checks where these would change nothing.
"""

from __future__ import annotations

import operator
import sys
from abc import abstractmethod
from typing import Any

import numpy as np
from sklearn.base import _fit_context as fit_context
from sklearn.base import is_classifier
from sklearn.neural_network._multilayer_perceptron import BaseMultilayerPerceptron
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import check_random_state
from sklearn.utils._array_api import device as array_device
from sklearn.utils._array_api import get_namespace
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight as check_sample_weight
from sklearn.utils.validation import validate_data

from ..data.inputs import as_input
from ..errors import ArgumentError, DataError
from ..training.alone import alone
from .rows import Rows
from .targets import as_targets

__all__ = [
    "KEPT",
    "LBFGS",
    "NON_FINITE",
    "OF_THE_SOLVER",
    "WEIGHTS",
    "FitState",
    "Interval",
    "Perceptron",
    "StrOptions",
    "accepts",
    "array_device",
    "check_params",
    "check_sample_weight",
    "decode",
    "encode",
    "fit_context",
    "get_namespace",
    "is_checked",
    "learning_rate_rule",
    "predicted",
    "restore_classes",
    "score",
    "stack_level",
    "start_fit",
    "validate_data",
]

LBFGS = "lbfgs"
NON_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and need to be preprocessed."
)

# Attributes of a run that a checkpoint keeps, under scikit-learn's names: values, and lists of arrays.
KEPT = (
    "loss_",
    "loss_curve_",
    "best_loss_",
    "validation_loss_curve_",
    "validation_scores_",
    "best_validation_score_",
    "n_iter_",
    "t_",
    "_no_improvement_count",
)
WEIGHTS = ("coefs_", "intercepts_", "_best_coefs", "_best_intercepts")
_CHECKED = "_checked_params"  # attribute: the values of the parameters that `partial_fit` checked last
OF_THE_SOLVER = {"_optimizer", _CHECKED}  # attributes that a copy of a fitted model leaves out


class Perceptron(BaseMultilayerPerceptron):
    """scikit-learn's base class without its training: a subclass trains and predicts."""

    def __init_subclass__(cls, constraints: dict[str, list] | None = None, **options: Any) -> None:
        """Add `constraints` of parameters to those that scikit-learn has for the class."""
        super().__init_subclass__(**options)
        if constraints is not None:
            cls._parameter_constraints = {**cls._parameter_constraints, **constraints}

    loss_curve_: list[float]
    validation_scores_: list[float] | None

    @abstractmethod
    def _before_fit(self, incremental: bool) -> None:
        """Check parameters, before anything else."""

    @abstractmethod
    def _before_weights(self) -> None:
        """Run after the random state exists, before the initial weights are drawn."""

    @abstractmethod
    def _after_weights(self) -> None:
        """Run after the initial weights are drawn."""

    @abstractmethod
    def _train(self, rows: Rows, incremental: bool) -> None:
        """Train from `coefs_` and `intercepts_` on, in minibatches, and store the result there."""

    @abstractmethod
    def _before_minimizing(self, rows: Rows) -> Rows:
        """Prepare L-BFGS; return the rows with their weights."""

    @abstractmethod
    def _after_minimizing(self) -> None:
        """Clean up after L-BFGS, after an error too."""

    @abstractmethod
    def _loss_and_gradient(self, packed: np.ndarray, rows: Rows) -> tuple[float, np.ndarray]:
        """Return the loss over all rows and its gradient, at parameters packed one after the other."""

    @abstractmethod
    def _outputs(self, x: Any) -> np.ndarray:
        """Return the outputs (rows, n_outputs) for checked rows."""

    # ---- the methods that scikit-learn calls ----

    @alone
    def _fit(self, X: Any, y: Any, sample_weight: Any = None, incremental: bool = False) -> Any:
        """Check the data, draw the weights of a first fit, and train: scikit-learn's steps in scikit-learn's order."""
        if incremental:
            self._check_changed_params()
        self._before_fit(incremental)
        weight = as_input(sample_weight, "sample_weight")
        sizes = self.hidden_layer_sizes
        sizes = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
        if np.any(np.array(sizes) <= 0):
            raise ArgumentError(f"hidden_layer_sizes must be > 0, got {sizes}.")
        first = not hasattr(self, "coefs_") or not (self.warm_start or incremental)
        y = as_input(y, "y") if is_classifier(self) else as_targets(as_input(y, "y"))
        x, y = self._validate_input(as_input(X), y, incremental, reset=first)
        if weight is not None:
            weight = check_sample_weight(weight, x)
        y = y.reshape(len(y), -1)
        self.n_outputs_ = y.shape[1]
        layers = [x.shape[1], *sizes, self.n_outputs_]
        self._random_state = check_random_state(self.random_state)
        if first:
            self._before_weights()
            self._initialize(y, layers, x.dtype)
            self._after_weights()
        if self.solver == LBFGS:
            self._minimize(Rows(x, y, weight), layers)
        else:
            self._train(Rows(x, y, weight), incremental)
        if not all(np.isfinite(w).all() for w in (*self.coefs_, *self.intercepts_)):
            raise DataError(NON_FINITE)
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != _CHECKED}

    def _check_changed_params(self) -> None:
        """Check the parameters in `partial_fit` if one is another since the last: scikit-learn checks the first only.

        A check takes 0.2 ms, a tenth of a small `partial_fit`.
        """
        values = [getattr(self, name) for name in self._parameter_constraints]
        before = vars(self).get(_CHECKED)
        if before is None or not all(map(operator.is_, values, before)):
            check_params(self)
        setattr(self, _CHECKED, values)

    def _initialize(self, y: np.ndarray, layer_units: Any, dtype: Any) -> None:
        super()._initialize(y, layer_units, dtype)
        if self.solver != LBFGS:  # scikit-learn's begins the curves for its own two solvers
            held_out = bool(self.early_stopping)
            self.loss_curve_, self._no_improvement_count = [], 0
            self.validation_scores_ = [] if held_out else None
            self.best_validation_score_ = -np.inf if held_out else None
            self.best_loss_ = None if held_out else np.inf

    def _minimize(self, rows: Rows, layers: list[int]) -> None:
        rows = self._before_minimizing(rows)
        try:
            scratch = (None,) * 4  # activations, deltas and gradients: `_loss_and_gradient` has its own
            super()._fit_lbfgs(rows.x, rows.y, rows.weight, *scratch, layers)
        finally:
            self._after_minimizing()

    def _loss_grad_lbfgs(
        self, packed_coef_inter: np.ndarray, X: Any, y: np.ndarray, sample_weight: np.ndarray | None, *scratch: Any
    ) -> tuple[float, np.ndarray]:
        return self._loss_and_gradient(packed_coef_inter, Rows(X, y, sample_weight))

    def _check_solver(self) -> bool:
        if self.solver == LBFGS:
            raise AttributeError(
                f"partial_fit is only available for stochastic optimizers. {self.solver} is not stochastic."
            )
        return True

    def _forward_pass_fast(self, X: Any, check_input: bool = True) -> np.ndarray:
        if check_input and not is_checked(self, X):
            X = validate_data(self, as_input(X), accept_sparse=["csr", "csc"], reset=False)
        return self._outputs(X)


class _Attribute:
    """A private attribute of an estimator under a public name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, state: FitState, owner: Any = None) -> Any:
        return getattr(state.estimator, self._name)

    def __set__(self, state: FitState, value: Any) -> None:
        setattr(state.estimator, self._name, value)


class FitState:
    """State of a fit that scikit-learn keeps in private attributes of the estimator, read and written here.

    The names of the attributes stay scikit-learn's, since `from_sklearn` and `to_sklearn` copy them.
    """

    random_state = _Attribute("_random_state")  # RandomState of this fit
    best_coefs = _Attribute("_best_coefs")  # weights with the best validation score
    best_intercepts = _Attribute("_best_intercepts")
    learning_rate_rule = _Attribute("_optimizer")
    epochs_without_improvement = _Attribute("_no_improvement_count")

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    @property
    def has_rule(self) -> bool:
        """Return whether there is a learning rate rule: whether the estimator has run an epoch."""
        return hasattr(self.estimator, "_optimizer")


def start_fit(estimator: Perceptron, x: Any, y: Any, sample_weight: Any) -> Any:
    """Fit an estimator whose parameters are checked; return it."""
    return estimator._fit(x, y, sample_weight=sample_weight, incremental=False)


def score(estimator: Any, x: Any, labels: np.ndarray | None, sample_weight: np.ndarray | None) -> float:
    """Return the accuracy or R² on checked rows; NaN where the outputs are not finite."""
    return estimator._score(x, labels, sample_weight=sample_weight)


def encode(estimator: Any, labels: np.ndarray) -> np.ndarray:
    """Return the targets of a classifier's network for labels."""
    return estimator._label_binarizer.transform(labels).astype(bool)


def decode(estimator: Any, y: np.ndarray) -> np.ndarray:
    """Return the labels for the targets of a classifier's network."""
    return estimator._label_binarizer.inverse_transform(y)


def is_checked(estimator: Any, x: Any) -> bool:
    """Return whether scikit-learn's checks of the rows to predict would return x itself, without a word.

    They take twice as long as a small network computes one row.
    """
    fitted = vars(estimator)
    return (
        type(x) is np.ndarray
        and x.ndim == 2
        and x.dtype.char in "fd"
        and x.shape[1] == fitted.get("n_features_in_")
        and x.shape[0] > 0
        and "coefs_" in fitted
        and "feature_names_in_" not in fitted
        and bool(np.isfinite(x).all())
    )


def predicted(estimator: Any, outputs: np.ndarray) -> np.ndarray:
    """Return what scikit-learn's `predict` makes of outputs (rows, n_outputs)."""
    binarizer = getattr(estimator, "_label_binarizer", None)
    if binarizer is None:
        return outputs.ravel() if outputs.shape[1] == 1 else outputs
    classes = binarizer.classes_
    if binarizer.y_type_ == "multiclass":
        return classes.take(outputs.argmax(axis=1))
    if binarizer.y_type_ == "binary" and len(classes) == 2:
        return classes[(outputs[:, 0] > 0.5).astype(np.intp)]
    return binarizer.inverse_transform(outputs)


def restore_classes(estimator: Any, classes: np.ndarray, multilabel: bool) -> None:
    """Give an estimator the classes of an earlier fit."""
    rows = np.eye(len(classes), dtype=int) if multilabel else classes
    estimator._label_binarizer = LabelBinarizer().fit(rows)
    estimator._label_binarizer.classes_ = estimator.classes_ = classes


def check_params(estimator: Any) -> None:
    """Raise scikit-learn's error for a parameter with a value that it does not accept."""
    estimator._validate_params()


def accepts(cls: Any, name: str, value: Any) -> bool:
    """Return whether an estimator class of scikit-learn has this value of a parameter that names something."""
    return cls._parameter_constraints[name][0].is_satisfied_by(value)


def learning_rate_rule(estimator: Any) -> Any:
    """Return scikit-learn's optimizer over no parameters: it keeps the learning rate and decides when to stop."""
    e = estimator
    if e.solver == "sgd":
        return SGDOptimizer([], e.learning_rate_init, e.learning_rate, e.momentum, e.nesterovs_momentum, e.power_t)
    return AdamOptimizer([], e.learning_rate_init, e.beta_1, e.beta_2, e.epsilon)


def stack_level() -> int:
    """Return the `stacklevel` with which the caller's warning names the line outside gpugrad and scikit-learn."""
    level, frame = 0, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in ("gpugrad", "sklearn"):
        level, frame = level + 1, frame.f_back
    return level + 1
