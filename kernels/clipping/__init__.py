"""Gradient clipping, by the global norm and by value.

    by norm:   norm = ‖g‖₂ = √Σ g²,  grad_scale = min(1, max_norm / (norm + 1e-6))
    by value:  g ← min(max(g, −limit), limit)

Clipping by norm leaves g unchanged: the optimizer's launch multiplies by grad_scale, which saves a pass over memory.
The formula is that of PyTorch's `clip_grad_norm_`.

Reference: Pascanu et al., arXiv:1211.5063.
"""

from __future__ import annotations

from ..contract import FLOATS, PARTIALS, Cost, check_array, check_range, contract

# Keeps the quotient finite if the gradient is zero; PyTorch's value.
NORM_EPS = 1e-6


@contract("norm", "grad_scale", "partials")
def clip_norm(g, norm, grad_scale, partials, *, max_norm):
    """Compute the norm of the gradient and the factor that clips it.

    Arrays are float32 or float64, all the same.

    Parameters
    ----------
    g : array, (n,)
        Flat gradient, unchanged.
    norm : array, (1,)
        ‖g‖₂, overwritten.
    grad_scale : array, (1,)
        Factor of the gradient, overwritten.
    partials : array, (PARTIALS,)
        Scratch, undefined afterwards.
    max_norm : float
        Upper limit of the norm, more than 0; infinity only measures.

    Raises
    ------
    ArgumentError
        For another shape or dtype, or a scalar outside its range.

    Notes
    -----
    grad_scale = min(1, max_norm / (norm + 1e-6)). As in PyTorch, a NaN norm makes the scale NaN, and an infinite norm
    makes it 0, with which infinite elements become NaN and all others 0. A toolchain may square in the dtype of g:
    elements beyond the root of its largest number, 1.8e19 in float32, may overflow to an infinite norm.
    """
    check_array("g", g, (None,), FLOATS)
    check_array("norm", norm, (1,), g.dtype)
    check_array("grad_scale", grad_scale, (1,), g.dtype)
    check_array("partials", partials, (PARTIALS,), g.dtype)
    check_range("max_norm", max_norm, 0.0, open_low=True)


@contract("g")
def clip_value(g, *, limit):
    """Clip each element of the gradient to [−limit, limit]; NaN stays NaN.

    Parameters
    ----------
    g : array, (n,)
        Flat gradient, float32 or float64, overwritten.
    limit : float
        Largest magnitude, more than 0.

    Raises
    ------
    ArgumentError
        For another shape or dtype, or a scalar outside its range.
    """
    check_array("g", g, (None,), FLOATS)
    check_range("limit", limit, 0.0, open_low=True)


@clip_norm.cost
def _(g, norm, grad_scale, partials, **_):
    return Cost(bytes=g.nbytes + norm.nbytes + grad_scale.nbytes, operations=2 * g.size)


@clip_value.cost
def _(g, **_):
    return Cost(bytes=2 * g.nbytes, operations=2 * g.size)
