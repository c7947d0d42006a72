"""MLPClassifier and MLPRegressor: scikit-learn's parameters, attributes, messages and results, trained on a device."""

from __future__ import annotations

import copy
import warnings
from typing import Any, ClassVar

import numpy as np
from scipy.special import xlogy
from sklearn import neural_network
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network._multilayer_perceptron import BaseMultilayerPerceptron
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer
from sklearn.utils import shuffle
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import validate_data

from ..device import Device
from ..device import device as get_device
from ..errors import ArgumentError
from ..kernels.dense import PRECISIONS
from . import network
from .session import Session

EXTRAS: dict[str, list] = {
    "device": [str, Device],
    "toolchain": [str, None],
    "precision": [StrOptions(set(PRECISIONS))],
}


class _OnDevice(BaseMultilayerPerceptron):
    """What both estimators do in scikit-learn's stead: the epochs, the gradients for L-BFGS, and the outputs."""

    device: Any
    toolchain: str | None
    precision: str
    _no_improvement_count: int
    _of_sklearn: ClassVar[Any]

    @classmethod
    def from_sklearn(cls, model: Any, **extras: Any) -> Any:
        """scikit-learn's estimator, fitted or not, as one of these. extras: parameters that it does not have.

        A later `partial_fit` starts the averages of the solver anew. Raises ArgumentError for another kind of model.
        """
        if not isinstance(model, cls._of_sklearn):
            raise ArgumentError(f"model is a {type(model).__name__}, expected a {cls._of_sklearn.__name__}")
        names = set(cls._get_param_names())
        given = {name: value for name, value in model.get_params(deep=False).items() if name in names}
        return _with_what_was_learned(model, cls(**{**given, **extras}))

    def to_sklearn(self) -> Any:
        """The same estimator of scikit-learn's, with copies of what was learned, and without what it does not have."""
        names = self._of_sklearn._get_param_names()
        return _with_what_was_learned(self, self._of_sklearn(**{name: getattr(self, name) for name in names}))

    def _device(self) -> Device:
        return get_device(self.device, self.toolchain)

    # ---- training ----

    def _fit_stochastic(
        self,
        X: Any,
        y: np.ndarray,
        sample_weight: np.ndarray | None,
        activations: Any,
        deltas: Any,
        coef_grads: Any,
        intercept_grads: Any,
        layer_units: Any,
        incremental: bool,
    ) -> None:
        if self.early_stopping and incremental:
            raise ValueError("partial_fit does not support early_stopping=True")
        session = self._begin(incremental)
        x_val = y_val = weight_val = None
        if self.early_stopping:
            X, x_val, y, y_val, sample_weight, weight_val = self._hold_out(X, y, sample_weight)
        n_samples, batch_size = X.shape[0], self._rows_of_a_batch(X.shape[0])
        session.load(X, y, sample_weight, batch_size)
        order = np.arange(n_samples)
        try:
            self.n_iter_ = 0
            for _ in range(self.max_iter):
                if self.shuffle:
                    order = shuffle(order, random_state=self._random_state)
                rate = self._optimizer.learning_rate if self.solver == "sgd" else self.learning_rate_init
                self.loss_ = session.epoch(order, rate)
                if self.loss == "poisson":
                    self.loss_ += _loss_of_the_targets(y[order], sample_weight, order, batch_size)
                self.n_iter_ += 1
                self.t_ += n_samples
                self.loss_curve_.append(self.loss_)
                if self.verbose:
                    print(f"Iteration {self.n_iter_}, loss = {self.loss_:.8f}")
                if self.early_stopping:
                    self.coefs_, self.intercepts_ = session.read()
                self._update_no_improvement_count(self.early_stopping, x_val, y_val, weight_val)
                self._optimizer.iteration_ends(self.t_)
                if self._no_improvement_count > self.n_iter_no_change:
                    if self._optimizer.trigger_stopping(self._why_it_stops(), self.verbose):
                        break
                    self._no_improvement_count = 0
                if incremental:
                    break
                if self.n_iter_ == self.max_iter:
                    warnings.warn(
                        f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the optimization "
                        "hasn't converged yet.",
                        ConvergenceWarning,
                        stacklevel=4,
                    )
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=4)
        finally:
            session.release()
        if self.early_stopping:
            self.coefs_, self.intercepts_ = self._best_coefs, self._best_intercepts
        else:
            self.coefs_, self.intercepts_ = session.read()

    def _begin(self, incremental: bool) -> Session:
        """The session to train in: one that goes on where the last one ended if that is asked for."""
        goes_on = incremental and hasattr(self, "_optimizer")
        session = getattr(self, "_session", None)
        if session is None or not goes_on or session.device is not self._device():
            state = self.__dict__.pop("_solver_state", None) if session is None else session.optimizer.state_dict()
            session = self._session = Session(self, self._device())
            if goes_on and state is not None:
                session.optimizer.load_state_dict(state)
        if not goes_on:  # scikit-learn's, with no parameters: it keeps the learning rate and knows when to stop
            if self.solver == "sgd":
                options = (self.learning_rate, self.momentum, self.nesterovs_momentum, self.power_t)
                self._optimizer = SGDOptimizer([], self.learning_rate_init, *options)
            else:
                self._optimizer = AdamOptimizer([], self.learning_rate_init, self.beta_1, self.beta_2, self.epsilon)
        session.write(self.coefs_, self.intercepts_)
        return session

    def _hold_out(self, X: Any, y: np.ndarray, sample_weight: np.ndarray | None) -> tuple:
        """Of X, y and the weights, or None for these, the rows to train on and to validate on."""
        stratify = y if is_classifier(self) and self.n_outputs_ == 1 else None
        arrays = [X, y] if sample_weight is None else [X, y, sample_weight]
        parts = train_test_split(
            *arrays, random_state=self._random_state, test_size=self.validation_fraction, stratify=stratify
        )
        x_train, x_val, y_train, y_val, weight, weight_val = parts if len(parts) == 6 else (*parts, None, None)
        if x_val.shape[0] < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
            )
        if is_classifier(self):
            y_val = self._label_binarizer.inverse_transform(y_val)
        return x_train, x_val, y_train, y_val, weight, weight_val

    def _rows_of_a_batch(self, n_samples: int) -> int:
        if self.batch_size == "auto":
            return min(200, n_samples)
        if self.batch_size > n_samples:
            warnings.warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped", stacklevel=5
            )
        return int(np.clip(self.batch_size, 1, n_samples))

    def _why_it_stops(self) -> str:
        what = "Validation score" if self.early_stopping else "Training loss"
        return f"{what} did not improve more than tol={self.tol:f} for {self.n_iter_no_change} consecutive epochs."

    def _fit_lbfgs(self, X: Any, y: np.ndarray, sample_weight: np.ndarray | None, *scratch: Any) -> None:
        self._session = self._session_over_all(X, y, sample_weight)
        try:
            super()._fit_lbfgs(X, y, sample_weight, *scratch)
        finally:
            del self._session

    def _session_over_all(self, X: Any, y: np.ndarray, sample_weight: np.ndarray | None) -> Session:
        session = Session(self, self._device())
        session.load(X, y, sample_weight, X.shape[0])
        return session

    def _loss_grad_lbfgs(
        self, packed_coef_inter: np.ndarray, X: Any, y: np.ndarray, sample_weight: np.ndarray | None, *scratch: Any
    ) -> tuple[float, np.ndarray]:
        session = getattr(self, "_session", None) or self._session_over_all(X, y, sample_weight)
        loss, gradient = session.loss_and_gradient(packed_coef_inter)
        if self.loss == "poisson":
            loss += _loss_of_the_targets(y, sample_weight, np.arange(len(y)), len(y))
        return loss, gradient

    # ---- use ----

    def _forward_pass_fast(self, X: Any, check_input: bool = True) -> np.ndarray:
        if check_input:
            X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        return network.outputs(
            X,
            self.coefs_,
            self.intercepts_,
            activation=self.activation,
            out_activation=self.out_activation_,
            device=self._device(),
            precision_name=self.precision,
        )

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        session = state.pop("_session", None)
        if session is not None:
            state["_solver_state"] = session.optimizer.state_dict()
        return state


