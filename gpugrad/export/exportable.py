"""Register of exportable estimators: their classes are in a higher room and register themselves."""

from __future__ import annotations

from typing import Any, TypeVar

from ..errors import ArgumentError, a_or_an

Estimator = TypeVar("Estimator", bound=type)

ESTIMATORS: list[type] = []


def exportable(cls: Estimator) -> Estimator:
    """Register a class, whose fitted instances can be exported, as can those of derived classes."""
    ESTIMATORS.append(cls)
    return cls


def is_estimator(model: Any) -> bool:
    """Return whether a model is an estimator of gpugrad."""
    return isinstance(model, tuple(ESTIMATORS))


def check_estimator(model: Any) -> None:
    """Raise ArgumentError for another object, and scikit-learn's error for an estimator that is not fitted."""
    from sklearn.utils.validation import check_is_fitted

    if not is_estimator(model):
        raise ArgumentError(f"model is {a_or_an(type(model))}, expected gpugrad's MLPClassifier or MLPRegressor")
    check_is_fitted(model)
