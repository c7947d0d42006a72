"""Gradient clipping, by the global norm and by value.

    by norm:   norm = ‖g‖₂ = √Σ g²,  grad_scale = min(1, max_norm / (norm + 1e-6))
    by value:  g ← min(max(g, −limit), limit)

Clipping by norm leaves g as it is: the optimizer's launch multiplies by grad_scale, which saves a pass over memory. The
formula is that of PyTorch's `clip_grad_norm_`. Pascanu et al., arXiv:1211.5063.
"""

from __future__ import annotations

import numpy as np

from ..contract import FLOATS, PARTIALS, Cost, Example, check_array, check_range, contract
from ..update_contract import draw_measured_update

# Keeps the quotient finite where the gradient is zero; PyTorch's value.
NORM_EPS = 1e-6


@contract("norm", "grad_scale", "partials")
def clip_norm(g, norm, grad_scale, partials, *, max_norm):
    """norm = ‖g‖₂ and grad_scale = min(1, max_norm / (norm + 1e-6)).

    g (n,): the flat gradient, float32 or float64, unchanged.
    norm (1,), grad_scale (1,): of the dtype of g, overwritten.
    partials (PARTIALS,): of the dtype of g, scratch, undefined afterwards.
    max_norm: more than 0; infinity only measures.

    A norm that is NaN makes the scale NaN; an infinite norm makes it 0 (which turns the infinite elements into NaN and
    all others into 0), as in PyTorch. A toolchain may square in the dtype of g: elements beyond √(its largest number),
    1.8e19 in float32, may overflow to an infinite norm.
    """
    check_array("g", g, (None,), FLOATS)
    check_array("norm", norm, (1,), g.dtype)
    check_array("grad_scale", grad_scale, (1,), g.dtype)
    check_array("partials", partials, (PARTIALS,), g.dtype)
    check_range("max_norm", max_norm, 0.0, open_low=True)


@contract("g")
def clip_value(g, *, limit):
    """g ← g moved into [−limit, limit]; NaN stays NaN.

    g (n,): the flat gradient, float32 or float64, overwritten. limit: more than 0.
    """
    check_array("g", g, (None,), FLOATS)
    check_range("limit", limit, 0.0, open_low=True)


SIZES = {1: "one element", 7: "shorter than a vector", 4099: "many blocks and a ragged end"}


@clip_norm.examples
def _(rng):
    def arrays(g):
        empty = np.full(1, np.nan, np.float32)
        return {"g": g, "norm": empty, "grad_scale": empty.copy(), "partials": np.full(PARTIALS, np.nan, np.float32)}

    for n, reason in SIZES.items():
        for max_norm, label in {1e-3: "clipped", 1e4: "within the limit"}.items():
            g = rng.normal(size=n).astype(np.float32)
            yield Example(f"{reason}, {label}", arrays(g), {"max_norm": max_norm}, terms=n)
    yield Example("a gradient of zeros", arrays(np.zeros(5, np.float32)), {"max_norm": 1.0}, terms=5)


@clip_value.examples
def _(rng):
    for n, reason in SIZES.items():
        yield Example(reason, {"g": rng.normal(size=n).astype(np.float32)}, {"limit": 0.5})
    yield Example("at the limit", {"g": np.array([-2, -0.5, 0, 0.5, 2], np.float32)}, {"limit": 0.5})


@clip_norm.workloads
def _(rng):
    for size, update in draw_measured_update(rng):
        words = {"norm": np.zeros(1, np.float32), "grad_scale": np.zeros(1, np.float32)}
        arrays = {"g": update["g"], **words, "partials": np.zeros(PARTIALS, np.float32)}
        yield Example(size, arrays, {"max_norm": 1.0}, terms=update["g"].size)


@clip_value.workloads
def _(rng):
    for size, update in draw_measured_update(rng):
        yield Example(size, {"g": update["g"]}, {"limit": 0.5})


@clip_norm.cost
def _(g, norm, grad_scale, partials, **_):
    return Cost(bytes=g.nbytes + norm.nbytes + grad_scale.nbytes, operations=2 * g.size)


@clip_value.cost
def _(g, **_):
    return Cost(bytes=2 * g.nbytes, operations=2 * g.size)
