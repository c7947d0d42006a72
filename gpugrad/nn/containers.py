"""Sequential and MLP: modules one after the other."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self, overload

import numpy as np

from ..engine.device import Device
from ..engine.random import host_generator
from ..errors import ArgumentError
from .init import Initialiser
from .layers import Dense, Dropout, check_dtype, check_rate, check_size
from .module import Module


class Sequential(Module):
    """Modules called one after the other; the names of their parameters start with their place: "0.weight".

    Has a length, can be iterated and indexed; a slice is a Sequential of the same modules.
    """

    def __init__(self, *modules: Module) -> None:
        for i, module in enumerate(modules):
            if not isinstance(module, Module):
                raise ArgumentError(f"part {i} of Sequential is {module!r}, expected a module such as nn.Dense(4, 3)")
            setattr(self, str(i), module)
        self._length = len(modules)

    def forward(self, x: Any) -> Any:
        for module in self:
            x = module(x)
        return x

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Module]:
        return (getattr(self, str(i)) for i in range(self._length))

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> Sequential: ...
    def __getitem__(self, index: int | slice) -> Module:
        modules = list(self)
        return Sequential(*modules[index]) if isinstance(index, slice) else modules[index]


class MLP(Sequential):
    """A multilayer perceptron: Dense layers with a common activation, the last one without; dropout after each other.

    hidden: the sizes of the hidden layers; none makes a linear model. activation and negative_slope as in `Dense`.
    weight_init: of all layers; None is the default of each layer's activation. seed: the layers are drawn one after
    the other from one generator. dtype: float32 or float64.

    Attributes: `config`, a JSON-able dict of the architecture, from which `from_config` builds it again.
    """

    def __init__(
        self,
        in_features: int,
        hidden: Sequence[int],
        out_features: int,
        *,
        activation: str = "relu",
        negative_slope: float = 0.01,
        dropout: float = 0.0,
        bias: bool = True,
        weight_init: str | Initialiser | None = None,
        seed: int | np.random.Generator | None = None,
        device: str | Device = "auto",
        dtype: Any = np.float32,
    ) -> None:
        if isinstance(hidden, str) or not isinstance(hidden, Sequence | np.ndarray):
            raise ArgumentError(f"hidden is {hidden!r}, expected the sizes of the hidden layers, such as [256, 128]")
        rate = check_rate("dropout", dropout)
        sizes = [
            check_size("in_features", in_features),
            *(check_size(f"hidden[{i}]", size) for i, size in enumerate(hidden)),
            check_size("out_features", out_features),
        ]
        rng = host_generator(seed)
        modules: list[Module] = []
        for i, (n_in, n_out) in enumerate(itertools.pairwise(sizes)):
            last = i == len(sizes) - 2
            modules.append(
                Dense(
                    n_in,
                    n_out,
                    activation="identity" if last else activation,
                    negative_slope=negative_slope,
                    bias=bias,
                    weight_init=weight_init,
                    seed=rng,
                    device=device,
                    dtype=dtype,
                )
            )
            if rate and not last:
                modules.append(Dropout(rate))
        super().__init__(*modules)
        self.config: dict[str, Any] = {
            "in_features": sizes[0],
            "hidden": sizes[1:-1],
            "out_features": sizes[-1],
            "activation": activation,
            "negative_slope": float(negative_slope),
            "dropout": rate,
            "bias": bool(bias),
            "weight_init": weight_init if isinstance(weight_init, str) else None,
            "dtype": check_dtype(dtype).name,
        }

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], *, seed: int | np.random.Generator | None = 0, device: str | Device = "auto"
    ) -> Self:
        """Build the architecture that `config` describes, with new weights.

        Raises TypeError for an entry that is missing or unknown, ArgumentError for one that cannot be.
        """
        return cls(**config, seed=seed, device=device)
