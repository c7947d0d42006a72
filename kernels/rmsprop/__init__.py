"""RMSprop: one launch over flat buffers.

    g ← grad_scale·g  (−g to maximize);  g ← g + weight_decay·p
    v ← alpha·v + (1 − alpha)·g²
    p ← p − lr·g / (√v + eps)

The average of squares forgets, so that the learning rate of a parameter can rise again. As in PyTorch, eps is outside
the root.

Reference: Tieleman & Hinton, "Neural networks for machine learning", lecture 6.5 (2012).
"""

from __future__ import annotations

import numpy as np

from ..contract import Cost, Example, check_range, contract
from ..update_contract import check_update, draw_measured_update, draw_update, update_bytes


@contract("p", "square_average")
def rmsprop_step(g, lr, grad_scale, p, square_average, *, alpha=0.99, eps=1e-8, weight_decay=0.0, maximize=False):
    """Take one step of RMSprop.

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
    square_average : array, (n,)
        Moving average v of squared gradients, updated in place.
    alpha : float, default 0.99
        Decay rate of the average, in [0, 1].
    eps : float, default 1e-8
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
    check_update(g, lr, grad_scale, p, weight_decay=weight_decay, square_average=square_average)
    check_range("alpha", alpha, 0.0, 1.0)
    check_range("eps", eps, 0.0)


@rmsprop_step.examples
def _(rng):
    for reason, update in draw_update(rng):
        for label, scalars in {
            "plain": {},
            "with decay": {"weight_decay": 0.1, "eps": 1e-3},
            "maximizing": {"maximize": True, "alpha": 0.5},
        }.items():
            square_average = rng.uniform(0, 2, update["p"].size).astype(np.float32)
            yield Example(f"{label}, {reason}", {**update, "square_average": square_average}, scalars)
    arrays = {
        "g": np.array([0.5, -2.0, 0.0], np.float32),
        "lr": np.array([0.1], np.float32),
        "grad_scale": None,
        "p": np.ones(3, np.float32),
        "square_average": np.zeros(3, np.float32),
    }
    yield Example("the first step: an average of zero, and an element that stays put", arrays, {})


@rmsprop_step.workloads
def _(rng):
    for size, update in draw_measured_update(rng):
        yield Example(size, {**update, "square_average": np.zeros_like(update["p"])}, {})


@rmsprop_step.cost
def _(g, lr, grad_scale, p, square_average, **_):
    return Cost(bytes=update_bytes(g, p, square_average), operations=11 * p.size)