def _with_what_was_learned(model: Any, other: Any) -> Any:
    """`other` with copies of the attributes of a model that are neither parameters nor the state of its solver."""
    left = {*model.get_params(deep=False), "_optimizer", "_session", "_solver_state"}
    vars(other).update(copy.deepcopy({name: value for name, value in vars(model).items() if name not in left}))
    return other


def _loss_of_the_targets(y: np.ndarray, sample_weight: np.ndarray | None, order: np.ndarray, batch_size: int) -> float:
    """The part of the Poisson loss that no prediction changes, y·ln y − y, averaged as the losses of minibatches are.

    y: in the order of the epoch.
    """
    constants = (xlogy(y, y) - y).sum(axis=1)
    weight = np.ones(len(y)) if sample_weight is None else sample_weight[order]
    starts = np.arange(0, len(y), batch_size)
    rows = np.diff([*starts, len(y)])
    means = np.add.reduceat(weight * constants, starts) / np.add.reduceat(weight, starts)
    return float((rows * means).sum() / len(y))


class MLPClassifier(_OnDevice, neural_network.MLPClassifier):
    """scikit-learn's MLPClassifier, trained on a device: the same parameters, attributes and results.

    device, toolchain: as for `gg.device`; a model that is trained on one predicts on any, and may be pickled. On a GPU
    the arithmetic is in float32, whatever the dtype of X. precision: of the matrix products, "float32", "tf32" or
    "bfloat16".
    """

    _parameter_constraints: ClassVar[dict] = {**neural_network.MLPClassifier._parameter_constraints, **EXTRAS}
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
    ) -> None:
        super().__init__(
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            solver=solver,
            alpha=alpha,
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_init=learning_rate_init,
            power_t=power_t,
            max_iter=max_iter,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            verbose=verbose,
            warm_start=warm_start,
            momentum=momentum,
            nesterovs_momentum=nesterovs_momentum,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            n_iter_no_change=n_iter_no_change,
            max_fun=max_fun,
        )
        self.device = device
        self.toolchain = toolchain
        self.precision = precision


class MLPRegressor(_OnDevice, neural_network.MLPRegressor):
    """scikit-learn's MLPRegressor, trained on a device: the same parameters, attributes and results.

    device, toolchain: as for `gg.device`; a model that is trained on one predicts on any, and may be pickled. On a GPU
    the arithmetic is in float32, whatever the dtype of X. precision: of the matrix products, "float32", "tf32" or
    "bfloat16".
    """

    _parameter_constraints: ClassVar[dict] = {**neural_network.MLPRegressor._parameter_constraints, **EXTRAS}
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
    ) -> None:
        super().__init__(
            loss=loss,
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            solver=solver,
            alpha=alpha,
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_init=learning_rate_init,
            power_t=power_t,
            max_iter=max_iter,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            verbose=verbose,
            warm_start=warm_start,
            momentum=momentum,
            nesterovs_momentum=nesterovs_momentum,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            n_iter_no_change=n_iter_no_change,
            max_fun=max_fun,
        )
        self.device = device
        self.toolchain = toolchain
        self.precision = precision
