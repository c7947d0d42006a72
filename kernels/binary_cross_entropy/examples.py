"""Examples and workloads of binary cross-entropy."""

from __future__ import annotations

import numpy as np

from ..contract import MEASURED_SHAPES, Example, draw
from ..loss_contract import SIZES, draw_weights, unwritten
from . import binary_cross_entropy


@binary_cross_entropy.examples
def _(rng):
    def example(reason, logits, *, pos_weight=None, sample_weight=None, evaluation=False, soft=False):
        targets = rng.uniform(size=logits.shape) if soft else rng.integers(0, 2, logits.shape)
        arrays = {
            "logits": logits,
            "targets": targets.astype(np.float32),
            "pos_weight": pos_weight,
            "sample_weight": sample_weight,
            "norm": np.array([logits.size], np.float32),
            "losses": unwritten(logits),
            "dlogits": None if evaluation else unwritten(logits),
        }
        return Example(reason, arrays, {})

    for (batch, n_out), reason in SIZES.items():
        logits = rng.normal(0, 3, (batch, n_out)).astype(np.float32)
        pos_weight = rng.uniform(0.2, 5, n_out).astype(np.float32)
        sample_weight = draw_weights(rng, batch)
        yield example(f"plain, {reason}", logits)
        yield example(f"evaluation, {reason}", logits, evaluation=True)
        yield example(f"soft targets, {reason}", logits, soft=True)
        yield example(f"positive weights, {reason}", logits, pos_weight=pos_weight)
        yield example(f"sample weights, {reason}", logits, sample_weight=sample_weight)
        weights = {"pos_weight": pos_weight, "sample_weight": sample_weight}
        yield example(f"all weights, {reason}", logits, **weights)
        yield example(f"all weights, evaluation, {reason}", logits, **weights, evaluation=True)
    odd = rng.normal(size=(4, 9)).astype(np.float32)
    odd[1, 2] = np.nan
    yield example("NaN stays in its element", odd)
    far = np.array([[-1e4, -100, -20, -0.0, 0.0, 20, 100, 1e4]], np.float32)
    yield example("logits far from zero and at it", np.repeat(far, 4, axis=0))


@binary_cross_entropy.workloads
def _(rng):
    for batch, n_out in ((64, 1), *MEASURED_SHAPES[1:]):
        logits = draw(rng, batch, n_out)
        arrays = {
            "logits": logits,
            "targets": (rng.random(logits.shape, np.float32) > 0.5).astype(np.float32),
            "pos_weight": None,
            "sample_weight": None,
            "norm": np.array([logits.size], np.float32),
            "losses": np.zeros_like(logits),
            "dlogits": np.zeros_like(logits),
        }
        yield Example(f"{batch} × {n_out}", arrays, {})
