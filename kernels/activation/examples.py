"""Examples and workloads of the activations."""

from __future__ import annotations

import numpy as np

from ..contract import MEASURED_SHAPES, Example, draw
from . import ACTIVATIONS, activation_backward, activation_forward
from .reference import FORWARD

MEASURED = [name for name in ACTIVATIONS if name != "identity"]
SIZES = {(1,): "one element", (3, 5): "shorter than a vector of 16 bytes", (4, 1024): "many blocks"}
# Far from zero, at zero, and at the boundaries of piecewise formulas.
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
