"""What the estimators take of scikit-learn's private interfaces, as they are in version 1.9, and nowhere else.

`fit` and `partial_fit` end in `Perceptron._fit`, which hands over to scikit-learn's own. That one

1. checks the sizes of the layers, X, y and the sample weights, and binarizes labels;
2. makes `_random_state` and, unless the fit continues an earlier one, draws weights (between `_before_weights` and
   `_after_weights`);
3. calls back, by the solver: `_train(rows, incremental)` for one that goes through minibatches; for "lbfgs" it lets
   SciPy descend what `_loss_and_gradient(packed, rows)` computes, between `_before_minimizing` and `_after_minimizing`;
4. refuses weights that are not finite.

`predict` and its kind check X and call `_outputs(x)`.
"""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Iterable
from typing import Any

import numpy as np
from sklearn.base import _fit_context as fit_context
from sklearn.neural_network import _multilayer_perceptron
from sklearn.neural_network._multilayer_perceptron import BaseMultilayerPerceptron
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer
from sklearn.utils._array_api import device as array_device
from sklearn.utils._array_api import get_namespace
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight as check_sample_weight
from sklearn.utils.validation import validate_data

from ..data.inputs import as_input
from .rows import Rows

__all__ = [
    "Interval",
    "Perceptron",
    "StrOptions",
    "array_device",
    "check_sample_weight",
    "fit_context",
    "get_namespace",
    "learning_rate_of",
    "offer_solvers",
    "stack_level",
    "validate_data",
]

NON_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and need to be preprocessed."
)


class Perceptron(BaseMultilayerPerceptron):
    """scikit-learn's base class with its training taken out: a subclass says what happens instead."""

    @abstractmethod
    def _before_fit(self, incremental: bool) -> None:
        """Check parameters, before anything else."""

    @abstractmethod
    def _before_weights(self) -> None:
        """Called with `_random_state` made, before the first weights are drawn."""

    @abstractmethod
    def _after_weights(self) -> None:
        """Called when the first weights are drawn."""

    @abstractmethod
    def _train(self, rows: Rows, incremental: bool) -> None:
        """Train from `coefs_` and `intercepts_`, and leave the result there."""

    @abstractmethod
    def _before_minimizing(self, rows: Rows) -> Rows:
        """Called before L-BFGS begins; returns the rows with their weights."""

    @abstractmethod
    def _after_minimizing(self) -> None:
        """Called when L-BFGS has ended, after an error too."""

    @abstractmethod
    def _loss_and_gradient(self, packed: np.ndarray, rows: Rows) -> tuple[float, np.ndarray]:
        """The loss over all rows, and its gradient, for parameters packed one after the other."""

    @abstractmethod
    def _outputs(self, x: Any) -> np.ndarray:
        """The outputs (rows, n_outputs) for checked rows."""

    # ---- what scikit-learn calls ----

    def _fit(self, X: Any, y: Any, sample_weight: Any = None, incremental: bool = False) -> Any:
        self._before_fit(incremental)
        weight = as_input(sample_weight, "sample_weight")
        return super()._fit(as_input(X), as_input(y, "y"), sample_weight=weight, incremental=incremental)

    def _initialize(self, y: np.ndarray, layer_units: Any, dtype: Any) -> None:
        self._before_weights()
        super()._initialize(y, layer_units, dtype)
        self._after_weights()

    def _fit_stochastic(self, X: Any, y: np.ndarray, sample_weight: np.ndarray | None, *scratch: Any) -> None:
        *_, incremental = scratch
        self._train(Rows(X, y, sample_weight), incremental)

    def _fit_lbfgs(self, X: Any, y: np.ndarray, sample_weight: np.ndarray | None, *scratch: Any) -> None:
        rows = self._before_minimizing(Rows(X, y, sample_weight))
        try:
            super()._fit_lbfgs(rows.x, rows.y, rows.weight, *scratch)
        finally:
            self._after_minimizing()

    def _loss_grad_lbfgs(
        self, packed_coef_inter: np.ndarray, X: Any, y: np.ndarray, sample_weight: np.ndarray | None, *scratch: Any
    ) -> tuple[float, np.ndarray]:
        return self._loss_and_gradient(packed_coef_inter, Rows(X, y, sample_weight))

    def _forward_pass_fast(self, X: Any, check_input: bool = True) -> np.ndarray:
        if check_input:
            X = validate_data(self, as_input(X), accept_sparse=["csr", "csc"], reset=False)
        return self._outputs(X)


def offer_solvers(names: Iterable[str]) -> None:
    """Name the solvers that go through minibatches: scikit-learn looks here; its own estimators refuse the new ones."""
    _multilayer_perceptron._STOCHASTIC_SOLVERS[:] = names


def learning_rate_of(estimator: Any) -> Any:
    """scikit-learn's optimizer over no parameters: it keeps the learning rate and knows when to stop."""
    e = estimator
    if e.solver == "sgd":
        return SGDOptimizer([], e.learning_rate_init, e.learning_rate, e.momentum, e.nesterovs_momentum, e.power_t)
    return AdamOptimizer([], e.learning_rate_init, e.beta_1, e.beta_2, e.epsilon)


def stack_level() -> int:
    """The level, for a warning of the function that asks, of the line outside of gpugrad and scikit-learn."""
    level, frame = 0, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in ("gpugrad", "sklearn"):
        level, frame = level + 1, frame.f_back
    return level + 1
