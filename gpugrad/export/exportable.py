"""Register of exportable estimators: their classes are in a higher room and register themselves."""

from __future__ import annotations

import inspect
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
    check_not_overridden(model)


def check_not_overridden(model: Any) -> None:
    """Raise ArgumentError for an estimator whose class computes its results in another way, which no file has."""
    own = next(cls for cls in ESTIMATORS if isinstance(model, cls))
    for name in ("predict", "predict_proba", "decision_function"):
        if inspect.getattr_static(type(model), name, None) is not inspect.getattr_static(own, name, None):
            raise ArgumentError(
                f"{type(model).__name__} overrides {name}, which cannot be exported: export an {own.__name__} with its "
                "weights, and do the rest outside"
            )
