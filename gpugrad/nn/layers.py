"""Layers: Dense, Dropout, Flatten."""

from __future__ import annotations

import math
import operator
from numbers import Real
from typing import Any, ClassVar

import numpy as np

from ..engine import functional
from ..engine.device import Device
from ..engine.device import device as get_device
from ..engine.parameter import Parameter
from ..engine.random import Generator, host_generator
from ..engine.tensor import Tensor
from ..errors import ArgumentError, choose, counted
from ..kernels.activation import ACTIVATIONS, check_activation
from ..options import CheckedOptions
from .init import Initialiser, draw_weight
from .module import Module, check_tensor
from .state import IN_OUT


class Dense(CheckedOptions, Module):
    """Fully connected layer with its activation, act(x·weight + bias), in one launch.

    Takes (…, in_features), returns (…, out_features). The weight is the transpose of PyTorch's: `Linear` has PyTorch's
    layout, and `load_pytorch` transposes.

    Parameters
    ----------
    in_features : int
        Size of an input row.
    out_features : int
        Size of an output row.
    activation : str, default "identity"
        Name of an activation of `gpugrad.kernels.activation.ACTIVATIONS`.
    bias : bool, default True
        Add a learnable bias.
    negative_slope : float, default 0.01
        Slope of leaky_relu for negative inputs.
    weight_init : str or callable, optional
        Name of an initialiser of `nn.init`, or a function (rng, n_in, n_out, gain) → (n_in, n_out); None uses the
        default of the activation.
    bias_init : {"zeros"}, float or callable, default "zeros"
        Initial bias: zeros, one number, or a function (rng, n_in, n_out, gain) → (n_out,).
    seed : int or numpy.random.Generator, optional
        Seed of the initial values, or the generator that draws them; None uses the generator of `gg.manual_seed`.
    device : str or Device, default "auto"
        Device of the parameters.
    dtype : {"float32", "float64"}, default "float32"
        Type of the parameters; float64 is for gradient checks.

    Attributes
    ----------
    weight : Parameter, (in_features, out_features)
        Weight matrix.
    bias : Parameter, (out_features,), or None
        Bias.

    Raises
    ------
    ArgumentError
        If a size is not a positive integer, a name is unknown, or an input has another number of features or another
        dtype.
    """

    _weight_layouts: ClassVar[dict[str, str]] = {"weight": IN_OUT}

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
        """Return act(x·weight + bias): (…, in_features) → (…, out_features)."""
        check_input(self, x)
        return functional.dense(
            x, self.weight, self.bias, activation=self.activation, negative_slope=self.negative_slope
        )

    def extra_repr(self) -> str:
        """Return the sizes, and the options that differ from the defaults.

        Returns
        -------
        str
            Text between the parentheses of `repr`.
        """
        text = f"{self.in_features}, {self.out_features}"
        if self.activation != "identity":
            text += f", activation={self.activation!r}"
        if ACTIVATIONS[self.activation].sloped:
            text += f", negative_slope={self.negative_slope}"
        return text if self.bias is not None else f"{text}, bias=False"


class Dropout(CheckedOptions, Module):
    """Dropout: in training mode, set elements to 0 with probability p and divide the others by 1 − p.

    In evaluation mode the input is returned unchanged.

    Parameters
    ----------
    p : float, default 0.5
        Probability of setting an element to 0, in [0, 1).
    generator : Generator, optional
        Source of the masks; None uses the Trainer's generator, or the device's outside of a Trainer. Copies and pickles
        of the module drop it, since it belongs to a run.

    Raises
    ------
    ArgumentError
        If p is outside [0, 1).

    References
    ----------
    Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15, 2014.
    """

    def __init__(self, p: float = 0.5, *, generator: Generator | None = None) -> None:
        self.p = check_rate("p", p)
        self.generator = generator

    def forward(self, x: Tensor) -> Tensor:
        """Return x with a new mask applied in training mode, x itself in evaluation mode."""
        check_tensor(self, "the input", x)
        recorder = x.device.thread.recorder
        if recorder is not None:  # a recording of one generator must not be replayed with another
            recorder.read_attribute(self, "generator")
        if not self.training or self.p == 0:
            return x
        return functional.dropout(x, self.p, generator=self.generator)

    def _to_device(self, device: Device) -> None:
        super()._to_device(device)
        if self.generator is not None:
            self.generator.to(device)

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes without the generator."""
        return {**vars(self), "generator": None}

    def extra_repr(self) -> str:
        """Return the probability.

        Returns
        -------
        str
            Text between the parentheses of `repr`.
        """
        return f"{self.p}"


class Flatten(Module):
    """Reshape (batch, …) to (batch, features)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x as (batch, features)."""
        check_tensor(self, "the input", x)
        if x.ndim == 0:
            raise ArgumentError("Flatten got a tensor with no axes, expected (batch, …): reshape it first")
        return x if x.ndim == 2 else x.reshape(x.shape[0], math.prod(x.shape[1:]))


# ---- checks ----


def check_input(layer: Any, x: Tensor) -> None:
    """Refuse an input that is no tensor, or has other features or another dtype than a layer's weight."""
    check_tensor(layer, "the input", x)
    if x.ndim == 0 or x.shape[-1] != layer.in_features:
        features = counted(x.shape[-1], "feature") if x.ndim else "no axis of features"
        raise ArgumentError(
            f"{layer!r} got an input of shape {x.shape} with {features}, expected {layer.in_features}: "
            "check the sizes of the layers and the columns of the data"
        )
    if x.dtype != layer.weight.dtype:
        raise ArgumentError(
            f"{layer!r} got an input of dtype {x.dtype}, its weight has {layer.weight.dtype}: "
            f'convert the input with .astype("{layer.weight.dtype}")'
        )


def check_size(name: str, size: Any) -> int:
    """Return a size as an int; refuse anything except an integer of at least 1."""
    try:
        value = operator.index(size)
    except TypeError:
        value = 0
    if value < 1 or isinstance(size, bool):
        raise ArgumentError(f"{name} is {size!r}, expected an integer of at least 1: it is a number of neurons")
    return value


def check_rate(name: str, p: float) -> float:
    """Return a dropout rate as a float; refuse anything outside [0, 1)."""
    if not (isinstance(p, Real) and 0 <= p < 1):
        raise ArgumentError(f"{name} is {p!r}, expected a number in [0, 1): the share of elements set to 0")
    return float(p)


def check_dtype(dtype: Any) -> np.dtype:
    """Return a dtype of parameters, None as float32; refuse anything except float32 and float64."""
    try:
        value = np.dtype(np.float32 if dtype is None else dtype)
    except TypeError:
        value = np.dtype(object)
    if value not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ArgumentError(f"dtype is {dtype!r}, expected float32 or float64")
    return value


def _draw_bias(initialiser: str | float | Initialiser, rng: np.random.Generator, n_in: int, n_out: int) -> np.ndarray:
    if callable(initialiser):
        bias = np.asarray(initialiser(rng, n_in, n_out, 1.0))
        if bias.shape != (n_out,):
            raise ArgumentError(f"bias_init returned shape {bias.shape}, expected {(n_out,)}: one value per output")
        return bias
    if isinstance(initialiser, str):
        choose("initialiser of biases", initialiser, ("zeros",))
        initialiser = 0.0
    if initialiser is None or not math.isfinite(initialiser):
        raise ArgumentError(f"bias_init is {initialiser}, expected 'zeros', a finite number or a function")
    return np.full(n_out, initialiser, np.float64)
