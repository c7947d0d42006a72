"""Code common to both estimators: epochs, gradients for L-BFGS, and outputs."""

from __future__ import annotations

import copy
import warnings
from typing import Any, ClassVar

import numpy as np
from sklearn.base import is_classifier
from sklearn.model_selection import train_test_split
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import unique_labels

from ..data.inputs import as_input
from ..engine.device import Device
from ..engine.device import device as get_device
from ..engine.files import check_writable_file
from ..errors import ArgumentError, DataError, a_or_an, counted
from ..training.alone import alone
from ..training.history import History
from ..training.loop import Loop
from ..training.state import read
from . import network, saved
from .exports import Exports
from .loss_of_targets import loss_of_targets
from .namespace import as_given
from .options import LBFGS, check_together
from .rows import Rows
from .run import Run
from .scikit_learn import (
    NON_FINITE,
    OF_THE_SOLVER,
    FitState,
    Perceptron,
    accepts,
    check_sample_weight,
    decode,
    encode,
    fit_context,
    is_checked,
    learning_rate_rule,
    predicted,
    stack_level,
    start_fit,
    validate_data,
)
from .session import Session
from .targets import as_targets

# Attributes of a run, which a copy of a fitted model leaves out.
OF_THE_RUN = {
    "history_",
    "validation_loss_curve_",
    "_session",
    "_solver_state",
    "_first_random_state",
    *OF_THE_SOLVER,
}


