"""Examples and workloads of AdaGrad-norm."""

from __future__ import annotations

import numpy as np

from ..contract import PARTIALS, Example
from ..update_contract import draw_measured_update, draw_update
from . import adagrad_norm_accumulate, adagrad_norm_step

VARIANTS = {"plain": {}, "with decay": {"weight_decay": 0.1}, "maximizing": {"weight_decay": 0.1, "maximize": True}}


@adagrad_norm_accumulate.examples
def _(rng):
    for reason, update in draw_update(rng):
        del update["lr"]
        for label, scalars in VARIANTS.items():
            arrays = {
                **update,
                "square_sum": rng.uniform(0, 2, 1).astype(np.float32),
                "partials": np.full(PARTIALS, np.nan, np.float32),
            }
            yield Example(f"{label}, {reason}", arrays, scalars, terms=update["p"].size)


@adagrad_norm_step.examples
def _(rng):
    for reason, update in draw_update(rng):
        for label, scalars in VARIANTS.items():
            for square_sum in (0.0, 3.0):
                arrays = {**update, "square_sum": np.array([square_sum], np.float32)}
                yield Example(f"{label}, {reason}, a sum of {square_sum}", arrays, {**scalars, "eps": 0.25})


@adagrad_norm_accumulate.workloads
def _(rng):
    for size, update in draw_measured_update(rng):
        del update["lr"]
        words = {"square_sum": np.zeros(1, np.float32), "partials": np.zeros(PARTIALS, np.float32)}
        yield Example(size, {**update, **words}, {}, terms=update["p"].size)


@adagrad_norm_step.workloads
def _(rng):
    for size, update in draw_measured_update(rng):
        yield Example(size, {**update, "square_sum": np.ones(1, np.float32)}, {})
