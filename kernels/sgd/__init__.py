"""Stochastic gradient descent, plain, with momentum and with Nesterov momentum: one launch over flat buffers.

    g ← grad_scale·g  (−g to maximize);  g ← g + weight_decay·p
    plain:     p ← p − lr·g
    momentum:  b ← momentum·b + g;  p ← p − lr·b
    Nesterov:  b ← momentum·b + g;  p ← p − lr·(g + momentum·b)
    with lr_in_buffer:
    momentum:  b ← momentum·b + lr·g;  p ← p − b
    Nesterov:  b ← momentum·b + lr·g;  p ← p − (lr·g + momentum·b)

The buffer b starts at zero, so that the first step is the plain one. With lr_in_buffer, b is the velocity of Sutskever
et al., which scikit-learn and Keras use; PyTorch keeps the learning rate outside. The two differ when the learning rate
changes: a velocity keeps the learning rates of earlier steps.

Reference: Sutskever et al., "On the importance of initialization and momentum in deep learning" (2013).
"""

from __future__ import annotations

import numpy as np

from ...errors import ArgumentError
from ..contract import Cost, Example, check_range, contract
from ..update_contract import check_update, draw_measured_update, draw_update, update_bytes


@contract("p", "momentum_buffer")
def sgd_step(
    g,
    lr,
    grad_scale,
    p,
    momentum_buffer,
    *,
    momentum=0.0,
    nesterov=False,
    lr_in_buffer=False,
    weight_decay=0.0,
    maximize=False,
):
    """Take one step of gradient descent.

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
    momentum_buffer : array, (n,), or None
        Buffer b, updated in place; None if and only if momentum is 0.
    momentum : float, default 0.0
        Factor of the buffer, at least 0.
    nesterov : bool, default False
        Whether the momentum is Nesterov's; needs a momentum of more than 0.
    lr_in_buffer : bool, default False
        Whether the buffer is a velocity, with the learning rate in it.
    weight_decay : float, default 0.0
        Factor of the decay, at least 0.
    maximize : bool, default False
        Ascend instead of descend.

    Raises
    ------
    ArgumentError
        For another shape or dtype, a scalar outside its range, a momentum buffer without momentum or the reverse.
    """
    state = {"momentum_buffer": momentum_buffer}
    check_update(g, lr, grad_scale, p, weight_decay=weight_decay, optional=state, **state)
    check_range("momentum", momentum, 0.0)
    if (momentum == 0) != (momentum_buffer is None):
        found, expected = ("None", "an array like p") if momentum_buffer is None else ("an array", "None")
        raise ArgumentError(f"momentum_buffer is {found}, expected {expected} at momentum {momentum}: pass {expected}")
    if nesterov and momentum == 0:
        raise ArgumentError("momentum is 0, expected a positive number with nesterov: set momentum, such as 0.9")


@sgd_step.examples
def _(rng):
    for reason, update in draw_update(rng):
        for label, scalars in {
            "plain": {},
            "plain with decay, maximizing": {"weight_decay": 0.1, "maximize": True},
            "momentum": {"momentum": 0.9},
            "momentum with decay": {"momentum": 0.5, "weight_decay": 0.1},
            "Nesterov, maximizing": {"momentum": 0.9, "nesterov": True, "maximize": True},
            "Nesterov with decay": {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
            "velocity with decay": {"momentum": 0.9, "lr_in_buffer": True, "weight_decay": 0.1},
            "Nesterov's velocity, maximizing": {
                "momentum": 0.5,
                "nesterov": True,
                "lr_in_buffer": True,
                "maximize": True,
            },
        }.items():
            buffer = rng.normal(size=update["p"].size).astype(np.float32) if "momentum" in scalars else None
            yield Example(f"{label}, {reason}", {**update, "momentum_buffer": buffer}, scalars)


@sgd_step.workloads
def _(rng):
    for size, update in draw_measured_update(rng):
        yield Example(f"{size}, plain", {**update, "momentum_buffer": None}, {})
        yield Example(f"{size}, momentum", {**update, "momentum_buffer": np.zeros_like(update["p"])}, {"momentum": 0.9})


@sgd_step.cost
def _(g, lr, grad_scale, p, momentum_buffer, **_):
    return Cost(bytes=update_bytes(g, p, momentum_buffer), operations=(4 if momentum_buffer is None else 7) * p.size)
