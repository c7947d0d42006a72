"""Binary cross-entropy compiled for the CPU: one pass, vectorized along the outputs."""

import math

import numpy as np
from numba import types
from numba.extending import overload

from ..cpu.exp import exp_negative
from ..cpu.options import compile_cpu
from ..cpu.program import loops_only
from ..cpu.team import spread

C1, C3, C5, C7, C9, C11, C13 = (np.float32(1 / k) for k in range(1, 14, 2))
TWO = np.float32(2)


def log1p_fraction(u):
    """Return ln(1 + u) for u in [0, 1]: float32 to 2 ulps, float64 by math.log1p. For compiled code only."""
    raise NotImplementedError("log1p_fraction is called from compiled loops")


@overload(log1p_fraction)
def _(u):
    if u != types.float32:
        return lambda u: math.log1p(u)

    def series(u):
        # ln(1 + u) = 2·artanh s = 2·(s + s³/3 + s⁵/5 + …) with s = u/(2 + u) ≤ 1/3: seven terms leave 2e-8. Unlike
        # the library's log1p, a call of 15 ns, it is vectorized.
        s = u / (TWO + u)
        q = s * s
        return TWO * s * (C1 + q * (C3 + q * (C5 + q * (C7 + q * (C9 + q * (C11 + q * C13))))))

    return series


@compile_cpu
def _losses(logits, targets, sample_weight, losses, dlogits, pos_weight, norm):
    number = logits.dtype.type
    one, zero = number(1), number(0)
    for i in range(logits.shape[0]):
        scale = (one if sample_weight is None else sample_weight[i]) / norm[0]
        for j in range(logits.shape[1]):
            z, target = logits[i, j], targets[i, j]
            positive = target if pos_weight is None else pos_weight[j] * target
            negative = one - target
            small = exp_negative(-abs(z))
            correction = log1p_fraction(small)
            softplus = max(z, zero) + correction
            softplus_of_minus = max(-z, zero) + correction
            losses[i, j] = scale * (positive * softplus_of_minus + negative * softplus)
            if dlogits is not None:
                likely, unlikely = one / (one + small), small / (one + small)
                gradient = (
                    negative * likely - positive * unlikely if z >= zero else negative * unlikely - positive * likely
                )
                dlogits[i, j] = scale * gradient


@loops_only
def binary_cross_entropy(logits, targets, pos_weight, sample_weight, norm, losses, dlogits):
    spread(_losses, (logits, targets, sample_weight, losses, dlogits), pos_weight, norm, width=logits.shape[1])
