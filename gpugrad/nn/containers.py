"""Containers: Sequential and MLP."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self, overload

import numpy as np

from ..engine.device import Device
from ..engine.random import host_generator
from ..errors import ArgumentError, a_or_an
from ..options import CheckedOptions
from .init import Initialiser
from .layers import Dense, Dropout, check_dtype, check_rate, check_size
from .module import Module


class Sequential(Module):
    """Modules called one after the other.

    The name of a parameter starts with the index of its module: "0.weight". `len`, iteration and indexing work as for a
    list; a slice is a Sequential of the same modules.

    Parameters
    ----------
    *modules : Module
        Modules in the order of the calls.

    Raises
    ------
    ArgumentError
        If an argument is not a module.
    """

    def __init__(self, *modules: Module) -> None:
        for i, module in enumerate(modules):
            if not isinstance(module, Module):
                several = isinstance(module, list | tuple)
                given = a_or_an(type(module)) if several else repr(module)
                remedy = ": pass the modules one by one, nn.Sequential(*modules)" if several else ""
                raise ArgumentError(
                    f"part {i} of Sequential is {given}, expected a module such as nn.Dense(4, 3){remedy}"
                )
            setattr(self, str(i), module)
        self._length = len(modules)

    def forward(self, x: Any) -> Any:
        """Call all modules, each with the output of the one before."""
        for module in self:
            x = module(x)
        return x

    def __len__(self) -> int:
        """Return the number of modules."""
        return self._length

    def __iter__(self) -> Iterator[Module]:
        """Iterate over the modules."""
        return (getattr(self, str(i)) for i in range(self._length))

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> Sequential: ...
    def __getitem__(self, index: int | slice) -> Module:
        """Return one module, or a Sequential of a slice."""
        modules = list(self)
        return Sequential(*modules[index]) if isinstance(index, slice) else modules[index]


class MLP(CheckedOptions, Sequential):
    """Multilayer perceptron: Dense layers with one activation, and dropout after each hidden layer.

    The last layer has no activation. The initial values of all layers come from one generator, in order.

    Parameters
    ----------
    in_features : int
        Size of an input row.
    hidden : sequence of int
        Sizes of the hidden layers; an empty sequence makes a linear model.
    out_features : int
        Size of an output row.
    activation : str, default "relu"
        Name of an activation of `gpugrad.kernels.activation.ACTIVATIONS`.
    negative_slope : float, default 0.01
        Slope of leaky_relu for negative inputs.
    dropout : float, default 0.0
        Probability of setting a hidden unit to 0, in [0, 1).
    bias : bool, default True
        Add a learnable bias to each layer.
    weight_init : str or callable, optional
        Initialiser of all weights, as in `Dense`; None uses the default of each layer's activation.
    seed : int or numpy.random.Generator, optional
        Seed of the initial values, or the generator that draws them; None uses the generator of `gg.manual_seed`.
    device : str or Device, default "auto"
        Device of the parameters.
    dtype : {"float32", "float64"}, default "float32"
        Type of the parameters.

    Attributes
    ----------
    config : dict
        Architecture, as JSON-serializable values; `from_config` builds the model again.

    Raises
    ------
    ArgumentError
        If a size, a name or the dropout rate is outside what the layers accept.
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
        """Build the architecture of a `config`, with new weights.

        Parameters
        ----------
        config : mapping
            Attribute `config` of an MLP.
        seed : int or numpy.random.Generator, optional
            Seed of the initial values, by default 0.
        device : str or Device, default "auto"
            Device of the parameters.

        Returns
        -------
        MLP
            The new model.

        Raises
        ------
        TypeError
            If an entry is missing.
        ArgumentError
            If an entry is unknown, or a value is outside what MLP accepts.
        """
        return cls(**config, seed=seed, device=device)
