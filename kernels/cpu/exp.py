"""e^x for x ≤ 0 and ln x for x ≥ 1 in compiled CPU loops: in float32, polynomials that the compiler vectorizes.

`math.exp` in a loop costs one library call per element; this takes less than half the time of np.exp.
"""

import functools
import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from .options import compile_inline
from .private import LINKED_OPTIONS

# Without "reassoc": the range reduction below depends on the order of its subtractions.
OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}
IN_ORDER: dict[str, Any] = {**LINKED_OPTIONS, **OPTIONS, "forceinline": True}  # for `overload(jit_options=)`

_compile = functools.partial(compile_inline, **OPTIONS)

ONE = np.float32(1)
LOWEST = np.float32(-88)  # there 2^n is 2^−127, whose exponent bits are all 0
LOG2_E = np.float32(math.log2(math.e))
# ln 2 as a sum: the first term has so few bits that n times it is exact.
LN2_HIGH = np.float32(0.693359375)
LN2_LOW = np.float32(math.log(2) - 0.693359375)
# (e^r − 1 − r) / r² for |r| ≤ ln(2)/2, fitted to a relative error of e^r of 3e-9.
C2, C3, C4, C5, C6 = np.array([0.49999994, 0.16666521, 0.04166839, 0.008368745, 0.001381454], np.float32)
MANTISSA_BITS = np.int32(23)
EXPONENT_BIAS = np.int32(127)
# Adding this rounds to an integer: the lowest bits of the sum hold it, biased like an exponent.
TO_INTEGER = np.float32(1.5 * 2**23 + 127)


@_compile
def _exp_negative_float32(x):
    # e^x = 2^n · e^r, with 2^n built from its bits.
    bounded = LOWEST if x < LOWEST else x  # NaN fails the comparison and stays NaN
    rounded = bounded * LOG2_E + TO_INTEGER
    n = rounded - TO_INTEGER
    r = (bounded - n * LN2_HIGH) - n * LN2_LOW
    series = ONE + r * (ONE + r * (C2 + r * (C3 + r * (C4 + r * (C5 + r * C6)))))
    power = np.int32(np.float32(rounded).view(np.int32) << MANTISSA_BITS).view(np.float32)
    return series * power


def exp_negative(x):
    """Return e^x for x ≤ 0: float32 to 1 ulp (0 below −87.7), float64 by math.exp; NaN stays NaN."""
    return math.exp(x)


@overload(exp_negative, jit_options=IN_ORDER)
def _(x):
    if x == types.float32:
        return lambda x: _exp_negative_float32(x)
    return exp_negative


MANTISSA = np.int32((1 << 23) - 1)
ONE_BITS = np.int32(127 << 23)
HALF, TWO, ROOT_2 = np.float32(0.5), np.float32(2), np.float32(math.sqrt(2))
A3, A5, A7, A9 = (np.float32(1 / k) for k in (3, 5, 7, 9))


@_compile
def _log_above_one_float32(x):
    # x = 2^n · m with m in [√½, √2], and ln m = 2 artanh(s), s = (m − 1) / (m + 1), by five terms of its series.
    bits = np.float32(x).view(np.int32)
    m = np.int32((bits & MANTISSA) | ONE_BITS).view(np.float32)
    n = np.float32((bits >> MANTISSA_BITS) - EXPONENT_BIAS)
    high = m > ROOT_2
    m = m * HALF if high else m
    n = n + ONE if high else n
    s = (m - ONE) / (m + ONE)
    s2 = s * s
    series = TWO * s * (ONE + s2 * (A3 + s2 * (A5 + s2 * (A7 + s2 * A9))))
    return n * LN2_HIGH + (series + n * LN2_LOW) if x == x else x


def log_above_one(x):
    """Return ln x for 1 ≤ x < ∞: float32 to 3 ulp, float64 by math.log; NaN stays NaN."""
    return math.log(x)


@overload(log_above_one, jit_options=IN_ORDER)
def _(x):
    if x == types.float32:
        return lambda x: _log_above_one_float32(x)
    return log_above_one
