"""Losses as modules: loss(predictions, targets, sample_weight=None) → Tensor.

The reduction "mean" divides by the number of predictions, or by the sum of the weights if there are any. Sample weights
(batch,) weigh the rows; they are cast to the dtype of the predictions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..engine import arithmetic, functional
from ..engine.parameter import Parameter
from ..engine.tensor import Tensor
from ..errors import ArgumentError, choose, counted
from ..options import CheckedOptions, plain
from .module import Module, check_tensor

__all__ = [
    "LOSSES",
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "HuberLoss",
    "Kind",
    "L1Loss",
    "MSELoss",
    "PoissonNLLLoss",
    "kind_of",
    "make",
]


# A repr shows up to 10 weights by value.
SHOWN_WEIGHTS = 10


@dataclass(frozen=True)
class Kind:
    """Meaning of the outputs (rows, n_out) of a network under a loss.

    Parameters
    ----------
    labels : bool
        True if the targets are class labels (rows,), False if they are values (rows, n_out).
    predicted : callable
        Function from the outputs to the predictions on the host.
    probabilities : callable or None
        Function from the outputs to the probabilities of the classes, or of each yes/no output.
    right : callable or None
        Function from outputs and targets to the share of each row's outputs that is right, for an accuracy; without one
        the score is the r2 of `quantity`.
    quantity : callable
        Function from the outputs to the predicted quantity on the host.
    range : tuple of float
        Least and largest target that has a meaning.
    """

    labels: bool = False
    predicted: Callable[[Tensor], np.ndarray] = Tensor.numpy
    probabilities: Callable[[Tensor], Tensor] | None = None
    right: Callable[[Tensor, np.ndarray], np.ndarray] | None = None
    quantity: Callable[[Tensor], np.ndarray] = Tensor.numpy
    range: tuple[float, float] = (-math.inf, math.inf)


CLASSES = Kind(
    labels=True,
    predicted=lambda out: out.argmax(1).numpy(),
    probabilities=lambda out: out.softmax(1),
    right=lambda out, labels: out.argmax(1).numpy() == labels,
)
YES_OR_NO = Kind(
    predicted=lambda out: (out > 0).numpy().astype(np.int64),
    probabilities=lambda out: out.sigmoid(),
    right=lambda out, targets: ((out.numpy() > 0) == (targets > 0.5)).mean(axis=1),
    range=(0.0, 1.0),
)
VALUES = Kind()
# Outputs are logarithms of expected counts.
COUNTS = Kind(quantity=lambda out: np.exp(out.numpy()), range=(0.0, math.inf))


def kind_of(loss: Any) -> Kind:
    """Return the meaning of outputs under a loss.

    Parameters
    ----------
    loss : Any
        Loss; one without a `kind` has outputs that are values.

    Returns
    -------
    Kind
        Meaning of the outputs.
    """
    return getattr(loss, "kind", VALUES)


class _Loss(CheckedOptions, Module):
    """Base class of the losses."""

    kind: ClassVar[Kind] = VALUES

    def __init__(self, reduction: str) -> None:
        self.reduction = choose("reduction", reduction, functional.REDUCTIONS)

    def _check(self, predictions: Tensor, targets: Tensor, sample_weight: Tensor | None) -> Tensor | None:
        """Check the arguments; return the sample weights in the dtype of the predictions."""
        check_tensor(self, "predictions", predictions)
        check_tensor(self, "targets", targets, "a tensor of integer labels" if self.kind.labels else "a tensor")
        if predictions.ndim != 2:
            raise ArgumentError(
                f"predictions of {type(self).__name__} have shape {predictions.shape}, expected (batch, n_out): "
                "reshape predictions and targets of one output with .reshape(-1, 1)"
            )
        if targets.ndim == 1 and predictions.shape[1] == 1 and self.kind != CLASSES:
            raise ArgumentError(
                f"targets of {type(self).__name__} have shape {targets.shape}, expected {predictions.shape}: "
                "reshape targets of one output with .reshape(-1, 1)"
            )
        if sample_weight is None:
            return None
        check_tensor(self, "sample_weight", sample_weight)
        if sample_weight.shape != predictions.shape[:1]:
            raise ArgumentError(
                f"sample_weight of {type(self).__name__} has shape {sample_weight.shape}, "
                f"expected {predictions.shape[:1]}: one weight for each row"
            )
        return _cast(sample_weight, predictions.dtype)

    def _options(self) -> dict[str, Any]:
        """Return the options for `repr`; None leaves one out."""
        return {"reduction": None if self.reduction == "mean" else self.reduction}

    def extra_repr(self) -> str:
        """Return the options that differ from the defaults.

        Returns
        -------
        str
            Text between the parentheses of `repr`.
        """
        options = {name: value for name, value in self._options().items() if value is not None}
        return ", ".join(f"{name}={_shown(value)}" for name, value in options.items())


class CrossEntropyLoss(_Loss):
    """Softmax and cross-entropy of logits z and class labels c: −w_c·log softmax(z)_c.

    Called with logits (batch, n_classes), integer labels (batch,) and optional sample weights (batch,).

    Parameters
    ----------
    weight : array_like, (n_classes,), optional
        Weight of each class; it moves and is saved with the module.
    reduction : {"mean", "sum", "none"}, default "mean"
        Mean over the predictions, weighted by the sample weights; their sum; or the single losses.
    label_smoothing : float, default 0.0
        Share of each target that is spread evenly over all classes, in [0, 1].
    ignore_index : int, optional
        Label of rows to leave out, such as PyTorch's default −100; they get the loss 0 and no gradient. By default no
        row is left out; see `functional.cross_entropy` for a label outside the classes.

    Raises
    ------
    ArgumentError
        If weights are negative, NaN, infinite, all zero, or not one per class.

    Notes
    -----
    The loss of a row with logits z and label c is −w_c·log softmax(z)_c. As in PyTorch, the mean divides by the sum of
    w_c over the rows, times their sample weights; if that sum is 0, the mean is 0. With label smoothing ε the loss is
    (1 − ε) times that, plus ε/n_classes times the sum of −w_k·log softmax(z)_k over all classes k.

    References
    ----------
    Szegedy et al., "Rethinking the Inception architecture for computer vision", arXiv:1512.00567 (label smoothing).
    """

    kind = CLASSES

    def __init__(
        self,
        weight: Any = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
        *,
        ignore_index: int | None = None,
    ) -> None:
        super().__init__(reduction)
        ignore_index = plain(ignore_index)
        if not (ignore_index is None or (isinstance(ignore_index, int) and not isinstance(ignore_index, bool))):
            raise ArgumentError(f"ignore_index is {ignore_index!r}, expected an integer label, or None")
        self.ignore_index = ignore_index
        if not 0 <= label_smoothing <= 1:
            raise ArgumentError(f"label_smoothing is {label_smoothing}, expected a number in [0, 1]")
        self.label_smoothing = float(label_smoothing)
        self.weight = _weights("weight", weight)

    def forward(self, predictions: Tensor, targets: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        """Return the loss: logits (batch, n_classes), labels (batch,), weights (batch,) → () or (batch,)."""
        sample_weight = self._check(predictions, targets, sample_weight)
        if targets.dtype.kind not in "iu":
            raise ArgumentError(
                f"targets of CrossEntropyLoss have dtype {targets.dtype}, expected integer labels 0 … n_classes − 1: "
                'convert them with .astype("int32")'
            )
        if self.ignore_index is not None:
            used = targets != self.ignore_index
            targets = arithmetic.where(used, targets, 0)
            weight_of_used = used.astype(predictions.dtype)
            sample_weight = weight_of_used if sample_weight is None else sample_weight * weight_of_used
        return functional.cross_entropy(
            predictions,
            targets,
            weight=_fit("weight", self.weight, predictions, "class"),
            sample_weight=sample_weight,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )

    def _options(self) -> dict[str, Any]:
        smoothing = self.label_smoothing or None
        options = {"weight": self.weight, **super()._options(), "label_smoothing": smoothing}
        return {**options, "ignore_index": self.ignore_index}


class BCEWithLogitsLoss(_Loss):
    """Cross-entropy of independent yes/no outputs.

    Called with logits (batch, n_out), targets in [0, 1] (batch, n_out) and optional sample weights (batch,).

    Parameters
    ----------
    pos_weight : array_like, (n_out,), optional
        Weight of the targets that are 1; it moves and is saved with the module.
    reduction : {"mean", "sum", "none"}, default "mean"
        Mean over the predictions, weighted by the sample weights; their sum; or the single losses.

    Raises
    ------
    ArgumentError
        If weights are negative, NaN, infinite, all zero, or not one per output.

    Notes
    -----
    The loss of a logit z and a target t is −pos_weight·t·log σ(z) − (1 − t)·log(1 − σ(z)), σ(z) = 1/(1 + e^−z).
    """

    kind = YES_OR_NO

    def __init__(self, pos_weight: Any = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.pos_weight = _weights("pos_weight", pos_weight)

    def forward(self, predictions: Tensor, targets: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        """Return the loss: logits and targets (batch, n_out), weights (batch,) → () or (batch, n_out)."""
        sample_weight = self._check(predictions, targets, sample_weight)
        return functional.binary_cross_entropy_with_logits(
            predictions,
            _cast(targets, predictions.dtype),
            pos_weight=_fit("pos_weight", self.pos_weight, predictions, "output"),
            sample_weight=sample_weight,
            reduction=self.reduction,
        )

    def _options(self) -> dict[str, Any]:
        return {"pos_weight": self.pos_weight, **super()._options()}


class _RegressionLoss(_Loss):
    """Base class of the losses of numbers; `loss` is the name of the formula in the kernel."""

    loss: str
    delta = 1.0

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__(reduction)

    def forward(self, predictions: Tensor, targets: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        """Return the loss: predictions and targets (batch, n_out), weights (batch,) → () or (batch, n_out)."""
        sample_weight = self._check(predictions, targets, sample_weight)
        return functional.regression_loss(
            predictions,
            _cast(targets, predictions.dtype),
            loss=self.loss,
            delta=self.delta,
            sample_weight=sample_weight,
            reduction=self.reduction,
        )


class MSELoss(_RegressionLoss):
    """Squared error (p − t)² of predictions p and targets t.

    Called with predictions (batch, n_out), targets (batch, n_out) and optional sample weights (batch,).

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}, default "mean"
        Mean over the predictions, weighted by the sample weights; their sum; or the single losses.
    """

    loss = "squared_error"


class L1Loss(_RegressionLoss):
    """Absolute error |p − t| of predictions p and targets t.

    Called with predictions (batch, n_out), targets (batch, n_out) and optional sample weights (batch,).

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}, default "mean"
        Mean over the predictions, weighted by the sample weights; their sum; or the single losses.
    """

    loss = "absolute_error"


class HuberLoss(_RegressionLoss):
    """Huber loss: (p − t)²/2 up to a difference of delta, delta·(|p − t| − delta/2) beyond.

    Called with predictions (batch, n_out), targets (batch, n_out) and optional sample weights (batch,).

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}, default "mean"
        Mean over the predictions, weighted by the sample weights; their sum; or the single losses.
    delta : float, default 1.0
        Difference at which the loss switches from quadratic to linear, more than 0.

    Raises
    ------
    ArgumentError
        If delta is not a positive number.

    References
    ----------
    Huber, "Robust estimation of a location parameter", Annals of Mathematical Statistics 35, 1964.
    """

    loss = "huber"

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        if not 0 < delta < math.inf:
            raise ArgumentError(f"delta is {delta}, expected a positive number: the loss is linear beyond it")
        self.delta = float(delta)

    def _options(self) -> dict[str, Any]:
        return {**super()._options(), "delta": self.delta}


class PoissonNLLLoss(_RegressionLoss):
    """Negative log likelihood of counts t: e^p − t·p, p the logarithm of the expected count.

    Called with the logarithms of expected counts (batch, n_out), counts (batch, n_out) and optional sample weights
    (batch,).

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}, default "mean"
        Mean over the predictions, weighted by the sample weights; their sum; or the single losses.

    Notes
    -----
    The term log t! is left out, since it does not depend on the predictions.
    """

    loss = "poisson"
    kind = COUNTS


LOSSES: dict[str, Callable[..., Module]] = {
    "cross-entropy": CrossEntropyLoss,
    "bce": BCEWithLogitsLoss,
    "mse": MSELoss,
    "l1": L1Loss,
    "huber": HuberLoss,
    "poisson": PoissonNLLLoss,
}
SYNONYMS = {"bce-with-logits": "bce", "mae": "l1"}


def make(name: str, **options: Any) -> Module:
    """Create a loss by its name in `LOSSES`, the name in commands and files.

    Parameters
    ----------
    name : {"cross-entropy", "bce", "mse", "l1", "huber", "poisson"}
        Name of the loss, or a synonym: "bce-with-logits" or "mae". "_" may replace "-".
    **options : Any
        Options of the class.

    Returns
    -------
    Module
        The new loss.

    Raises
    ------
    ArgumentError
        If the name is unknown, or the loss does not accept a value.
    """
    found = name.replace("_", "-")
    found = SYNONYMS.get(found, found)
    return LOSSES[found if found in LOSSES else choose("loss", name, LOSSES)](**options)


def _weights(name: str, values: Any) -> Parameter | None:
    """Return the weights of a loss as a frozen parameter, which moves and is saved with the module."""
    if values is None:
        return None
    try:
        array = np.array(values.numpy() if isinstance(values, Tensor) else values, np.float64)
    except (TypeError, ValueError):
        raise ArgumentError(f"{name} is {values!r}, expected a list of numbers") from None
    if array.ndim != 1 or array.size == 0:
        raise ArgumentError(f"{name} has shape {array.shape}, expected one axis: one weight per output")
    if not (np.isfinite(array).all() and (array >= 0).all() and array.any()):
        raise ArgumentError(
            f"{name} is {array.tolist()}, expected finite numbers of at least 0, and one above: weights of a sum"
        )
    return Parameter(array.astype(np.float32), requires_grad=False)


def _shown(value: Any) -> str:
    """Show an option: small weights by value, others by shape."""
    if not isinstance(value, Parameter):
        return repr(value)
    return repr(value.numpy().tolist()) if value.size <= SHOWN_WEIGHTS else f"<{value.size} weights>"


def _fit(name: str, weights: Parameter | None, predictions: Tensor, what: str) -> Tensor | None:
    if weights is None:
        return None
    if predictions.ndim != 2 or predictions.shape[1] != weights.size:
        raise ArgumentError(
            f"{name} has {counted(weights.size, 'number')} for predictions of shape {predictions.shape}: "
            f"pass one per {what}, in their order"
        )
    return _cast(weights, predictions.dtype)


def _cast(tensor: Tensor, dtype: np.dtype) -> Tensor:
    return tensor if tensor.dtype == dtype else tensor.astype(dtype)