class OnDevice(Exports, Perceptron):
    """Base of both estimators, which trains and predicts on a device; scikit-learn's class checks and draws."""

    device: Any
    toolchain: str | None
    precision: str
    checkpoint: Any
    accumulation_steps: int
    history_: History
    validation_loss_curve_: list[float] | None
    _of_sklearn: ClassVar[Any]

    # ---- from scikit-learn's own and back ----

    @classmethod
    def from_sklearn(cls, model: Any, **extras: Any) -> Any:
        """Convert an estimator of scikit-learn, fitted or not.

        A later `partial_fit` resets the averages of the solver.

        Parameters
        ----------
        model : sklearn.neural_network.MLPClassifier or sklearn.neural_network.MLPRegressor
            Model to convert.
        **extras : Any
            Parameters that scikit-learn does not have.

        Returns
        -------
        MLPClassifier or MLPRegressor
            The same model of this class, with copies of the fitted attributes.

        Raises
        ------
        ArgumentError
            If the model is of another class.
        """
        if not isinstance(model, cls._of_sklearn):
            raise ArgumentError(f"model is {a_or_an(type(model))}, expected {a_or_an(cls._of_sklearn)}")
        names = cls().get_params(deep=False)
        given = {name: value for name, value in model.get_params(deep=False).items() if name in names}
        return _with_fitted_attributes(model, cls(**{**given, **extras}))

    def to_sklearn(self) -> Any:
        """Convert to the estimator of scikit-learn, which predicts the same.

        Parameters that scikit-learn does not have are left out; a solver or loss that it does not have becomes its
        default.

        Returns
        -------
        sklearn.neural_network.MLPClassifier or sklearn.neural_network.MLPRegressor
            The same model, with copies of the fitted attributes.

        Raises
        ------
        ArgumentError
            If scikit-learn does not have the activation.
        """
        theirs = self._of_sklearn()
        given = {name: getattr(self, name) for name in theirs.get_params()}
        for name in ("activation", "solver", "loss"):
            if name in given and not accepts(self._of_sklearn, name, given[name]):
                if name == "activation":
                    raise ArgumentError(
                        f"activation is {self.activation!r}, which scikit-learn does not have: "
                        "train with one that it has, or export the model to ONNX"
                    )
                del given[name]
        return _with_fitted_attributes(self, theirs.set_params(**given))

    # ---- training ----

    @alone
    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, validation_data: Any = None, resume: bool = False
    ) -> Any:
        """Train the model.

        Parameters
        ----------
        X : array_like or sparse matrix, (n_rows, n_features)
            Features.
        y : array_like, (n_rows,) or (n_rows, n_outputs)
            Labels or targets.
        sample_weight : array_like, (n_rows,), default None
            Weights of the rows; None for equal ones.
        validation_data : tuple, default None
            (X, y) or (X, y, sample_weight). Their loss and score are computed after each epoch; early stopping then
            judges by them and holds back no rows.
        resume : bool, default False
            Continue from the file ``checkpoint``, bit for bit as if never stopped; start if there is none yet.

        Returns
        -------
        MLPClassifier or MLPRegressor
            The estimator itself.

        Raises
        ------
        ArgumentError
            If parameters exclude each other.
        CheckpointError
            If the checkpoint belongs to another run.
        ValueError
            scikit-learn's own, for data that it refuses.
        """
        if self.solver == LBFGS and validation_data is not None:
            raise ArgumentError(
                "validation_data needs epochs, which the solver 'lbfgs' does not have: choose another solver"
            )
        if resume and self.checkpoint is None:
            raise ArgumentError("resume needs the parameter checkpoint: pass the path of the file to continue from")
        self._validation_data = validation_data
        self._resumed = saved.checkpoint_of(self) if resume else None
        try:
            return start_fit(self, X, y, sample_weight)  # checks, and calls _train
        finally:
            del self._validation_data, self._resumed

    def _before_fit(self, incremental: bool) -> None:
        check_together(self, incremental)
        if self.checkpoint is not None:
            check_writable_file(self.checkpoint)

    def _before_weights(self) -> None:
        if (path := getattr(self, "_resumed", None)) is not None:
            state = read(path, Run.kind)
            FitState(self).random_state = saved.random_state(state.arrays, state.values, "first")
        if self.checkpoint is not None:
            self._first_random_state = FitState(self).random_state.get_state(legacy=False)

    def _after_weights(self) -> None:
        self.history_, self.validation_loss_curve_ = History(), None

    def _train(self, rows: Rows, incremental: bool) -> None:
        if self.early_stopping and incremental:
            raise ArgumentError("partial_fit does not support early_stopping=True")
        self._train_in_epochs(self._weighted(rows), incremental)

    def _train_in_epochs(self, train: Rows, incremental: bool) -> None:
        session, validation = self._begin(incremental), None
        if (given := getattr(self, "_validation_data", None)) is not None:
            validation = self._given_validation(given)
        elif self.early_stopping:
            train, validation = self._hold_out(train)
        if not hasattr(self, "history_"):  # a model from scikit-learn
            self.history_, self.validation_loss_curve_ = History(), None
        if validation is not None:
            self.validation_loss_curve_ = self.validation_loss_curve_ or []
            self.validation_scores_ = self.validation_scores_ or []
        session.load(train, self._rows_of_a_batch(len(train)), self.accumulation_steps)
        self.n_iter_ = 0
        try:
            run = Run(self, session, train, validation, incremental)
            loop = Loop(run, list(self.callbacks or ()), strict=False)
            loop.begin(getattr(self, "_resumed", None))
            epochs = 1 if incremental else self.max_iter - self.n_iter_
            loop.run(run.epoch + epochs, progress=self.verbose == 2, checkpoint=self.checkpoint)
            best = FitState(self)
            found: Any = (best.best_coefs, best.best_intercepts) if self.early_stopping else session.read()
            finite = all(np.isfinite(w).all() for kind in found for w in kind)
            reason = None if finite else loop.explain()
            self.coefs_, self.intercepts_ = found
            if reason is not None:
                raise DataError(f"{NON_FINITE} It happened {reason}.")
        finally:
            session.release()

    def _begin(self, incremental: bool) -> Session:
        """Return the session to train in, which continues the last one where `partial_fit` asks for it."""
        continues = incremental and FitState(self).has_rule
        session = getattr(self, "_session", None)
        if session is None or not continues or session.device is not self._device():
            state = self.__dict__.pop("_solver_state", None) if session is None else session.state_dict()
            session = self._session = Session(self, self._device(), state if continues else None)
        if not continues:
            FitState(self).learning_rate_rule = learning_rate_rule(self)
        session.write(self.coefs_, self.intercepts_)
        return session

    def _weighted(self, rows: Rows) -> Rows:
        """Return the rows with the weights of their classes; a regressor has none."""
        return rows

    def _given_validation(self, given: Any) -> Rows:
        """Return the rows of `validation_data`, checked like those of `fit`."""
        if not isinstance(given, tuple | list) or len(given) not in (2, 3):
            raise ArgumentError(
                f"validation_data is {a_or_an(type(given))}, expected a tuple: (X, y) or (X, y, sample_weight)"
            )
        y = as_input(given[1], "y of validation_data")
        x, labels = validate_data(
            self,
            as_input(given[0], "X of validation_data"),
            y if is_classifier(self) else as_targets(y, "y of validation_data"),
            accept_sparse=["csr", "csc"],
            multi_output=True,
            y_numeric=not is_classifier(self),
            dtype=(np.float64, np.float32),
            reset=False,
        )
        if labels.ndim == 2 and labels.shape[1] == 1:
            labels = column_or_1d(labels, warn=True)
        weight = None if len(given) == 2 or given[2] is None else check_sample_weight(as_input(given[2]), x)
        y = labels
        if is_classifier(self):
            unknown = np.setdiff1d(unique_labels(labels), self.classes_)
            if len(unknown):
                raise DataError(f"y of validation_data has the classes {unknown}, expected those of y: {self.classes_}")
            y = encode(self, labels)
        y = y.reshape(len(y), -1)
        if y.shape[1] != self.n_outputs_:
            raise DataError(
                f"y of validation_data has {counted(y.shape[1], 'output')}, expected {self.n_outputs_} as in y"
            )
        return Rows(x, y, weight, labels)

    def _hold_out(self, rows: Rows) -> tuple[Rows, Rows]:
        """Split into rows to train on and rows to validate on."""
        stratify = rows.y if is_classifier(self) and self.n_outputs_ == 1 else None
        arrays = [rows.x, rows.y] if rows.weight is None else [rows.x, rows.y, rows.weight]
        parts = train_test_split(
            *arrays, random_state=FitState(self).random_state, test_size=self.validation_fraction, stratify=stratify
        )
        train, validation = Rows(*parts[::2]), Rows(*parts[1::2])
        if validation.x.shape[0] < 2:
            raise DataError(
                "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
            )
        validation.labels = validation.y
        if is_classifier(self):
            validation.labels = decode(self, validation.y)
        return train, validation

    def _rows_of_a_batch(self, n_samples: int) -> int:
        if self.batch_size == "auto":
            return min(200, n_samples)
        if self.batch_size > n_samples:
            warnings.warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped",
                stacklevel=stack_level(),
            )
        return int(np.clip(self.batch_size, 1, n_samples))

    def _before_minimizing(self, rows: Rows) -> Rows:
        rows = self._weighted(rows)
        self._session = self._session_over_all(rows)
        return rows

    def _after_minimizing(self) -> None:
        del self._session

    def _session_over_all(self, rows: Rows) -> Session:
        session = Session(self, self._device())
        session.load(rows, rows.x.shape[0])
        return session

    def _loss_and_gradient(self, packed: np.ndarray, rows: Rows) -> tuple[float, np.ndarray]:
        session = getattr(self, "_session", None) or self._session_over_all(rows)
        loss, gradient = session.loss_and_gradient(packed)
        if self.loss == "poisson":
            loss += loss_of_targets(rows.y, rows.weight, np.arange(len(rows)), len(rows))
        return loss, gradient

    # ---- use ----

    def _device(self) -> Device:
        return get_device(self.device, self.toolchain)

    def predict(self, X: Any) -> Any:
        """Predict labels or outputs.

        Parameters
        ----------
        X : array_like or sparse matrix, (n_rows, n_features)
            Features.

        Returns
        -------
        ndarray, (n_rows,) or (n_rows, n_outputs)
            Predictions; an array of X's library under array API dispatch.
        """
        if is_checked(self, X):
            return predicted(self, self._outputs(X))
        return as_given(super().predict(X), X)

    def _outputs(self, x: Any) -> np.ndarray:
        return network.outputs(
            x,
            self.coefs_,
            self.intercepts_,
            activation=self.activation,
            out_activation=self.out_activation_,
            device=self._device(),
            precision_name=self.precision,
        )

    def plot_loss_curve(self, path: Any = None) -> Any:
        """Draw losses, validation score and learning rate against the epoch.

        Parameters
        ----------
        path : str or path, default None
            File to save the figure to.

        Returns
        -------
        matplotlib.figure.Figure
            The figure.

        Raises
        ------
        GpugradError
            If the estimator has not been trained in epochs, or Matplotlib is missing.
        """
        return getattr(self, "history_", History()).plot(path)

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        session = state.pop("_session", None)
        if session is not None:
            state["_solver_state"] = session.state_dict()
        return state


def _with_fitted_attributes(model: Any, other: Any) -> Any:
    """Return `other` with copies of a model's attributes, except parameters and the state of its solver."""
    left = {*model.get_params(deep=False), *OF_THE_RUN}
    vars(other).update(copy.deepcopy({name: value for name, value in vars(model).items() if name not in left}))
    return other
