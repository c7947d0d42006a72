"""The layers: Dense, Dropout, Flatten."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from ..engine import functional
from ..engine.device import Device
from ..engine.device import device as get_device
from ..engine.parameter import Parameter
from ..engine.random import Generator, host_generator
from ..engine.tensor import Tensor
from ..errors import ArgumentError, choose
from ..kernels.activation import ACTIVATIONS, check_activation
from .init import Initialiser, draw_weight
from .module import Module, check_tensor


class Dense(Module):
    """act(x·weight + bias): a fully connected layer with its activation in the same launch.

    activation: a name of `gpugrad.kernels.activation`; negative_slope is that of leaky_relu. bias: False leaves it out.
    weight_init: a name or function of `nn.init`, None for the activation's default; bias_init: "zeros", a number, or a
    function (rng, n_in, n_out, gain) → (n_out,). seed: an integer, or a NumPy generator to draw from; None draws from
    the one that `gg.manual_seed` seeds. dtype: float32, or float64 for gradient checks.

    Attributes: `weight` (in_features, out_features), which is the transpose of PyTorch's; `bias` (out_features,) or
    None. Takes (…, in_features), returns (…, out_features).

    Raises ArgumentError for sizes that are not positive integers, unknown names, and inputs with another number of
    features or dtype.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        activation: str = "identity",
        bias: bool = True,
        negative_slope: float = 0.01,
        weight_init: str | Initialiser | None = None,
        bias_init: str | float | Initialiser = "zeros",
        seed: int | np.random.Generator | None = None,
        device: str | Device = "auto",
        dtype: Any = np.float32,
    ) -> None:
        self.in_features = check_size("in_features", in_features)
        self.out_features = check_size("out_features", out_features)
        check_activation(activation, negative_slope)
        self.activation = activation
        self.negative_slope = negative_slope
        dtype, target, rng = check_dtype(dtype), get_device(device), host_generator(seed)
        sizes = (self.in_features, self.out_features)
        weight = draw_weight(weight_init, rng, *sizes, activation, negative_slope)
        self.weight = Parameter(weight.astype(dtype), target)
        self.bias = Parameter(_draw_bias(bias_init, rng, *sizes).astype(dtype), target) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        check_tensor(self, "the input", x)
        if x.ndim == 0 or x.shape[-1] != self.in_features:
            features = f"{x.shape[-1]} features" if x.ndim else "no axis of features"
            raise ArgumentError(
                f"{self!r} got an input of shape {x.shape} with {features}, expected {self.in_features}: "
                "check the sizes of the layers and the columns of the data"
            )
        if x.dtype != self.weight.dtype:
            raise ArgumentError(
                f"{self!r} got an input of dtype {x.dtype}, its weight has {self.weight.dtype}: "
                f'convert the input with .astype("{self.weight.dtype}")'
            )
        return functional.dense(
            x, self.weight, self.bias, activation=self.activation, negative_slope=self.negative_slope
        )

    def extra_repr(self) -> str:
        text = f"{self.in_features}, {self.out_features}"
        if self.activation != "identity":
            text += f", activation={self.activation!r}"
        if ACTIVATIONS[self.activation].sloped:
            text += f", negative_slope={self.negative_slope}"
        return text if self.bias is not None else f"{text}, bias=False"


Linear = Dense


class Dropout(Module):
    """In training mode, each element is set to 0 with probability p and the others are divided by 1 − p; else nothing.

    generator: where the masks come from; None is that of the Trainer, or else the one of the device. It belongs to
    the training: a copy or pickle of the module is without one. Raises ArgumentError unless 0 ≤ p < 1.
    """

    def __init__(self, p: float = 0.5, *, generator: Generator | None = None) -> None:
        self.p = check_rate("p", p)
        self.generator = generator

    def forward(self, x: Tensor) -> Tensor:
        check_tensor(self, "the input", x)
        recorder = x.device.recorder
        if recorder is not None:  # a recording of one mode, rate and generator is not replayed in another
            for name in ("training", "p", "generator"):
                recorder.read_attribute(self, name)
        if not self.training or self.p == 0:
            return x
        return functional.dropout(x, self.p, generator=self.generator)

    def _to_device(self, device: Device) -> None:
        super()._to_device(device)
        if self.generator is not None:
            self.generator.to(device)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "generator": None}

    def extra_repr(self) -> str:
        return f"{self.p}"


class Flatten(Module):
    """(batch, …) to (batch, features)."""

    def forward(self, x: Tensor) -> Tensor:
        check_tensor(self, "the input", x)
        if x.ndim == 0:
            raise ArgumentError("Flatten got a tensor with no axes, expected (batch, …): reshape it first")
        return x if x.ndim == 2 else x.reshape(x.shape[0], math.prod(x.shape[1:]))


# ---- checks ----


def check_size(name: str, size: Any) -> int:
    """Return a size as an int; raise ArgumentError unless it is an integer of at least 1."""
    try:
        value = operator.index(size)
    except TypeError:
        value = 0
    if value < 1 or isinstance(size, bool):
        raise ArgumentError(f"{name} is {size!r}, expected an integer of at least 1: it is a number of neurons")
    return value


def check_rate(name: str, p: float) -> float:
    """Return a dropout rate; raise ArgumentError unless it is in [0, 1)."""
    if not 0 <= p < 1:
        raise ArgumentError(f"{name} is {p}, expected a number in [0, 1): the share of elements set to 0")
    return float(p)


def check_dtype(dtype: Any) -> np.dtype:
    """Return a dtype of parameters; raise ArgumentError unless it is float32 or float64."""
    try:
        value = np.dtype(dtype)
    except TypeError:
        value = np.dtype(object)
    if value not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ArgumentError(f"dtype is {dtype!r}, expected float32 or float64")
    return value


def _draw_bias(initialiser: str | float | Initialiser, rng: np.random.Generator, n_in: int, n_out: int) -> np.ndarray:
    if callable(initialiser):
        bias = np.asarray(initialiser(rng, n_in, n_out, 1.0))
        if bias.shape != (n_out,):
            raise ArgumentError(
                f"bias_init returned shape {bias.shape}, expected {(n_out,)}: one value for each output"
            )
        return bias
    if isinstance(initialiser, str):
        choose("initialiser of biases", initialiser, ("zeros",))
        initialiser = 0.0
    if initialiser is None or not math.isfinite(initialiser):
        raise ArgumentError(f"bias_init is {initialiser}, expected 'zeros', a finite number or a function")
    return np.full(n_out, initialiser, np.float64)
