"""Which classes are estimators of gpugrad's: they are above this room, and say so themselves."""

from __future__ import annotations

from typing import Any, TypeVar

from ..errors import ArgumentError

Estimator = TypeVar("Estimator", bound=type)

ESTIMATORS: list[type] = []


def exportable(cls: Estimator) -> Estimator:
    """A class decorator: the fitted estimators of this class, and of those derived from it, can be exported."""
    ESTIMATORS.append(cls)
    return cls


def is_estimator(model: Any) -> bool:
    return isinstance(model, tuple(ESTIMATORS))


def check_estimator(model: Any) -> None:
    """Raise ArgumentError for what is none of the estimators, and scikit-learn's error for one that is not fitted."""
    from sklearn.utils.validation import check_is_fitted

    if not is_estimator(model):
        raise ArgumentError(f"model is a {type(model).__name__}, expected gpugrad's MLPClassifier or MLPRegressor")
    check_is_fitted(model)
