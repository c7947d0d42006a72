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
from .scikit_learn import decode, is_checked


@exportable
class MLPClassifier(OnDevice, neural_network.MLPClassifier, constraints={**BOTH, **OF_CLASSIFIER}):
    """Drop-in replacement of scikit-learn's MLPClassifier: trains on a CPU or GPU, and has additional parameters.

    Parameters
    ----------
    hidden_layer_sizes : array_like of int, default (100,)
        Units of each hidden layer.
    activation : str, default "relu"
        Activation of the hidden layers: "identity", "logistic", "tanh", "relu", or another name of
        ``gpugrad.kernels.activation.SKLEARN_NAMES``, such as "gelu" or "leaky_relu" (slope 0.01).
    solver : str, default "adam"
        "lbfgs", "sgd", "adam", or another name of ``gg.optim.RULES`` that is a solver, such as "adamw" or "rmsprop",
        with PyTorch's formulas and defaults. Its rate is ``learning_rate_init`` (Adadelta's is usually 1.0).
    alpha : float, default 0.0001
        Strength of the L2 penalty of the weights.
    batch_size : int or "auto", default "auto"
        Rows of a minibatch; "auto" is min(200, n_rows).
    learning_rate : {"constant", "invscaling", "adaptive"}, default "constant"
        Learning rate schedule of "sgd".
    learning_rate_init : float, default 0.001
        Initial learning rate.
    power_t : float, default 0.5
        Exponent of "invscaling".
    max_iter : int, default 200
        Maximum number of epochs, or of iterations of L-BFGS.
    shuffle : bool, default True
        Shuffle the rows in each epoch.
    random_state : int, RandomState or None, default None
        Source of the initial weights, the held-out rows, the order of the rows and dropout.
    tol : float, default 1e-4
        Smallest improvement of the loss or score that counts.
    verbose : bool or int, default False
        Print the loss of each epoch; 2 shows a progress bar instead.
    warm_start : bool, default False
        Start `fit` from the weights of the last one.
    momentum : float, default 0.9
        Momentum of "sgd".
    nesterovs_momentum : bool, default True
        Use Nesterov's momentum in "sgd".
    early_stopping : bool, default False
        Stop when the validation score does not improve, and keep the best weights.
    validation_fraction : float, default 0.1
        Fraction of the rows that early stopping holds out.
    beta_1 : float, default 0.9
        Decay of the first moment of "adam" and its kin.
    beta_2 : float, default 0.999
        Decay of their second moment.
    epsilon : float, default 1e-8
        Constant in their denominator.
    n_iter_no_change : int, default 10
        Epochs without an improvement before training stops.
    max_fun : int, default 15000
        Maximum number of evaluations of the loss by L-BFGS.
    device : str or Device, default "auto"
        Device, as for `gg.device`. A model trained on one device predicts on any, and can be pickled. A GPU computes in
        float32, whatever the dtype of X.
    toolchain : str, default None
        Toolchain of the kernels, as for `gg.device`.
    precision : {"float32", "tf32", "bfloat16"}, default "float32"
        Precision of matrix products.
    dropout : float, default 0.0
        Share of the outputs of each hidden layer that a training step sets to 0, in [0, 1).
    weight_decay : float, default None
        Decoupled decay, p ← p − lr·weight_decay·p before each step, of weights and not of intercepts, in addition to
        ``alpha``. None: the default of a solver with decoupled decay, 0.01 for "adamw"; otherwise 0.
    clip_norm : float, default None
        Limit of the gradient's norm over all parameters.
    clip_value : float, default None
        Limit of each element of the gradient.
    schedule : str or callable, default None
        Learning rate schedule over ``max_iter`` epochs: a name of ``gg.optim.SCHEDULE_NAMES`` such as "cosine", or a
        function from an optimizer to a schedule of `gg.optim`.
    callbacks : list of Callback, default None
        Callbacks of the run.
    checkpoint : str or path, default None
        File written after each epoch, for ``fit(…, resume=True)``.
    accumulation_steps : int, default 1
        Minibatches whose gradients make one step of the solver, the step of all their rows.
    class_weight : "balanced" or dict, default None
        Weight of each label, {label: weight}; multiplied with sample_weight. For several labels a list of dicts.
    label_smoothing : float, default 0.0
        Share of each label that is spread over all classes, in [0, 1).

    Attributes
    ----------
    history_ : History
        Record of each epoch.
    validation_loss_curve_ : list of float or None
        Validation loss of each epoch, without the penalty; None without validation.

    Notes
    -----
    All other attributes are scikit-learn's, with its results.
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
        """Predict probabilities.

        Parameters
        ----------
        X : array_like or sparse matrix, (n_rows, n_features)
            Features.

        Returns
        -------
        ndarray, (n_rows, n_classes)
            Probabilities in the order of ``classes_``; for several labels, of each label (n_rows, n_labels).
        """
        if is_checked(self, X):
            found = self._outputs(X)
            return np.vstack([1 - found[:, 0], found[:, 0]]).T if found.shape[1] == 1 else found
        return as_given(super().predict_proba(X), X)

    def predict_log_proba(self, X: Any) -> Any:
        """Predict logarithms of probabilities.

        Parameters
        ----------
        X : array_like or sparse matrix, (n_rows, n_features)
            Features.

        Returns
        -------
        ndarray, (n_rows, n_classes)
            Logarithms of `predict_proba`.
        """
        return as_given(np.log(super().predict_proba(X)), X)

    def _weighted(self, rows: Rows) -> Rows:
        if self.class_weight is None:
            return rows
        given, labels = self.class_weight, self.n_outputs_ if is_multilabel(self) else 1
        if isinstance(given, list) and not (len(given) == labels and all(isinstance(one, dict) for one in given)):
            expected = f"a list of {labels} dicts, one per label" if labels > 1 else "a dict {label: weight}"
            raise ArgumentError(f"class_weight is {given!r}, expected 'balanced', {expected}, or None")
        decoded = decode(self, rows.y)
        if isinstance(given, dict) and labels == 1:  # a batch of partial_fit need not have rows of every class
            absent = set(self.classes_.tolist()) - set(np.unique(decoded).tolist())
            given = {label: weight for label, weight in given.items() if label not in absent}
        weight = compute_sample_weight(given, decoded)
        return replace(rows, weight=weight if rows.weight is None else weight * rows.weight)


@exportable
class MLPRegressor(OnDevice, neural_network.MLPRegressor, constraints={**BOTH, **OF_REGRESSOR}):
    """Drop-in replacement of scikit-learn's MLPRegressor: trains on a CPU or GPU, and has additional parameters.

    Parameters
    ----------
    loss : {"squared_error", "poisson", "absolute_error", "huber"}, default "squared_error"
        Loss; "huber" switches from quadratic to linear at ``delta``.
    hidden_layer_sizes : array_like of int, default (100,)
        Units of each hidden layer.
    activation : str, default "relu"
        Activation of the hidden layers: "identity", "logistic", "tanh", "relu", or another name of
        ``gpugrad.kernels.activation.SKLEARN_NAMES``, such as "gelu" or "leaky_relu" (slope 0.01).
    solver : str, default "adam"
        "lbfgs", "sgd", "adam", or another name of ``gg.optim.RULES`` that is a solver, such as "adamw" or "rmsprop",
        with PyTorch's formulas and defaults. Its rate is ``learning_rate_init`` (Adadelta's is usually 1.0).
    alpha : float, default 0.0001
        Strength of the L2 penalty of the weights.
    batch_size : int or "auto", default "auto"
        Rows of a minibatch; "auto" is min(200, n_rows).
    learning_rate : {"constant", "invscaling", "adaptive"}, default "constant"
        Learning rate schedule of "sgd".
    learning_rate_init : float, default 0.001
        Initial learning rate.
    power_t : float, default 0.5
        Exponent of "invscaling".
    max_iter : int, default 200
        Maximum number of epochs, or of iterations of L-BFGS.
    shuffle : bool, default True
        Shuffle the rows in each epoch.
    random_state : int, RandomState or None, default None
        Source of the initial weights, the held-out rows, the order of the rows and dropout.
    tol : float, default 1e-4
        Smallest improvement of the loss or score that counts.
    verbose : bool or int, default False
        Print the loss of each epoch; 2 shows a progress bar instead.
    warm_start : bool, default False
        Start `fit` from the weights of the last one.
    momentum : float, default 0.9
        Momentum of "sgd".
    nesterovs_momentum : bool, default True
        Use Nesterov's momentum in "sgd".
    early_stopping : bool, default False
        Stop when the validation score does not improve, and keep the best weights.
    validation_fraction : float, default 0.1
        Fraction of the rows that early stopping holds out.
    beta_1 : float, default 0.9
        Decay of the first moment of "adam" and its kin.
    beta_2 : float, default 0.999
        Decay of their second moment.
    epsilon : float, default 1e-8
        Constant in their denominator.
    n_iter_no_change : int, default 10
        Epochs without an improvement before training stops.
    max_fun : int, default 15000
        Maximum number of evaluations of the loss by L-BFGS.
    device : str or Device, default "auto"
        Device, as for `gg.device`. A model trained on one device predicts on any, and can be pickled. A GPU computes in
        float32, whatever the dtype of X.
    toolchain : str, default None
        Toolchain of the kernels, as for `gg.device`.
    precision : {"float32", "tf32", "bfloat16"}, default "float32"
        Precision of matrix products.
    dropout : float, default 0.0
        Share of the outputs of each hidden layer that a training step sets to 0, in [0, 1).
    weight_decay : float, default None
        Decoupled decay, p ← p − lr·weight_decay·p before each step, of weights and not of intercepts, in addition to
        ``alpha``. None: the default of a solver with decoupled decay, 0.01 for "adamw"; otherwise 0.
    clip_norm : float, default None
        Limit of the gradient's norm over all parameters.
    clip_value : float, default None
        Limit of each element of the gradient.
    schedule : str or callable, default None
        Learning rate schedule over ``max_iter`` epochs: a name of ``gg.optim.SCHEDULE_NAMES`` such as "cosine", or a
        function from an optimizer to a schedule of `gg.optim`.
    callbacks : list of Callback, default None
        Callbacks of the run.
    checkpoint : str or path, default None
        File written after each epoch, for ``fit(…, resume=True)``.
    accumulation_steps : int, default 1
        Minibatches whose gradients make one step of the solver, the step of all their rows.
    delta : float, default 1.0
        Error at which "huber" becomes linear.

    Attributes
    ----------
    history_ : History
        Record of each epoch.
    validation_loss_curve_ : list of float or None
        Validation loss of each epoch, without the penalty; None without validation.

    Notes
    -----
    All other attributes are scikit-learn's, with its results.
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
