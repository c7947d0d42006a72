"""What all optimizers share: the checks of an update over flat buffers, example inputs, and the scaled gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from .contract import FLOATS, INT32, check_array, check_range, draw


def check_gradient(g, grad_scale, p, *, weight_decay: float) -> None:
    """Check the gradient that an update takes: p and g flat and alike, grad_scale one word of their dtype or None."""
    check_array("p", p, (None,), FLOATS)
    check_array("g", g, p.shape, p.dtype)
    if grad_scale is not None:
        check_array("grad_scale", grad_scale, (1,), p.dtype)
    check_range("weight_decay", weight_decay, 0.0)


def check_update(g, lr, grad_scale, p, *, weight_decay: float, step: Any = None, **state: Any) -> None:
    """Check what every optimizer takes: the gradient, lr and step one word each, state like p or None."""
    check_gradient(g, grad_scale, p, weight_decay=weight_decay)
    check_array("lr", lr, (1,), p.dtype)
    if step is not None:
        check_array("step", step, (1,), INT32)
    for name, array in state.items():
        if array is not None:
            check_array(name, array, p.shape, p.dtype)


def draw_update(rng):
    """Yield (reason, the arrays g, lr, grad_scale and p) for the sizes that every optimizer is tested at."""
    for n, reason in {1: "one element", 7: "shorter than a vector", 4099: "many blocks and a ragged end"}.items():
        for scale in (None, 0.25):
            yield (
                f"{reason}, grad_scale {scale}",
                {
                    "g": rng.normal(size=n).astype(np.float32),
                    "lr": np.array([0.05], np.float32),
                    "grad_scale": None if scale is None else np.array([scale], np.float32),
                    "p": rng.normal(size=n).astype(np.float32),
                },
            )


def draw_measured_update(rng):
    """Yield (size, the arrays g, lr, grad_scale and p) for the sizes that every optimizer is measured at.

    The parameters of networks 784-128-10 and 784-1024-1024-10, and more than any cache holds.
    """
    for n in (101_770, 1_863_690, 1 << 24):
        lr = np.array([1e-3], np.float32)
        yield str(n), {"g": draw(rng, n), "lr": lr, "grad_scale": None, "p": draw(rng, n)}


def update_bytes(g, *in_out) -> int:
    """Bytes of one update: the gradient is read, parameters and state are read and written."""
    return g.nbytes + 2 * sum(array.nbytes for array in in_out if array is not None)


def effective_gradient(g, grad_scale, p, weight_decay, maximize):
    """±grad_scale·g + weight_decay·p in NumPy, negative to maximize: what rules without decoupled decay descend."""
    g = g if grad_scale is None else g * grad_scale
    return (-g if maximize else g) + weight_decay * p


def signed_scale(grad_scale, maximize, number):
    """What a compiled loop multiplies the gradient by: grad_scale, or 1 without one; negative to maximize."""
    scale = number(1) if grad_scale is None else grad_scale[0]
    return -scale if maximize else scale
