"""Parameter groups: checks of the `params` and options of an optimizer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

from ..engine.parameter import Parameter
from ..engine.tensor import Tensor
from ..errors import ArgumentError, a_or_an


def check_number(name: str, value: Any, low: float, high: float = math.inf, *, above: bool = False) -> None:
    """Refuse anything except a finite number in [low, high), or in (low, high) with `above`."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not (number and math.isfinite(value) and (value > low if above else value >= low) and value < high):
        raise ArgumentError(f"{name} is {value!r}, expected a finite number in {'(' if above else '['}{low}, {high})")


def check_betas(betas: Any) -> None:
    """Refuse anything except two numbers in [0, 1), the weights of the past in two moving averages."""
    if not isinstance(betas, tuple | list) or len(betas) != 2:
        raise ArgumentError(f"betas is {betas!r}, expected two numbers, such as (0.9, 0.999)")
    for name, beta in zip(("beta1", "beta2"), betas, strict=True):
        check_number(name, beta, 0.0, 1.0)


def parse(params: Any) -> list[Mapping[str, Any]]:
    """Return `params` as a list of dicts with "params" and options."""
    if isinstance(params, Tensor | Mapping):
        raise ArgumentError(
            f"params is one {type(params).__name__}, expected a list of Parameters or of dicts: put it in a list"
        )
    if callable(getattr(params, "parameters", None)):
        raise ArgumentError(f"params is {a_or_an(type(params))}, expected its parameters: pass model.parameters()")
    try:
        items = list(params)
    except TypeError:
        raise _not_parameters(params, "a list of Parameters or of dicts") from None
    if not items:
        raise ArgumentError(
            "there are no parameters, expected at least one: pass model.parameters() of a model that has some"
        )
    if not any(isinstance(item, Mapping) for item in items):
        return [{"params": items}]
    if not all(isinstance(item, Mapping) for item in items):
        raise ArgumentError("params mixes Parameters and dicts: make each parameter group a dict")
    return items


def trainable(params: Any) -> list[Parameter]:
    """Return the parameters of a group that require a gradient."""
    if not isinstance(params, Iterable):  # a Tensor is one, over its rows
        raise _not_parameters(params, "a list of Parameters")
    parameters: list[Any] = [params] if isinstance(params, Tensor) else list(params)
    for p in parameters:
        if not isinstance(p, Parameter):
            raise ArgumentError(
                f"params holds {a_or_an(type(p))}, expected Parameters: "
                "pass model.parameters(), or wrap a tensor in nn.Parameter"
            )
    kept = [p for p in parameters if p.requires_grad]
    if not kept:
        raise ArgumentError(
            "a parameter group holds no parameter that requires a gradient: "
            "set requires_grad=True, or leave the group out"
        )
    return kept


def _not_parameters(params: Any, expected: str) -> ArgumentError:
    bound = getattr(params, "__name__", None) == "parameters"
    plain = params is None or isinstance(params, Real)
    found = "the method parameters" if bound else repr(params) if plain else a_or_an(type(params))
    return ArgumentError(
        f"params is {found}, expected {expected}: {'call it, ' if bound else ''}pass model.parameters()"
    )
