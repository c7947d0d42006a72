"""Examples and workloads of dropout."""

from __future__ import annotations

import numpy as np

from ..contract import MEASURED_SHAPES, Example, draw
from . import dropout_backward, dropout_forward

SIZES = {
    (1,): "one element",
    (3, 5): "a last block of three words",
    (128, 64): "a minibatch",
    (7, 1001): "many blocks and a ragged end",
}


@dropout_forward.examples
def _(rng):
    for shape, reason in SIZES.items():
        for p, seed, calls in ((0.0, 0, 0), (0.5, 1, 0), (0.1, 2**64 - 1, 2**40 + 3), (0.999, 2**32, 2**32 - 1)):
            x = rng.normal(size=shape).astype(np.float32)
            arrays = {
                "x": x,
                "calls": np.array([calls], np.int64),
                "y": np.full_like(x, np.nan),
                "mask": np.full(shape, 255, np.uint8),
            }
            yield Example(f"p {p}, seed {seed}, call {calls}, {reason}", arrays, {"p": p, "seed": seed})
    arrays = {
        "x": np.full(100, np.nan, np.float32),
        "calls": np.zeros(1, np.int64),
        "y": np.full(100, np.nan, np.float32),
        "mask": np.full(100, 255, np.uint8),
    }
    yield Example("a dropped NaN is 0", arrays, {"p": 0.5, "seed": 3})


@dropout_backward.examples
def _(rng):
    for shape, reason in SIZES.items():
        dy = rng.normal(size=shape).astype(np.float32)
        mask = rng.integers(0, 2, shape).astype(np.uint8)
        yield Example(reason, {"dy": dy, "mask": mask, "dx": np.full_like(dy, np.nan)}, {"p": 0.3})


@dropout_forward.workloads
def _(rng):
    for shape in MEASURED_SHAPES:
        x = draw(rng, *shape)
        arrays = {"x": x, "calls": np.zeros(1, np.int64), "y": np.zeros_like(x), "mask": np.zeros(shape, np.uint8)}
        yield Example(f"{shape[0]} × {shape[1]}", arrays, {"p": 0.1, "seed": 1})


@dropout_backward.workloads
def _(rng):
    for shape in MEASURED_SHAPES:
        dy, mask = draw(rng, *shape), (rng.random(shape, np.float32) > 0.1).astype(np.uint8)
        yield Example(f"{shape[0]} × {shape[1]}", {"dy": dy, "mask": mask, "dx": np.zeros_like(dy)}, {"p": 0.1})
