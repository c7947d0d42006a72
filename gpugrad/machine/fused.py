"""Floating-point operations that NumPy does not have: fused products, flushed subnormals, minima by IEEE 754-2019.

Numba compiles them to one pass over the operands. Without Numba they take several passes, and a fused product goes by
way of double precision, which is wrong in about one of 2²⁹ roundings.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

TINY = np.finfo(np.float32).tiny  # the smallest normal number: with .ftz anything smaller counts as zero
ZERO = np.float32(0)

try:
    import numba
    from numba import types
    from numba.extending import intrinsic
except ImportError:
    numba = None  # type: ignore[assignment]

if numba is not None:

    @intrinsic  # type: ignore[misc]
    def _fused(context: Any, a: Any, b: Any, c: Any) -> Any:
        return a(a, b, c), lambda context, builder, signature, values: builder.fma(*values)

    @numba.njit(inline="always")
    def _flushed(x: Any) -> Any:
        return math.copysign(ZERO, x) if -TINY < x < TINY else x

    def _ufunc(arity: int, kinds: tuple = (types.float32,)) -> Any:
        signatures = [kind(*[kind] * arity) for kind in kinds]

        def compile_it(function: Any) -> Any:
            try:
                made = numba.vectorize(signatures, cache=True)(function)
            except RuntimeError:  # there is no folder for a cache
                made = numba.vectorize(signatures)(function)
            return getattr(made, "ufunc", made)  # without Numba's own wrapper, which costs a microsecond a call

        return compile_it

    both = (types.float32, types.float64)
    flush = _ufunc(1)(lambda x: _flushed(x))

    @_ufunc(3)
    def fma(a, b, c):
        return _fused(a, b, c)  # type: ignore[call-arg]

    @_ufunc(3, (types.float64,))
    def fma64(a, b, c):
        return _fused(a, b, c)  # type: ignore[call-arg]

    @_ufunc(3)
    def fma_ftz(a, b, c):
        return _flushed(_fused(_flushed(a), _flushed(b), _flushed(c)))  # type: ignore[call-arg]

    @_ufunc(2)
    def add_ftz(a, b):
        return _flushed(_flushed(a) + _flushed(b))

    @_ufunc(2)
    def sub_ftz(a, b):
        return _flushed(_flushed(a) - _flushed(b))

    @_ufunc(2)
    def mul_ftz(a, b):
        return _flushed(_flushed(a) * _flushed(b))

    @_ufunc(2, both)
    def minimum(a, b):
        if a != a:
            return b
        if a == b:
            return a if math.copysign(1.0, a) < 0 else b
        return b if b < a else a

    @_ufunc(2, both)
    def maximum(a, b):
        if a != a:
            return b
        if a == b:
            return b if math.copysign(1.0, a) < 0 else a
        return b if b > a else a

else:

    def flush(x: Any) -> Any:
        return np.where(np.abs(x) < TINY, np.copysign(ZERO, x), x)

    def fma(a: Any, b: Any, c: Any) -> Any:
        return (np.multiply(a, b, dtype=np.float64) + c).astype(np.float32)

    def fma64(a: Any, b: Any, c: Any) -> Any:
        return a * b + c

    def fma_ftz(a: Any, b: Any, c: Any) -> Any:
        return flush(fma(flush(a), flush(b), flush(c)))

    def add_ftz(a: Any, b: Any) -> Any:
        return flush(flush(a) + flush(b))

    def sub_ftz(a: Any, b: Any) -> Any:
        return flush(flush(a) - flush(b))

    def mul_ftz(a: Any, b: Any) -> Any:
        return flush(flush(a) * flush(b))

    def minimum(a: Any, b: Any) -> Any:
        return np.where((a == b) & np.signbit(a), a, np.fmin(b, a))

    def maximum(a: Any, b: Any) -> Any:
        return np.where((a == b) & ~np.signbit(a), a, np.fmax(b, a))


minimum_nan, maximum_nan = np.minimum, np.maximum
