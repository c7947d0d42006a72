"""Adagrad: one launch over flat buffers.

    g ← grad_scale·g  (−g to maximize);  g ← g + weight_decay·p
    s ← s + g²
    p ← p − lr·g / (√s + eps)

Each parameter has a learning rate of its own, which only falls. Duchi, Hazan & Singer, "Adaptive subgradient methods
for online learning and stochastic optimization" (2011).
"""

from __future__ import annotations

import numpy as np

from ..contract import Cost, Example, check_range, contract
from ..update_contract import check_update, draw_measured_update, draw_update, update_bytes


@contract("p", "square_sum")
def adagrad_step(g, lr, grad_scale, p, square_sum, *, eps=1e-10, weight_decay=0.0, maximize=False):
    """One step of Adagrad.

    g, p, square_sum (n,): gradient, parameters, sum of squared gradients; float32 or float64, all the same.
    lr (1,), grad_scale (1,) or None (1): of the dtype of p; device words, so that a replayed step sees them change.
    With eps 0, an element whose gradients were all zero becomes NaN.
    """
    check_update(g, lr, grad_scale, p, weight_decay=weight_decay, square_sum=square_sum)
    check_range("eps", eps, 0.0)


@adagrad_step.examples
def _(rng):
    for reason, update in draw_update(rng):
        variants: dict[str, dict] = {
            "plain": {},
            "with decay": {"weight_decay": 0.1, "eps": 1e-3},
            "maximizing": {"maximize": True},
        }
        for label, scalars in variants.items():
            square_sum = rng.uniform(0, 2, update["p"].size).astype(np.float32)
            yield Example(f"{label}, {reason}", {**update, "square_sum": square_sum}, scalars)
    arrays = {
        "g": np.array([0.5, -2.0, 0.0], np.float32),
        "lr": np.array([0.1], np.float32),
        "grad_scale": None,
        "p": np.ones(3, np.float32),
        "square_sum": np.zeros(3, np.float32),
    }
    yield Example("the first step: a sum of zero, and an element that stays put", arrays, {})


@adagrad_step.workloads
def _(rng):
    for size, update in draw_measured_update(rng):
        yield Example(size, {**update, "square_sum": np.zeros_like(update["p"])}, {})


@adagrad_step.cost
def _(g, lr, grad_scale, p, square_sum, **_):
    return Cost(bytes=update_bytes(g, p, square_sum), operations=9 * p.size)
