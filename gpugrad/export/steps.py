"""Network as a list of steps, products and activations, which every format is written from.

Dropout and Flatten do not change the rows of a table in prediction and are not steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import nn
from ..errors import ArgumentError, a_or_an
from ..kernels.activation import SKLEARN_NAMES
from ..nn.activations import MODULES, ActivationModule


@dataclass(frozen=True)
class Product:
    """x·weight + bias: weight (n_in, n_out), bias (n_out,) or None."""

    weight: np.ndarray
    bias: np.ndarray | None


@dataclass(frozen=True)
class Activation:
    """An activation by its name in `gpugrad.kernels.activation`; the slope is leaky_relu's."""

    name: str
    negative_slope: float = 0.01


Step = Product | Activation


def of_estimator(model: Any) -> list[Step]:
    """Return the products of a fitted estimator with the activations between them, not that of the output."""
    between = Activation(SKLEARN_NAMES[model.activation])
    steps: list[Step] = []
    for weight, bias in zip(model.coefs_, model.intercepts_, strict=True):
        steps += [Product(weight, bias), between]
    return steps[:-1]


def of_module(model: nn.Module) -> list[Step]:
    """Return the steps of an `nn.MLP` or `nn.Sequential`; raise ArgumentError for another module, or no Dense."""
    steps = list(_of_module(model))
    if not any(isinstance(step, Product) for step in steps):
        raise ArgumentError(f"{type(model).__name__} has no Dense layer, expected at least one: add one")
    return steps


def _of_module(module: nn.Module) -> Iterator[Step]:
    if isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward:
        for child in module:
            yield from _of_module(child)
    elif type(module) is nn.Dense:
        yield Product(module.weight.numpy(), None if module.bias is None else module.bias.numpy())
        if module.activation != "identity":
            yield Activation(module.activation, module.negative_slope)
    elif type(module) is nn.Linear:
        weight = np.ascontiguousarray(module.weight.numpy().T)
        yield Product(weight, None if module.bias is None else module.bias.numpy())
    elif isinstance(module, ActivationModule) and type(module) in MODULES.values():
        yield Activation(module.name, getattr(module, "negative_slope", 0.01))
    elif type(module) not in (nn.Dropout, nn.Flatten):
        raise ArgumentError(
            f"{a_or_an(type(module))} cannot be exported, expected a Sequential of Dense and Linear layers, "
            "activations, Dropout and Flatten: build the model from these"
        )


def n_in(steps: list[Step]) -> int:
    """Return the number of features of the first product."""
    return next(step.weight.shape[0] for step in steps if isinstance(step, Product))


def n_out(steps: list[Step]) -> int:
    """Return the number of outputs of the last product."""
    return next(step.weight.shape[1] for step in reversed(steps) if isinstance(step, Product))


def dtype(steps: list[Step]) -> np.dtype:
    """Return the dtype of the weights."""
    return next(step.weight.dtype for step in steps if isinstance(step, Product))
