"""AdaGrad-norm: gradient descent with a single learning rate that falls with the gradients seen so far.

    g ← grad_scale·g  (−g to maximize);  g ← g + weight_decay·p
    s ← s + ‖g‖²
    p ← p − lr·g / √(eps + s)

s is one scalar over all parameters. Each parameter group has its own buffers and options, so an update needs two
launchers: `adagrad_norm_accumulate` for each group, then `adagrad_norm_step` for each group.

Reference: Ward, Wu & Bottou, "AdaGrad stepsizes: sharp convergence over nonconvex landscapes", arXiv:1806.01811.
"""

from __future__ import annotations

from ..contract import PARTIALS, Cost, check_array, check_range, contract
from ..update_contract import check_gradient, check_update, update_bytes


@contract("square_sum", "partials")
def adagrad_norm_accumulate(g, grad_scale, p, square_sum, partials, *, weight_decay=0.0, maximize=False):
    """Add the squared norm of a group's gradient to the sum.

    Arrays are float32 or float64, all the same, flat.

    Parameters
    ----------
    g : array, (n,)
        Gradient.
    grad_scale : array, (1,), or None
        Factor of the gradient, on the device; None is 1.
    p : array, (n,)
        Parameters, unchanged.
    square_sum : array, (1,)
        Sum s of squared norms, added to.
    partials : array, (PARTIALS,)
        Scratch, undefined afterwards.
    weight_decay : float, default 0.0
        Factor of the decay, at least 0.
    maximize : bool, default False
        Ascend instead of descend.

    Raises
    ------
    ArgumentError
        For another shape or dtype, or a scalar outside its range.

    Notes
    -----
    square_sum ← square_sum + ‖g'‖² with g' = ±grad_scale·g + weight_decay·p.
    """
    check_gradient(g, grad_scale, p, weight_decay=weight_decay)
    check_array("square_sum", square_sum, (1,), p.dtype)
    check_array("partials", partials, (PARTIALS,), p.dtype)


@contract("p")
def adagrad_norm_step(g, lr, grad_scale, square_sum, p, *, eps=1e-10, weight_decay=0.0, maximize=False):
    """Take one step of AdaGrad-norm.

    Arrays are float32 or float64, all the same, flat.

    Parameters
    ----------
    g : array, (n,)
        Gradient.
    lr : array, (1,)
        Learning rate, on the device, so that a replayed step reads its current value.
    grad_scale : array, (1,), or None
        Factor of the gradient, on the device; None is 1.
    square_sum : array, (1,)
        Sum s, which already includes the gradients of this step; unchanged.
    p : array, (n,)
        Parameters, updated in place.
    eps : float, default 1e-10
        Added to s, at least 0.
    weight_decay : float, default 0.0
        Factor of the decay, at least 0.
    maximize : bool, default False
        Ascend instead of descend.

    Raises
    ------
    ArgumentError
        For another shape or dtype, or a scalar outside its range.

    Notes
    -----
    p ← p − lr·g' / √(eps + square_sum) with g' = ±grad_scale·g + weight_decay·p.
    """
    check_update(g, lr, grad_scale, p, weight_decay=weight_decay)
    check_array("square_sum", square_sum, (1,), p.dtype)
    check_range("eps", eps, 0.0)


@adagrad_norm_accumulate.cost
def _(g, grad_scale, p, square_sum, partials, *, weight_decay, **_):
    return Cost(bytes=g.nbytes + (p.nbytes if weight_decay else 0), operations=5 * g.size)


@adagrad_norm_step.cost
def _(g, lr, grad_scale, square_sum, p, **_):
    return Cost(bytes=update_bytes(g, p), operations=5 * p.size)
