"""Adadelta: one launch over flat buffers.

    g ← grad_scale·g  (−g to maximize);  g ← g + weight_decay·p
    v ← rho·v + (1 − rho)·g²
    d = √((u + eps) / (v + eps))·g
    u ← rho·u + (1 − rho)·d²
    p ← p − lr·d

The step has the unit of the parameter, so that lr 1 is a sensible choice.

Reference: Zeiler, arXiv:1212.5701.
"""

from __future__ import annotations

import numpy as np

from ..contract import Cost, Example, check_range, contract
from ..update_contract import check_update, draw_measured_update, draw_update, update_bytes


@contract("p", "square_average", "delta_average")
def adadelta_step(
    g, lr, grad_scale, p, square_average, delta_average, *, rho=0.9, eps=1e-6, weight_decay=0.0, maximize=False
):
    """Take one step of Adadelta.

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
    delta_average : array, (n,)
        Moving average u of squared steps, updated in place.
    rho : float, default 0.9
        Decay rate of both averages, in [0, 1].
    eps : float, default 1e-6
        Added to both averages, more than 0: it is the size of the first step.
    weight_decay : float, default 0.0
        Factor of the decay, at least 0.
    maximize : bool, default False
        Ascend instead of descend.

    Raises
    ------
    ArgumentError
        For another shape or dtype, or a scalar outside its range.
    """
    state = {"square_average": square_average, "delta_average": delta_average}
    check_update(g, lr, grad_scale, p, weight_decay=weight_decay, **state)
    check_range("rho", rho, 0.0, 1.0)
    check_range("eps", eps, 0.0, open_low=True)


@adadelta_step.examples
def _(rng):
    for reason, update in draw_update(rng):
        n = update["p"].size
        for label, scalars in {
            "plain": {},
            "with decay": {"weight_decay": 0.1, "eps": 1e-3},
            "maximizing": {"maximize": True, "rho": 0.5},
        }.items():
            arrays = {
                **update,
                "square_average": rng.uniform(0, 2, n).astype(np.float32),
                "delta_average": rng.uniform(0, 0.1, n).astype(np.float32),
            }
            yield Example(f"{label}, {reason}", arrays, scalars)
    arrays = {
        "g": np.array([0.5, -2.0, 0.0], np.float32),
        "lr": np.array([1.0], np.float32),
        "grad_scale": None,
        "p": np.ones(3, np.float32),
        "square_average": np.zeros(3, np.float32),
        "delta_average": np.zeros(3, np.float32),
    }
    yield Example("the first step: averages of zero, and an element that stays put", arrays, {})


@adadelta_step.workloads
def _(rng):
    for size, update in draw_measured_update(rng):
        state = {name: np.zeros_like(update["p"]) for name in ("square_average", "delta_average")}
        yield Example(size, {**update, **state}, {})


@adadelta_step.cost
def _(g, lr, grad_scale, p, square_average, delta_average, **_):
    return Cost(bytes=update_bytes(g, p, square_average, delta_average), operations=17 * p.size)
