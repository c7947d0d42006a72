"""What both estimators do in scikit-learn's stead: the epochs, the gradients for L-BFGS, and the outputs."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from sklearn.base import _fit_context, is_classifier
from sklearn.model_selection import train_test_split
from sklearn.neural_network._multilayer_perceptron import BaseMultilayerPerceptron
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import unique_labels
from sklearn.utils.validation import _check_sample_weight, validate_data

from ..data.inputs import as_input
from ..engine.device import Device
from ..engine.device import device as get_device
from ..engine.files import check_writable
from ..errors import ArgumentError
from ..training.history import History
from . import network, saved
from .exports import Exports
from .loss_of_targets import loss_of_targets
from .namespace import as_given
from .options import check_together
from .run import Rows, Run
from .session import Session

# Attributes that are not what was learned.
OF_THE_TRAINING = {
    "history_",
    "validation_loss_curve_",
    "_optimizer",
    "_session",
    "_solver_state",
    "_first_random_state",
}


class OnDevice(Exports, BaseMultilayerPerceptron):
    """The part of an estimator that trains and predicts on a device; scikit-learn's class checks, draws and names."""

    device: Any
    toolchain: str | None
    precision: str
    checkpoint: Any
    history_: History
    validation_loss_curve_: list[float] | None
    validation_scores_: list[float] | None
    _no_improvement_count: int
    _of_sklearn: ClassVar[Any]

    # ---- from scikit-learn's own and back ----

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
        """The same estimator of scikit-learn's, with copies of what was learned, and the same predictions.

        What it does not have is left out; a solver or loss of that kind becomes its default. Raises ArgumentError for
        an activation that it does not have.
        """
        theirs = self._of_sklearn()
        given = {name: getattr(self, name) for name in theirs.get_params()}
        constraints = self._of_sklearn._parameter_constraints
        for name in ("activation", "solver", "loss"):
            if name in given and not constraints[name][0].is_satisfied_by(given[name]):
                if name == "activation":
                    raise ArgumentError(
                        f"activation is {self.activation!r}, which scikit-learn does not have: "
                        "train with one of its own, or export the model to ONNX"
                    )
                del given[name]
        return _with_what_was_learned(self, theirs.set_params(**given))

    # ---- training ----

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, validation_data: Any = None, resume: bool = False
    ) -> Any:
        """Train on X (rows, features) and y; returns self.

        sample_weight (rows,): None for all alike. validation_data: (X, y) or (X, y, sample_weight), whose loss and
        score are taken after each epoch; early stopping then looks at it and holds back no rows. resume: go on from
        the file `checkpoint`, bit for bit as if never stopped; where there is none yet, start.

        Raises scikit-learn's errors for data that it does not take; ArgumentError for parameters that do not go
        together, CheckpointError for a checkpoint of another training.
        """
        if self.solver == "lbfgs" and validation_data is not None:
            raise ArgumentError("validation_data needs epochs, which solver 'lbfgs' has not: choose another solver")
        if resume and self.checkpoint is None:
            raise ArgumentError("resume needs the parameter checkpoint: the path of a file to go on from")
        self._validation_data = validation_data
        self._resumed = saved.read(self) if resume else None
        try:
            return self._fit(X, y, sample_weight=sample_weight, incremental=False)
        finally:
            del self._validation_data, self._resumed

    def _fit(self, X: Any, y: Any, sample_weight: Any = None, incremental: bool = False) -> Any:
        check_together(self, incremental)
        if self.checkpoint is not None:
            check_writable(Path(self.checkpoint).parent)
        X, y, sample_weight = as_input(X), as_input(y, "y"), as_input(sample_weight, "sample_weight")
        return super()._fit(X, y, sample_weight=sample_weight, incremental=incremental)

    def _initialize(self, y: np.ndarray, layer_units: Any, dtype: Any) -> None:
        if (resumed := getattr(self, "_resumed", None)) is not None:
            self._random_state = resumed.first_random_state()
        if self.checkpoint is not None:
            self._first_random_state = self._random_state.get_state(legacy=False)
        super()._initialize(y, layer_units, dtype)
        self.history_, self.validation_loss_curve_ = History(), None

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
        with self._device().lock:
            self._fit_in_epochs(X, y, sample_weight, incremental)

    def _fit_in_epochs(self, X: Any, y: np.ndarray, sample_weight: np.ndarray | None, incremental: bool) -> None:
        train, validation = Rows(X, y, self._weight_of_classes(y, sample_weight)), None
        session = self._begin(incremental)
        if (given := getattr(self, "_validation_data", None)) is not None:
            validation = self._given_validation(given)
        elif self.early_stopping:
            train, validation = self._hold_out(train)
        if not hasattr(self, "history_"):  # of a model from scikit-learn
            self.history_, self.validation_loss_curve_ = History(), None
        if validation is not None:
            self.validation_loss_curve_ = self.validation_loss_curve_ or []
            self.validation_scores_ = self.validation_scores_ or []
        session.load(train.x, train.y, train.weight, self._rows_of_a_batch(len(train.y)))
        self.n_iter_ = 0
        try:
            run = Run(self, session, train, validation)
            for hook in run.hooks:
                hook.on_fit_begin(run)
            if (resumed := getattr(self, "_resumed", None)) is not None:
                resumed.restore(self, run)
            run.until_it_ends(incremental)
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
            state = self.__dict__.pop("_solver_state", None) if session is None else session.state_dict()
            session = self._session = Session(self, self._device())
            if goes_on and state is not None:
                session.load_state_dict(state)
        if not goes_on:  # scikit-learn's, with no parameters: it keeps the learning rate and knows when to stop
            if self.solver == "sgd":
                options = (self.learning_rate, self.momentum, self.nesterovs_momentum, self.power_t)
                self._optimizer = SGDOptimizer([], self.learning_rate_init, *options)
            else:
                self._optimizer = AdamOptimizer([], self.learning_rate_init, self.beta_1, self.beta_2, self.epsilon)
        session.write(self.coefs_, self.intercepts_)
        return session

    def _weight_of_classes(self, y: np.ndarray, sample_weight: np.ndarray | None) -> np.ndarray | None:
        """The weights of the rows with those of their classes; here there are none."""
        return sample_weight

    def _given_validation(self, given: Any) -> Rows:
        """The rows of `validation_data`, checked as those of `fit` are."""
        if not isinstance(given, tuple | list) or len(given) not in (2, 3):
            raise ArgumentError(
                f"validation_data is a {type(given).__name__}, expected a tuple: (X, y) or (X, y, sample_weight)"
            )
        x, labels = validate_data(
            self,
            as_input(given[0], "X of validation_data"),
            as_input(given[1], "y of validation_data"),
            accept_sparse=["csr", "csc"],
            multi_output=True,
            y_numeric=not is_classifier(self),
            dtype=(np.float64, np.float32),
            reset=False,
        )
        if labels.ndim == 2 and labels.shape[1] == 1:
            labels = column_or_1d(labels, warn=True)
        weight = None if len(given) == 2 or given[2] is None else _check_sample_weight(as_input(given[2]), x)
        y = labels
        if is_classifier(self):
            unknown = np.setdiff1d(unique_labels(labels), self.classes_)
            if len(unknown):
                raise ValueError(
                    f"y of validation_data has the classes {unknown}, expected those of y: {self.classes_}"
                )
            y = self._label_binarizer.transform(labels).astype(bool)
        y = y.reshape(len(y), -1)
        if y.shape[1] != self.n_outputs_:
            raise ValueError(f"y of validation_data has {y.shape[1]} outputs, expected {self.n_outputs_} as in y")
        return Rows(x, y, weight, labels)

    def _hold_out(self, rows: Rows) -> tuple[Rows, Rows]:
        """The rows to train on and those to validate on."""
        stratify = rows.y if is_classifier(self) and self.n_outputs_ == 1 else None
        arrays = [rows.x, rows.y] if rows.weight is None else [rows.x, rows.y, rows.weight]
        parts = train_test_split(
            *arrays, random_state=self._random_state, test_size=self.validation_fraction, stratify=stratify
        )
        train, validation = Rows(*parts[::2]), Rows(*parts[1::2])
        if validation.x.shape[0] < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
            )
        validation.labels = validation.y
        if is_classifier(self):
            validation.labels = self._label_binarizer.inverse_transform(validation.y)
        return train, validation

    def _rows_of_a_batch(self, n_samples: int) -> int:
        if self.batch_size == "auto":
            return min(200, n_samples)
        if self.batch_size > n_samples:
            warnings.warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped", stacklevel=8
            )
        return int(np.clip(self.batch_size, 1, n_samples))

    def _write_checkpoint(self, run: Run) -> None:
        saved.write(self, run)

    def _fit_lbfgs(self, X: Any, y: np.ndarray, sample_weight: np.ndarray | None, *scratch: Any) -> None:
        sample_weight = self._weight_of_classes(y, sample_weight)
        with self._device().lock:
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
        with self._device().lock:
            session = getattr(self, "_session", None) or self._session_over_all(X, y, sample_weight)
            loss, gradient = session.loss_and_gradient(packed_coef_inter)
        if self.loss == "poisson":
            loss += loss_of_targets(y, sample_weight, np.arange(len(y)), len(y))
        return loss, gradient

    # ---- use ----

    def _device(self) -> Device:
        return get_device(self.device, self.toolchain)

    def predict(self, X: Any) -> Any:
        """Labels, or outputs, for X (rows, features): a NumPy array, or one of X's library under array API dispatch."""
        return as_given(super().predict(X), X)

    def _forward_pass_fast(self, X: Any, check_input: bool = True) -> np.ndarray:
        if check_input:
            X = validate_data(self, as_input(X), accept_sparse=["csr", "csc"], reset=False)
        device = self._device()
        with device.lock:
            return network.outputs(
                X,
                self.coefs_,
                self.intercepts_,
                activation=self.activation,
                out_activation=self.out_activation_,
                device=device,
                precision_name=self.precision,
            )

    def plot_loss_curve(self, path: Any = None) -> Any:
        """Draw losses, validation score and learning rate against the epoch; returns the figure, saves it to `path`.

        Raises GpugradError for an estimator that has not been trained in epochs, or without matplotlib.
        """
        return getattr(self, "history_", History()).plot(path)

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        session = state.pop("_session", None)
        if session is not None:
            state["_solver_state"] = session.state_dict()
        return state


def _with_what_was_learned(model: Any, other: Any) -> Any:
    """`other` with copies of the attributes of a model that are neither parameters nor the state of its solver."""
    left = {*model.get_params(deep=False), *OF_THE_TRAINING}
    vars(other).update(copy.deepcopy({name: value for name, value in vars(model).items() if name not in left}))
    return other
