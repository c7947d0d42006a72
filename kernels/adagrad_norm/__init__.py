"""AdaGrad-norm: gradient descent whose one learning rate falls with the gradients seen so far.

    g ← grad_scale·g  (−g to maximize);  g ← g + weight_decay·p
    s ← s + ‖g‖²
    p ← p − lr·g / √(eps + s)

s is one scalar over all parameters. Parameter groups are buffers of their own with options of their own, so the update
is two launchers: `adagrad_norm_accumulate` for each group, and after the last of them `adagrad_norm_step` for each.
Ward, Wu & Bottou, "AdaGrad stepsizes: sharp convergence over nonconvex landscapes", arXiv:1806.01811.
"""

from __future__ import annotations

import numpy as np

from ..contract import PARTIALS, Cost, Example, check_array, check_range, contract
from ..update_contract import check_gradient, check_update, draw_measured_update, draw_update, update_bytes


@contract("square_sum", "partials")
def adagrad_norm_accumulate(g, grad_scale, p, square_sum, partials, *, weight_decay=0.0, maximize=False):
    """square_sum ← square_sum + ‖g'‖² with g' = ±grad_scale·g + weight_decay·p.

    g, p (n,): gradient and parameters, unchanged; float32 or float64, both the same.
    grad_scale (1,) or None (1), square_sum (1,): of the dtype of p; square_sum is added to.
    partials (PARTIALS,): of the dtype of p, scratch, undefined afterwards.
    """
    check_gradient(g, grad_scale, p, weight_decay=weight_decay)
    check_array("square_sum", square_sum, (1,), p.dtype)
    check_array("partials", partials, (PARTIALS,), p.dtype)


@contract("p")
def adagrad_norm_step(g, lr, grad_scale, square_sum, p, *, eps=1e-10, weight_decay=0.0, maximize=False):
    """p ← p − lr·g' / √(eps + square_sum) with g' = ±grad_scale·g + weight_decay·p.

    g, p (n,): gradient and parameters; float32 or float64, both the same.
    lr (1,), grad_scale (1,) or None (1), square_sum (1,): of the dtype of p, read from the device. square_sum already
    holds the gradients of this step.
    """
    check_update(g, lr, grad_scale, p, weight_decay=weight_decay)
    check_array("square_sum", square_sum, (1,), p.dtype)
    check_range("eps", eps, 0.0)


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


@adagrad_norm_accumulate.cost
def _(g, grad_scale, p, square_sum, partials, *, weight_decay, **_):
    return Cost(bytes=g.nbytes + (p.nbytes if weight_decay else 0), operations=5 * g.size)


@adagrad_norm_step.workloads
def _(rng):
    for size, update in draw_measured_update(rng):
        yield Example(size, {**update, "square_sum": np.ones(1, np.float32)}, {})


@adagrad_norm_step.cost
def _(g, lr, grad_scale, square_sum, p, **_):
    return Cost(bytes=update_bytes(g, p), operations=5 * p.size)
