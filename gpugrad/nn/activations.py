"""Activations as modules, one class per row of `kernels.activation.ACTIVATIONS`."""

from __future__ import annotations

from typing import ClassVar

from ..engine import functional
from ..engine.tensor import Tensor
from ..kernels.activation import ACTIVATIONS, Activation, check_activation
from ..options import CheckedOptions
from .module import Module, check_tensor


class ActivationModule(Module):
    """An activation as a module.

    Attributes
    ----------
    name : str
        Name of its row.
    """

    name: ClassVar[str]

    def forward(self, x: Tensor) -> Tensor:
        """Apply the activation to every element."""
        check_tensor(self, "the input", x)
        return x if self.name == "identity" else functional.activation(x, self.name)


class SlopedModule(CheckedOptions, ActivationModule):
    """An activation with a slope for negative inputs, as a module.

    Parameters
    ----------
    negative_slope : float, default 0.01
        Slope for negative inputs.
    """

    def __init__(self, negative_slope: float = 0.01) -> None:
        check_activation(self.name, negative_slope)
        self.negative_slope = negative_slope

    def forward(self, x: Tensor) -> Tensor:
        """Apply the activation to every element."""
        check_tensor(self, "the input", x)
        return functional.activation(x, self.name, self.negative_slope)

    def extra_repr(self) -> str:
        """Return the slope.

        Returns
        -------
        str
            Text between the parentheses of `repr`.
        """
        return f"{self.negative_slope}"


SLOPE = """

    Parameters
    ----------
    negative_slope : float, default 0.01
        Slope for negative inputs.
    """


def _module(row: Activation) -> type[ActivationModule]:
    base = SlopedModule if row.sloped else ActivationModule
    doc = f"{row.module}, elementwise: {row.formula}{SLOPE if row.sloped else ''}"
    return type(row.module, (base,), {"name": row.name, "__doc__": doc, "__module__": __name__})


MODULES = {row.module: _module(row) for row in ACTIVATIONS.values()}
globals().update(MODULES)  # pickle looks the classes up here

# Named again for readers and type checkers.
Identity, ReLU, Tanh = MODULES["Identity"], MODULES["ReLU"], MODULES["Tanh"]
Sigmoid, GELU, SiLU = MODULES["Sigmoid"], MODULES["GELU"], MODULES["SiLU"]
LeakyReLU = MODULES["LeakyReLU"]
