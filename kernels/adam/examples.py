"""Examples and workloads of Adam."""

from __future__ import annotations

import numpy as np

from ..contract import Example
from ..update_contract import draw_measured_update, draw_update
from . import adam_step


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
