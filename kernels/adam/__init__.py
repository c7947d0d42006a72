"""Adam and AdamW: one launch over flat buffers.

    t ← step + 1;  g ← grad_scale·g  (−g to maximize)
    Adam:  g ← g + weight_decay·p        AdamW (decoupled):  p ← p − lr·weight_decay·p
    m ← beta1·m + (1 − beta1)·g          v ← beta2·v + (1 − beta2)·g²
    c1 = 1 − beta1^t, c2 = 1 − beta2^t   (amsgrad: v_max ← max(v_max, v) takes the place of v below)
    p ← p − lr·(m/c1) / (√(v/c2) + eps)   or with eps_hat   p ← p − lr·(√c2/c1)·m / (√v + eps)
    step ← t

eps_hat is the ε̂ at the end of section 2 of the paper, of scikit-learn and TensorFlow: in the first step it counts
1/√(1 − beta2) times as much, 32 by default. c2 is computed as −expm1(t·ln beta2) with the logarithm taken in double
precision: 1 − beta2^t in single precision is wrong by 3e-5 of its value in the first steps. Kingma & Ba,
arXiv:1412.6980; decoupled decay: Loshchilov & Hutter, arXiv:1711.05101; amsgrad: Reddi et al., arXiv:1904.09237.
"""

from __future__ import annotations

import numpy as np

from ..contract import Cost, Example, check_range, contract
from ..update_contract import check_update, draw_measured_update, draw_update, update_bytes


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
    """One step of Adam, or of AdamW if `decoupled`.

    g, p, m, v (n,): gradient, parameters, first and second moment; float32 or float64, all the same.
    v_max (n,): largest second moment so far, for amsgrad; None without.
    lr (1,), grad_scale (1,) or None (1): of the dtype of p; device words, so that a replayed step sees them change.
    step (1,) int32: steps taken so far; incremented.
    """
    check_update(g, lr, grad_scale, p, weight_decay=weight_decay, step=step, m=m, v=v, v_max=v_max)
    check_range("beta1", beta1, 0.0, np.nextafter(1.0, 0.0))
    check_range("beta2", beta2, 0.0, np.nextafter(1.0, 0.0))
    check_range("eps", eps, 0.0)


@adam_step.examples
def _(rng):
    for reason, update in draw_update(rng):
        n = update["p"].size
        for label, scalars in {
            "Adam": {},
            "Adam with decay": {"weight_decay": 0.1, "eps": 1e-3},
            "AdamW": {"weight_decay": 0.1, "decoupled": True},
            "amsgrad, maximizing": {"maximize": True, "beta1": 0.5, "beta2": 0.9},
            "eps_hat": {"eps": 0.1, "eps_hat": True},
        }.items():
            v = rng.uniform(0, 2, n).astype(np.float32)
            arrays = {
                **update,
                "m": rng.normal(size=n).astype(np.float32),
                "v": v,
                "v_max": v * 1.5 if "amsgrad" in label else None,
                "step": np.array([7], np.int32),
            }
            yield Example(f"{label}, {reason}", arrays, scalars)
    arrays = {
        "g": np.array([0.5, -2.0, 0.0], np.float32),
        "lr": np.array([0.1], np.float32),
        "grad_scale": None,
        "p": np.ones(3, np.float32),
        "m": np.zeros(3, np.float32),
        "v": np.zeros(3, np.float32),
        "v_max": None,
        "step": np.zeros(1, np.int32),
    }
    yield Example("the first step, where 1 − beta2^t is smallest", arrays, {})


@adam_step.workloads
def _(rng):
    for size, update in draw_measured_update(rng):
        state = {name: np.zeros_like(update["p"]) for name in ("m", "v")}
        yield Example(size, {**update, **state, "v_max": None, "step": np.zeros(1, np.int32)}, {})


@adam_step.cost
def _(g, lr, grad_scale, p, m, v, v_max, step, **_):
    return Cost(bytes=update_bytes(g, p, m, v, v_max), operations=14 * p.size)
