"""Examples and workloads of softmax cross-entropy."""

from __future__ import annotations

import numpy as np

from ..contract import Example, draw
from ..loss_contract import SIZES, draw_weights, unwritten
from . import softmax_cross_entropy, softmax_cross_entropy_norm


@softmax_cross_entropy.examples
def _(rng):
    def example(reason, logits, *, class_weight=None, sample_weight=None, evaluation=False, **scalars):
        batch, n_classes = logits.shape
        arrays = {
            "logits": logits,
            "labels": rng.integers(0, n_classes, batch).astype(np.int32),
            "class_weight": class_weight,
            "sample_weight": sample_weight,
            "norm": np.array([batch], np.float32),
            "losses": np.full(batch, np.nan, np.float32),
            "dlogits": None if evaluation else unwritten(logits),
        }
        return Example(reason, arrays, scalars, terms=n_classes)

    for (batch, columns), reason in SIZES.items():
        n_classes = max(2, columns)  # with one class the gradient is 0 and leaves its error without a scale
        logits = rng.normal(0, 3, (batch, n_classes)).astype(np.float32)
        class_weight = rng.uniform(0.2, 3, n_classes).astype(np.float32)
        sample_weight = draw_weights(rng, batch)
        yield example(f"plain, {reason}", logits)
        yield example(f"evaluation, {reason}", logits, evaluation=True)
        yield example(f"smoothed, {reason}", logits, label_smoothing=0.1)
        yield example(f"class weights, {reason}", logits, class_weight=class_weight)
        yield example(f"sample weights, {reason}", logits, sample_weight=sample_weight)
        weights = {"class_weight": class_weight, "sample_weight": sample_weight}
        yield example(f"all weights, smoothed, {reason}", logits, **weights, label_smoothing=0.3)
        yield example(f"all, evaluation, {reason}", logits, **weights, label_smoothing=0.3, evaluation=True)
    outside = example("labels outside the classes make their rows NaN", rng.normal(size=(6, 4)).astype(np.float32))
    outside.arrays["labels"][:] = 0, -1, 3, 4, 2**31 - 1, -(2**31)
    yield outside
    yield example(
        "logits of ±1e4: the row maximum must be subtracted", rng.choice([-1e4, 1e4], (9, 4)).astype(np.float32)
    )
    yield example(
        "smoothing 1: the label does not matter", rng.normal(size=(4, 6)).astype(np.float32), label_smoothing=1.0
    )


@softmax_cross_entropy_norm.examples
def _(rng):
    for batch, reason in {1: "one row", 128: "a minibatch", 5000: "more rows than a block has threads"}.items():
        labels = rng.integers(0, 7, batch).astype(np.int32)
        class_weight = rng.uniform(0.2, 3, 7).astype(np.float32)
        sample_weight = rng.uniform(0.5, 2, batch).astype(np.float32)
        for weights in ((None, None), (class_weight, None), (None, sample_weight), (class_weight, sample_weight)):
            arrays = {
                "labels": labels,
                "class_weight": weights[0],
                "sample_weight": weights[1],
                "norm": np.array([np.nan], np.float32),
            }
            given = f"class weights {weights[0] is not None}, sample weights {weights[1] is not None}"
            yield Example(f"{reason}, {given}", arrays, {}, terms=batch)
    arrays = {
        "labels": np.array([0, 7, 1], np.int32),
        "class_weight": class_weight,
        "sample_weight": None,
        "norm": np.zeros(1, np.float32),
    }
    yield Example("a label outside the classes weighs NaN", arrays, {})


@softmax_cross_entropy.workloads
def _(rng):
    for batch, n_classes in ((64, 10), (512, 10), (1 << 20, 10), (1024, 1000), (1024, 32000)):
        logits = draw(rng, batch, n_classes)
        arrays = {
            "logits": logits,
            "labels": rng.integers(0, n_classes, batch).astype(np.int32),
            "class_weight": None,
            "sample_weight": None,
            "norm": np.array([batch], np.float32),
            "losses": np.zeros(batch, np.float32),
            "dlogits": np.zeros_like(logits),
        }
        yield Example(f"{batch} × {n_classes}", arrays, {}, terms=n_classes)


@softmax_cross_entropy_norm.workloads
def _(rng):
    for batch in (64, 65536):
        labels = rng.integers(0, 10, batch).astype(np.int32)
        weights = {"class_weight": np.ones(10, np.float32), "sample_weight": rng.random(batch, np.float32)}
        arrays = {"labels": labels, **weights, "norm": np.zeros(1, np.float32)}
        yield Example(f"{batch}, all weights", arrays, {}, terms=batch)
