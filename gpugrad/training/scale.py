"""The scale of stored features: passed once, kept with the model, used wherever the model reads features again."""

from __future__ import annotations

import math
from typing import Any

from ..errors import ArgumentError
from ..nn import Module
from .values import describe, is_number

SAME = 1e-6  # relative difference up to which two scales are one: float32 stores 1/255 only to this accuracy


def check_scale(scale: Any, name: str = "scale") -> float:
    """Return a scale as a float; raise ArgumentError unless it is a positive, finite number."""
    if not is_number(scale) or not 0 < scale < math.inf:
        raise ArgumentError(f"{name} is {describe(scale)}, expected a positive number: the factor of stored features")
    return float(scale)


def kept_scale(model: Module) -> float | None:
    """Return the scale that a model was trained with, None if it is not known."""
    return None if model.input_scale is None else check_scale(model.input_scale, "model.input_scale")


def resolve_scale(model: Module, given: Any = None) -> float:
    """Return the scale to use a model with: the kept one, else the given one, else 1.

    Raises ArgumentError for a given scale that differs from the kept one.
    """
    kept = kept_scale(model)
    if given is None:
        return 1.0 if kept is None else kept
    given = check_scale(given)
    if kept is None:
        return given
    if not math.isclose(given, kept, rel_tol=SAME):
        raise ArgumentError(f"scale is {given:g}, but the model was trained with scale {kept:g}: leave scale out")
    return kept
