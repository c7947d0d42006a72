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

Where the derivative follows from the output, the output is what is saved, so that nothing more is kept. At the kink of
relu and leaky_relu the derivative is the left one, as in PyTorch. GELU: Hendrycks & Gimpel, arXiv:1606.08415 (the exact
form, with erf); SiLU: Elfwing et al., arXiv:1702.03118.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ...errors import choose
from ..contract import MEASURED_SHAPES, Cost, Example, check_range, check_same, contract, draw


@dataclass(frozen=True)
class Activation:
    """An activation, and what layers, initial weights, estimators and exports need to know of it.

    module, formula: its class in `gpugrad.nn`, and what the class's docstring says. saves_input: the backward pass
    reads z, not y. sloped: it has a negative_slope. init, gain: the initial weights of a layer before it, by `nn.init`;
    the gain of a sloped one is for a slope of 0. onnx: the operator of ONNX that computes it, if there is one.
    sklearn_name: in the estimators, where scikit-learn calls it something else.
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
# By the names that the estimators have for them.
SKLEARN_NAMES = {row.sklearn_name or row.name: row.name for row in ACTIVATIONS.values()}


def check_activation(activation: str, negative_slope: float) -> None:
    """Refuse an unknown name, and a negative slope: the sign of leaky_relu's output must tell the sign of its input."""
    if activation not in ACTIVATIONS:
        choose("activation", activation, ACTIVATIONS)
    check_range("negative_slope", negative_slope, 0.0)


@contract("y")
def activation_forward(z, y, *, activation, negative_slope=0.01):
    """y = act(z).

    z, y: float32 or float64, any shape, the same; y may be z itself.
    """
    check_activation(activation, negative_slope)
    check_same(z=z, y=y)


@contract("dz")
def activation_backward(dy, saved, dz, *, activation, negative_slope=0.01):
    """dz = dy · act', from y or z as the table says.

    dy, saved, dz: float32 or float64, any shape, the same; dz may be dy itself.
    """
    check_activation(activation, negative_slope)
    check_same(dy=dy, saved=saved, dz=dz)


MEASURED = [name for name in ACTIVATIONS if name != "identity"]
SIZES = {(1,): "one element", (3, 5): "shorter than a vector of 16 bytes", (4, 1024): "many blocks"}
# Far from zero, at it, and where formulas in pieces change.
EDGES = np.array([-100, -20, -6, -3, -2, -1, -0.5, -0.0, 0, 0.5, 1, 2, 3, 6, 20, 100], np.float32)


def _draw_inputs(rng):
    """Yield (reason, z, scalars)."""
    for activation in ACTIVATIONS:
        for shape, reason in SIZES.items():
            z = rng.normal(0, 3, shape).astype(np.float32)
            yield f"{activation}, {reason}", z, {"activation": activation, "negative_slope": 0.01}
        yield f"{activation}, edges", EDGES, {"activation": activation, "negative_slope": 0.2}


@activation_forward.examples
def _(rng):
    for reason, z, scalars in _draw_inputs(rng):
        yield Example(reason, {"z": z, "y": np.full_like(z, np.nan)}, scalars)


@activation_backward.examples
def _(rng):
    from .reference import FORWARD  # launchers come with the first device

    for reason, z, scalars in _draw_inputs(rng):
        name, slope = scalars["activation"], scalars["negative_slope"]
        saved = z if ACTIVATIONS[name].saves_input else FORWARD[name](z, slope)
        arrays = {"dy": rng.normal(1, 1, z.shape).astype(np.float32), "saved": saved, "dz": np.full_like(z, np.nan)}
        yield Example(reason, arrays, scalars)


@activation_forward.workloads
def _(rng):
    for activation in MEASURED:
        for shape in MEASURED_SHAPES if activation == "relu" else MEASURED_SHAPES[-1:]:
            z = draw(rng, *shape)
            reason = f"{activation}, {shape[0]} × {shape[1]}"
            yield Example(reason, {"z": z, "y": np.zeros_like(z)}, {"activation": activation})


@activation_backward.workloads
def _(rng):
    for activation in MEASURED:
        for shape in MEASURED_SHAPES if activation == "relu" else MEASURED_SHAPES[-1:]:
            dy, saved = draw(rng, *shape), rng.random(shape, np.float32)
            reason = f"{activation}, {shape[0]} × {shape[1]}"
            arrays = {"dy": dy, "saved": saved, "dz": np.zeros_like(dy)}
            yield Example(reason, arrays, {"activation": activation})


@activation_forward.cost
def _(z, y, **_):
    return Cost(bytes=z.nbytes + y.nbytes, operations=z.size)


@activation_backward.cost
def _(dy, saved, dz, **_):
    return Cost(bytes=dy.nbytes + saved.nbytes + dz.nbytes, operations=2 * dy.size)
