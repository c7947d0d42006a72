"""Binary cross-entropy on logits, one or many labels a row: the losses and their gradient in one pass.

With logit z, target t in [0, 1], the output's positive weight q and the sample's weight s:

    loss    = (s/norm) · (q·t·softplus(−z) + (1 − t)·softplus(z)),   softplus(z) = max(z, 0) + ln(1 + e^−|z|)
    dlogits = (s/norm) · ((1 − t)·σ(z) − q·t·σ(−z)),                 σ(z) = 1 / (1 + e^−z)

PyTorch's BCEWithLogitsLoss with pos_weight. The exponential is of −|z|, so nothing overflows and small probabilities
keep their digits. Losses and gradient come divided by `norm`, so that the loss of the batch is Σ losses: norm is 1 for
the reduction "sum", n_out · Σ sample_weight for "mean".
"""

from __future__ import annotations

import numpy as np

from ..contract import MEASURED_SHAPES, Cost, Example, check_array, contract, draw
from ..loss_contract import SIZES, check_loss, draw_weights, unwritten


@contract("losses", "dlogits")
def binary_cross_entropy(logits, targets, pos_weight, sample_weight, norm, losses, dlogits):
    """losses = −t·ln σ(z) − (1 − t)·ln σ(−z), weighted and divided by norm, and dlogits = d(Σ losses)/d logits.

    logits, targets, losses (batch, n_out), float32 or float64, all the same; dlogits (batch, n_out), or None (not
    computed: evaluation), does not overlap logits; pos_weight (n_out,) or None (1): weight of each output's positive
    part; sample_weight (batch,) or None (1): weight of each row; norm (1,).
    Targets are in [0, 1] (the caller's duty: a GPU launch cannot look). Finite logits of any size are handled; NaN
    logits, and infinite ones whose loss is inf − inf or 0·inf, give NaN.
    """
    check_loss("logits", logits, sample_weight, norm, losses, dlogits)
    check_array("targets", targets, tuple(logits.shape), logits.dtype)
    if pos_weight is not None:
        check_array("pos_weight", pos_weight, (logits.shape[1],), logits.dtype)


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


@binary_cross_entropy.cost
def _(logits, targets, pos_weight, sample_weight, norm, losses, dlogits):
    arrays = (logits, targets, pos_weight, sample_weight, losses, dlogits)
    return Cost(bytes=sum(a.nbytes for a in arrays if a is not None), operations=14 * logits.size)
