"""Activations: y = act(z) elementwise, and dz = dy · act'(z).

| name       | act(z)                          | act'                                    | saved for backward |
| ---------- | ------------------------------- | --------------------------------------- | ------------------ |
| identity   | z                               | 1                                       | y                  |
| relu       | max(z, 0)                       | 1 if y > 0 else 0                       | y                  |
| leaky_relu | z if z > 0 else slope·z         | 1 if y > 0 else slope                   | y                  |
| tanh       | tanh z                          | 1 − y²                                  | y                  |
| sigmoid    | 1 / (1 + e^−z)                  | y·(1 − y)                               | y                  |
| gelu       | z·Φ(z), Φ(z) = (1 + erf(z/√2))/2 | Φ(z) + z·φ(z), φ(z) = e^(−z²/2)/√(2π)   | z                  |
| silu       | z·σ(z)                          | σ(z)·(1 + z·(1 − σ(z)))                 | z                  |

Where the derivative follows from the output, the output is saved, so that nothing else is kept. At the kink of relu and
leaky_relu the derivative is the left one, as in PyTorch. GELU is the exact form, with erf.

References: GELU: Hendrycks & Gimpel, arXiv:1606.08415; SiLU: Elfwing et al., arXiv:1702.03118.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...errors import choose
from ..contract import Cost, check_range, check_same, contract


@dataclass(frozen=True)
class Activation:
    """An activation, with the data that layers, initial weights, estimators and exports need.

    Parameters
    ----------
    name : str
        Name in the kernels, in `gg.functional` and in `nn.Dense`.
    module : str
        Class in `gpugrad.nn`.
    formula : str
        Docstring of the class.
    saves_input : bool, default False
        Whether the backward pass reads z, not y.
    sloped : bool, default False
        Whether it has a negative_slope.
    init : str, default "glorot_uniform"
        Function of `nn.init` for the weights of a layer before it.
    gain : float, default 1.0
        Gain of these weights; of a sloped activation, for a slope of 0.
    onnx : str, optional
        ONNX operator that computes it, if there is one.
    sklearn_name : str, optional
        Name in the estimators, if scikit-learn uses another one.
    """

    name: str
    module: str
    formula: str
    saves_input: bool = False
    sloped: bool = False
    init: str = "glorot_uniform"
    gain: float = 1.0
    onnx: str | None = None
    sklearn_name: str | None = None


HE = {"init": "he_normal", "gain": math.sqrt(2)}

ACTIVATIONS = {
    row.name: row
    for row in (
        Activation("identity", "Identity", "The input itself."),
        Activation("relu", "ReLU", "max(x, 0).", onnx="Relu", **HE),
        Activation("leaky_relu", "LeakyReLU", "x where it is positive, else negative_slope·x.", sloped=True, **HE),
        Activation("tanh", "Tanh", "tanh x.", onnx="Tanh"),
        Activation("sigmoid", "Sigmoid", "1 / (1 + e^−x).", onnx="Sigmoid", sklearn_name="logistic"),
        Activation("gelu", "GELU", "x·Φ(x), the exact form with erf.", saves_input=True, **HE),
        Activation("silu", "SiLU", "x / (1 + e^−x).", saves_input=True, **HE),
    )
}
# Names of the estimators -> names here.
SKLEARN_NAMES = {row.sklearn_name or row.name: row.name for row in ACTIVATIONS.values()}


def check_activation(activation: str, negative_slope: float) -> None:
    """Refuse an unknown activation or a negative slope.

    Parameters
    ----------
    activation : str
        A name of the table.
    negative_slope : float
        At least 0, so that the sign of leaky_relu's output is that of its input.

    Raises
    ------
    ArgumentError
        For another name, with the nearest one, or a negative slope.
    """
    if activation not in ACTIVATIONS:
        choose("activation", activation, ACTIVATIONS)
    check_range("negative_slope", negative_slope, 0.0)


@contract("y")
def activation_forward(z, y, *, activation, negative_slope=0.01):
    """Compute y = act(z).

    Parameters
    ----------
    z : array, any shape, float32 or float64
        Input.
    y : array, like z
        Output, overwritten; may be z itself.
    activation : str
        A name of the table.
    negative_slope : float, default 0.01
        Slope of leaky_relu, at least 0.

    Raises
    ------
    ArgumentError
        For another shape or dtype, or a scalar outside its range.
    """
    check_activation(activation, negative_slope)
    check_same(z=z, y=y)


@contract("dz")
def activation_backward(dy, saved, dz, *, activation, negative_slope=0.01):
    """Compute dz = dy · act'.

    Parameters
    ----------
    dy : array, any shape, float32 or float64
        Gradient of the output.
    saved : array, like dy
        The output y or the input z of the forward pass, by the table.
    dz : array, like dy
        Gradient of the input, overwritten; may be dy itself.
    activation : str
        A name of the table.
    negative_slope : float, default 0.01
        Slope of leaky_relu, at least 0.

    Raises
    ------
    ArgumentError
        For another shape or dtype, or a scalar outside its range.
    """
    check_activation(activation, negative_slope)
    check_same(dy=dy, saved=saved, dz=dz)


@activation_forward.cost
def _(z, y, **_):
    return Cost(bytes=z.nbytes + y.nbytes, operations=z.size)


@activation_backward.cost
def _(dy, saved, dz, **_):
    return Cost(bytes=dy.nbytes + saved.nbytes + dz.nbytes, operations=2 * dy.size)
