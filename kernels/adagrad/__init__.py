"""Adagrad: one launch over flat buffers.

    g ← grad_scale·g  (−g to maximize);  g ← g + weight_decay·p
    s ← s + g²
    p ← p − lr·g / (√s + eps)

Each parameter has its own learning rate, which only falls.

Reference: Duchi, Hazan & Singer, "Adaptive subgradient methods for online learning and stochastic optimization" (2011).
"""

from __future__ import annotations

import numpy as np

from ..contract import Cost, Example, check_range, contract
from ..update_contract import check_update, draw_measured_update, draw_update, update_bytes


@contract("p", "square_sum")
def adagrad_step(g, lr, grad_scale, p, square_sum, *, eps=1e-10, weight_decay=0.0, maximize=False):
    """Take one step of Adagrad.

    Arrays are float32 or float64, all the same, flat.

    Parameters
    ----------
    g : array, (n,)
        Gradient.
    lr : array, (1,)
        Learning rate, on the device, so that a replayed step reads its current value.
    grad_scale : array, (1,), or None
        Factor of the gradient, on the device; None is 1.
    p : array, (n,)
        Parameters, updated in place.
    square_sum : array, (n,)
        Sum s of squared gradients, updated in place.
    eps : float, default 1e-10
        Added to the root, at least 0; with 0 an element whose gradients were all zero becomes NaN.
    weight_decay : float, default 0.0
        Factor of the decay, at least 0.
    maximize : bool, default False
        Ascend instead of descend.

    Raises
    ------
    ArgumentError
        For another shape or dtype, or a scalar outside its range.
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
