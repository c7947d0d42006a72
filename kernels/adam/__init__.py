"""Adam and AdamW: one launch over flat buffers.

    t ← step + 1;  g ← grad_scale·g  (−g to maximize)
    Adam:  g ← g + weight_decay·p        AdamW (decoupled):  p ← p − lr·weight_decay·p
    m ← beta1·m + (1 − beta1)·g          v ← beta2·v + (1 − beta2)·g²
    c1 = 1 − beta1^t, c2 = 1 − beta2^t   (amsgrad: v_max ← max(v_max, v) replaces v below)
    p ← p − lr·(m/c1) / (√(v/c2) + eps)   or with eps_hat   p ← p − lr·(√c2/c1)·m / (√v + eps)
    step ← t

eps_hat is the ε̂ at the end of section 2 of the paper, which scikit-learn and TensorFlow use: in the first step it has
1/√(1 − beta2) times the effect of eps, 32 times by default. c2 is computed as −expm1(t·ln beta2) with the logarithm in
double precision: 1 − beta2^t in single precision has a relative error of 3e-5 in the first steps.

References: Kingma & Ba, arXiv:1412.6980; decoupled decay: Loshchilov & Hutter, arXiv:1711.05101; amsgrad: Reddi et al.,
arXiv:1904.09237.
"""

from __future__ import annotations

import numpy as np

from ..contract import Cost, check_range, contract
from ..update_contract import check_update, update_bytes


@contract("p", "m", "v", "v_max", "step")
def adam_step(
    g,
    lr,
    grad_scale,
    p,
    m,
    v,
    v_max,
    step,
    *,
    beta1=0.9,
    beta2=0.999,
    eps=1e-8,
    eps_hat=False,
    weight_decay=0.0,
    decoupled=False,
    maximize=False,
):
    """Take one step of Adam, or of AdamW if `decoupled`.

    Arrays except `step` are float32 or float64, all the same, flat.

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
    m : array, (n,)
        First moment, updated in place.
    v : array, (n,)
        Second moment, updated in place.
    v_max : array, (n,), or None
        Largest second moment so far, for amsgrad, updated in place; None without amsgrad.
    step : array, (1,), int32
        Steps taken so far, incremented.
    beta1 : float, default 0.9
        Decay rate of the first moment, in [0, 1).
    beta2 : float, default 0.999
        Decay rate of the second moment, in [0, 1).
    eps : float, default 1e-8
        Added to the root, at least 0.
    eps_hat : bool, default False
        Whether eps is added before the bias correction of the root.
    weight_decay : float, default 0.0
        Factor of the decay, at least 0.
    decoupled : bool, default False
        Whether the decay is AdamW's.
    maximize : bool, default False
        Ascend instead of descend.

    Raises
    ------
    ArgumentError
        For another shape or dtype, or a scalar outside its range.
    """
    state = {"m": m, "v": v, "v_max": v_max, "step": step}
    check_update(g, lr, grad_scale, p, weight_decay=weight_decay, optional=("v_max",), **state)
    check_range("beta1", beta1, 0.0, np.nextafter(1.0, 0.0))
    check_range("beta2", beta2, 0.0, np.nextafter(1.0, 0.0))
    check_range("eps", eps, 0.0)


@adam_step.cost
def _(g, lr, grad_scale, p, m, v, v_max, step, **_):
    return Cost(bytes=update_bytes(g, p, m, v, v_max), operations=14 * p.size)
