"""Losses as modules: loss(predictions, targets, sample_weight=None) → Tensor. The formulas are in `functional`.

reduction: "mean" divides by the number of predictions, or by the sum of the weights where there are any; "sum" adds
up; "none" returns the losses one by one. sample_weight (batch,): a weight for each row, of the predictions' dtype.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..engine import functional
from ..engine.parameter import Parameter
from ..engine.tensor import Tensor
from ..errors import ArgumentError, choose
from .module import Module, check_tensor


@dataclass(frozen=True)
class Kind:
    """What the outputs (rows, n_out) of a network mean under a loss.

    labels: whether the targets are class labels (rows,), and not values (rows, n_out). predicted: what is predicted, on
    the host. probabilities: of the classes or of each yes/no output, if there are any. right: the share of each row's
    outputs that agree with the targets, for an accuracy; None: the score is the r2 of `quantity`.
    """

    labels: bool = False
    predicted: Callable[[Tensor], np.ndarray] = Tensor.numpy
    probabilities: Callable[[Tensor], Tensor] | None = None
    right: Callable[[Tensor, np.ndarray], np.ndarray] | None = None
    quantity: Callable[[Tensor], np.ndarray] = Tensor.numpy


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
)
VALUES = Kind()
COUNTS = Kind(quantity=lambda out: np.exp(out.numpy()))  # of their logarithms


def kind_of(loss: Any) -> Kind:
    """What outputs mean under a loss; one that does not say so is of values."""
    return getattr(loss, "kind", VALUES)


class _Loss(Module):
    kind: ClassVar[Kind] = VALUES

    def __init__(self, reduction: str) -> None:
        self.reduction = choose("reduction", reduction, functional.REDUCTIONS)

    def _check(self, predictions: Tensor, targets: Tensor, sample_weight: Tensor | None) -> Tensor | None:
        """Check the arguments; return the sample weights in the dtype of the predictions."""
        check_tensor(self, "predictions", predictions)
        check_tensor(self, "targets", targets)
        if sample_weight is None:
            return None
        check_tensor(self, "sample_weight", sample_weight)
        if sample_weight.shape != predictions.shape[:1]:
            raise ArgumentError(
                f"sample_weight of {type(self).__name__} has shape {sample_weight.shape}, "
                f"expected {predictions.shape[:1]}: one weight for each row"
            )
        return _cast(sample_weight, predictions.dtype)

    def extra_repr(self) -> str:
        return "" if self.reduction == "mean" else f"reduction={self.reduction!r}"


class CrossEntropyLoss(_Loss):
    """Softmax and cross-entropy of logits (batch, n_classes) and integer labels (batch,), as in PyTorch.

    weight (n_classes,): a weight for each class; it moves with the module. label_smoothing in [0, 1].
    Raises ArgumentError for weights that are negative, NaN, infinite, all zero, or not one for each class.
    """

    kind = CLASSES

    def __init__(self, weight: Any = None, reduction: str = "mean", label_smoothing: float = 0.0) -> None:
        super().__init__(reduction)
        if not 0 <= label_smoothing <= 1:
            raise ArgumentError(f"label_smoothing is {label_smoothing}, expected a number in [0, 1]")
        self.label_smoothing = float(label_smoothing)
        self.weight = _weights("weight", weight)

    def forward(self, predictions: Tensor, targets: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        sample_weight = self._check(predictions, targets, sample_weight)
        if targets.dtype.kind not in "iu":
            raise ArgumentError(
                f"targets of CrossEntropyLoss have dtype {targets.dtype}, expected integer labels 0 … n_classes − 1: "
                'convert them with .astype("int32")'
            )
        return functional.cross_entropy(
            predictions,
            targets,
            weight=_fit("weight", self.weight, predictions, "class"),
            sample_weight=sample_weight,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )

    def extra_repr(self) -> str:
        smoothing = f"label_smoothing={self.label_smoothing}" if self.label_smoothing else ""
        return ", ".join(filter(None, (super().extra_repr(), smoothing)))


class BCEWithLogitsLoss(_Loss):
    """Cross-entropy of independent yes/no outputs: logits and targets in [0, 1], both (batch, n_out).

    pos_weight (n_out,): the weight of the targets that are 1; it moves with the module.
    Raises ArgumentError for weights that are negative, NaN, infinite, all zero, or not one for each output.
    """

    kind = YES_OR_NO

    def __init__(self, pos_weight: Any = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.pos_weight = _weights("pos_weight", pos_weight)

    def forward(self, predictions: Tensor, targets: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        sample_weight = self._check(predictions, targets, sample_weight)
        return functional.binary_cross_entropy_with_logits(
            predictions,
            _cast(targets, predictions.dtype),
            pos_weight=_fit("pos_weight", self.pos_weight, predictions, "output"),
            sample_weight=sample_weight,
            reduction=self.reduction,
        )


class _RegressionLoss(_Loss):
    loss: str
    delta = 1.0

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__(reduction)

    def forward(self, predictions: Tensor, targets: Tensor, sample_weight: Tensor | None = None) -> Tensor:
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
    """(p − t)² of predictions p and targets t, both (batch, n_out)."""

    loss = "squared_error"


class L1Loss(_RegressionLoss):
    """|p − t| of predictions p and targets t, both (batch, n_out)."""

    loss = "absolute_error"


class HuberLoss(_RegressionLoss):
    """(p − t)²/2 up to a difference of delta, delta·(|p − t| − delta/2) beyond; both (batch, n_out)."""

    loss = "huber"

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        if not 0 < delta < math.inf:
            raise ArgumentError(f"delta is {delta}, expected a positive number: where square turns to straight")
        self.delta = float(delta)

    def extra_repr(self) -> str:
        return ", ".join(filter(None, (super().extra_repr(), f"delta={self.delta}")))


class PoissonNLLLoss(_RegressionLoss):
    """e^p − t·p of the logarithms p of expected counts and the counts t, both (batch, n_out)."""

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
    """A loss by the name it has in commands and files, or a synonym; "_" may stand for "-"."""
    name = name.replace("_", "-")
    return LOSSES[choose("loss", SYNONYMS.get(name, name), LOSSES)](**options)


def _weights(name: str, values: Any) -> Parameter | None:
    """Constants of a loss, on the CPU until the module moves: a frozen parameter, so that they are saved with it."""
    if values is None:
        return None
    try:
        array = np.array(values.numpy() if isinstance(values, Tensor) else values, np.float64)
    except (TypeError, ValueError):
        raise ArgumentError(f"{name} is {values!r}, expected a list of numbers") from None
    if array.ndim != 1 or array.size == 0:
        raise ArgumentError(f"{name} has shape {array.shape}, expected one axis: a weight for each output")
    if not (np.isfinite(array).all() and (array >= 0).all() and array.any()):
        raise ArgumentError(
            f"{name} is {array.tolist()}, expected finite numbers of at least 0, and one above: weights of a sum"
        )
    return Parameter(array.astype(np.float32), requires_grad=False)


def _fit(name: str, weights: Parameter | None, predictions: Tensor, what: str) -> Tensor | None:
    if weights is None:
        return None
    if predictions.ndim != 2 or predictions.shape[1] != weights.size:
        raise ArgumentError(
            f"{name} has {weights.size} numbers for predictions of shape {predictions.shape}: "
            f"give one for each {what}, in their order"
        )
    return _cast(weights, predictions.dtype)


def _cast(tensor: Tensor, dtype: np.dtype) -> Tensor:
    return tensor if tensor.dtype == dtype else tensor.astype(dtype)
