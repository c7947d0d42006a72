"""Examples and workloads of gradient clipping."""

from __future__ import annotations

import numpy as np

from ..contract import PARTIALS, Example
from ..update_contract import draw_measured_update
from . import clip_norm, clip_value

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
