"""Functions that the translated blocks call: arithmetic of PTX on NumPy arrays and scalars."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .fused import (  # noqa: F401  (the translated blocks see this file's names)
    add_ftz,
    flush,
    fma,
    fma64,
    fma_ftz,
    maximum,
    maximum_nan,
    minimum,
    minimum_nan,
    mul_ftz,
    sub_ftz,
)

F4, F8, U4, U8 = np.dtype("f4"), np.dtype("f8"), np.dtype("u4"), np.dtype("u8")


def select(p: Any, a: Any, b: Any) -> Any:
    """Return a where p, else b."""
    return np.where(p, a, b) if p.shape else (a if p else b)


def narrow(v: Any, dtype: np.dtype) -> Any:
    """Return the low bits as another type."""
    return v.view(f"u{v.dtype.itemsize}").astype(f"u{dtype.itemsize}").view(dtype)


def extend(v: Any, dtype: np.dtype, own: np.dtype) -> Any:
    """Return a value of `dtype` in a register of `own`: zero- or sign-extended if it is wider."""
    if dtype.itemsize > own.itemsize:
        return narrow(v, own)
    if dtype.kind == "f":
        return v.view(f"u{dtype.itemsize}").astype(f"u{own.itemsize}").view(own)
    return v.astype(own) if own.kind != "f" else v.astype(f"u{own.itemsize}").view(own)


# ---- integers ----


def quotient(a: Any, b: Any) -> Any:
    """Divide, rounded towards zero."""
    q = a // b  # rounded down
    return q if a.dtype.kind == "u" else q + ((q < 0) & (q * b != a)).astype(q.dtype)


def high_product(a: Any, b: Any) -> Any:
    """Return the upper half of the product."""
    if a.dtype.itemsize < 8:
        bits = 8 * a.dtype.itemsize
        wide = np.dtype(f"{a.dtype.kind}{2 * a.dtype.itemsize}")
        return ((a.astype(wide) * b.astype(wide)) >> wide.type(bits)).astype(a.dtype)
    x, y = (np.asarray(v).view(U8) for v in (a, b))
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    xl, xh, yl, yh = x & low, x >> half, y & low, y >> half
    middle = xh * yl + ((xl * yl) >> half)
    high = xh * yh + (middle >> half) + (((middle & low) + xl * yh) >> half)
    if a.dtype.kind == "i":
        high = high - np.where(a < 0, y, 0).astype(U8) - np.where(b < 0, x, 0).astype(U8)
    return high.view(a.dtype)


def saturated_integer(v: Any) -> Any:
    """Clip 64-bit integers to 32 bits."""
    return np.clip(v, -(2**31), 2**31 - 1).astype("i4")


def clipped(v: Any, dtype: np.dtype) -> Any:
    """Clip integers to another type's range."""
    limits, own = np.iinfo(dtype), np.iinfo(v.dtype)
    return np.clip(v, max(limits.min, own.min), min(limits.max, own.max)).astype(dtype)


def shift_left(v: Any, n: Any) -> Any:
    """Shift; by the width or more, to zero."""
    bits = 8 * v.dtype.itemsize
    if not n.shape:
        return v << v.dtype.type(n) if n < bits else v & v.dtype.type(0)
    return np.where(n < bits, v << np.minimum(n, U4.type(bits - 1)).astype(v.dtype), v.dtype.type(0))


def shift_right(v: Any, n: Any) -> Any:
    """Shift; by the width or more, to zero, or to the sign of a signed number."""
    bits = 8 * v.dtype.itemsize
    if v.dtype.kind == "i":
        return v >> np.minimum(n, U4.type(bits - 1)).astype(v.dtype)
    if not n.shape:
        return v >> v.dtype.type(n) if n < bits else v & v.dtype.type(0)
    return np.where(n < bits, v >> np.minimum(n, U4.type(bits - 1)).astype(v.dtype), v.dtype.type(0))


def _funnel_amount(n: Any, mode: str) -> Any:
    return ((n & U4.type(31)) if mode == "wrap" else np.minimum(n, U4.type(32))).astype(U8)


def funnel_l(low: Any, high: Any, n: Any, mode: str) -> Any:
    """Return the upper word of high:low shifted left."""
    whole = (high.astype(U8) << U8.type(32)) | low
    return ((whole << _funnel_amount(n, mode)) >> U8.type(32)).astype(U4)


def funnel_r(low: Any, high: Any, n: Any, mode: str) -> Any:
    """Return the lower word of high:low shifted right."""
    whole = (high.astype(U8) << U8.type(32)) | low
    return (whole >> _funnel_amount(n, mode)).astype(U4)


def bit_insert(a: Any, b: Any, place: Any, length: Any) -> Any:
    """Return b with the low `length` bits of a at `place`; bits beyond the word are lost."""
    place, length = place & U4.type(255), length & U4.type(255)
    one = a.dtype.type(1)
    mask = shift_left(shift_left(a * a.dtype.type(0) + one, length) - one, place)
    return (shift_left(a, place) & mask) | (b & ~mask)


def bit_extract(a: Any, place: Any, length: Any) -> Any:
    """Return `length` bits of a from `place` on, sign-extended if a is signed."""
    bits = 8 * a.dtype.itemsize
    place, length = place & U4.type(255), length & U4.type(255)
    kept = np.minimum(length, U4.type(bits))
    unsigned = a.view(f"u{a.dtype.itemsize}")
    one = unsigned.dtype.type(1)
    mask = shift_left(unsigned * unsigned.dtype.type(0) + one, kept) - one
    if a.dtype.kind == "u":
        return shift_right(unsigned, place) & mask
    last = np.minimum(place + length - U4.type(1), U4.type(bits - 1))  # the bit that is the sign
    sign = (shift_right(unsigned, last) & one).astype(bool) & (length > 0)
    field = shift_right(unsigned, place) & mask
    held = np.where(place < bits, np.minimum(kept, U4.type(bits) - np.minimum(place, U4.type(bits))), U4.type(0))
    above = ~(shift_left(unsigned * unsigned.dtype.type(0) + one, held) - one)
    return np.where(sign, field | above, field).view(a.dtype)


def lop3(a: Any, b: Any, c: Any, table: int) -> Any:
    """Return the bitwise function of three words that the table gives."""
    result: Any = U4.type(0)
    for k in range(8):
        if table >> k & 1:
            result = result | ((a if k & 4 else ~a) & (b if k & 2 else ~b) & (c if k & 1 else ~c))
    return result


def permute(a: Any, b: Any, selector: Any) -> Any:
    """Return four bytes of b:a that the selector names; with its upper bit, a byte of copies of its sign."""
    whole = a.astype(U8) | (b.astype(U8) << U8.type(32))
    result: Any = U4.type(0)
    for k in range(4):
        nibble = selector >> U4.type(4 * k)
        byte = (whole >> ((nibble & U4.type(7)).astype(U8) * U8.type(8))).astype(U4) & U4.type(255)
        sign = np.where(byte & U4.type(128), U4.type(255), U4.type(0))
        byte = np.where(nibble & U4.type(8), sign, byte)
        result = result | (byte << U4.type(8 * k))
    return result


def highest_bit(v: Any, as_shift: bool) -> Any:
    """Return the place of the highest bit that differs from the sign, or of its distance from the top; else −1."""
    bits = 8 * v.dtype.itemsize
    pattern = v if v.dtype.kind == "u" else np.where(v < 0, ~v, v).view(f"u{v.dtype.itemsize}")
    place = (bits - 1 - leading_zeros(pattern)).astype("i4")
    return np.where(place < 0, np.int32(-1), bits - 1 - place) if as_shift else place


def leading_zeros(v: Any) -> Any:
    """Return the number of zeros above the highest bit."""
    bits = 8 * v.dtype.itemsize
    for shift in (1, 2, 4, 8, 16, 32):
        if shift < bits:
            v = v | (v >> v.dtype.type(shift))
    return (bits - np.bitwise_count(v)).astype("i4")


def reversed_bits(v: Any) -> Any:
    """Return the bits in the opposite order."""
    bits = 8 * v.dtype.itemsize
    result = v.dtype.type(0)
    for k in range(bits):
        result = result | (((v >> v.dtype.type(k)) & v.dtype.type(1)) << v.dtype.type(bits - 1 - k))
    return result


# ---- floating point ----


def is_finite(v: Any) -> Any:
    """Return where a number is finite."""
    return np.isfinite(v)


def is_infinite(v: Any) -> Any:
    """Return where a number is infinite."""
    return np.isinf(v)


def is_number(v: Any) -> Any:
    """Return where a number is no NaN."""
    return v == v


def is_notanumber(v: Any) -> Any:
    """Return where a number is a NaN."""
    return v != v


def is_normal(v: Any) -> Any:
    """Return where a number is normal."""
    return np.isfinite(v) & (np.abs(v) >= np.finfo(v.dtype).tiny)


def is_subnormal(v: Any) -> Any:
    """Return where a number is subnormal."""
    return (v != 0) & (np.abs(v) < np.finfo(v.dtype).tiny)


def saturate(v: Any) -> Any:
    """Clip to [0, 1]; NaN becomes 0."""
    return np.fmin(np.fmax(v, v.dtype.type(0)), v.dtype.type(1))


def _directed(near_double: Any, rest: Any, direction: str) -> Any:
    """Round near_double + rest, an exact sum, to single precision in a direction."""
    near = near_double.astype(F4)
    above = (near > near_double) | ((near == near_double) & (rest < 0))
    below = (near < near_double) | ((near == near_double) & (rest > 0))
    down, up = np.nextafter(near, np.float32(-np.inf)), np.nextafter(near, np.float32(np.inf))
    if direction == "rm":
        return np.where(above, down, near)
    if direction == "rp":
        return np.where(below, up, near)
    positive = (near_double > 0) | ((near_double == 0) & (rest > 0))
    return np.where(positive, np.where(above, down, near), np.where(below, up, near))


def _exact_sum(a: Any, b: Any) -> tuple[Any, Any]:
    """Return a + b in double precision, and the rounding error of that."""
    total = a + b
    part = total - a
    error = (a - (total - part)) + (b - part)
    return total, np.where(np.isfinite(total), error, 0)


def rounded_sum(a: Any, b: Any, direction: str) -> Any:
    """Add in single precision, rounded in a direction."""
    return _directed(*_exact_sum(np.asarray(a, F8), np.asarray(b, F8)), direction)


def rounded_difference(a: Any, b: Any, direction: str) -> Any:
    """Subtract in single precision, rounded in a direction."""
    return rounded_sum(a, -b, direction)


def rounded_product(a: Any, b: Any, direction: str) -> Any:
    """Multiply in single precision, rounded in a direction; the product of two floats is exact as a double."""
    product = np.asarray(a, F8) * b
    return _directed(product, np.zeros_like(product), direction)


def rounded_fma(a: Any, b: Any, c: Any, direction: str) -> Any:
    """Return a·b + c in single precision, rounded once, in a direction."""
    return _directed(*_exact_sum(np.asarray(a, F8) * b, np.asarray(c, F8)), direction)


def rounded(v: Any, direction: str) -> Any:
    """Round double to single precision in a direction."""
    return _directed(v, np.zeros_like(v), direction)


def rounded_integer(v: Any, direction: str) -> Any:
    """Convert integers to single precision, rounded in a direction."""
    high = np.asarray((v >> v.dtype.type(16)) if v.dtype.itemsize > 2 else v * v.dtype.type(0), F8) * 65536.0
    low = np.asarray(v & v.dtype.type(0xFFFF) if v.dtype.itemsize > 2 else v, F8)
    return _directed(*_exact_sum(high, low), direction)


def to_integer(v: Any, dtype: np.dtype, whole: Callable[[Any], Any]) -> Any:
    """Round to a whole number and clip to the range; NaN becomes 0, or the upper bit alone in 64 bits."""
    limits = np.iinfo(dtype)
    number = whole(np.asarray(v, F8))
    inside = (number > limits.min) & (number < limits.max)
    result = np.where(inside, number, 0).astype(dtype)
    result = np.where(number >= limits.max, dtype.type(limits.max), result)
    result = np.where(number <= limits.min, dtype.type(limits.min), result)
    wide = dtype.itemsize == 8 or v.dtype.itemsize == 8
    of_nan = (limits.min if dtype.kind == "i" else limits.max // 2 + 1) if wide else 0
    return np.where(v != v, dtype.type(of_nan), result)


def to_tf32(v: Any) -> Any:
    """Round to TF32, ties away from zero."""
    bits = v.view(U4)
    return np.where(v != v, U4.type(0x7FFFFFFF), (bits + U4.type(0x1000)) & U4.type(0xFFFFE000))


def to_bf16(v: Any) -> Any:
    """Round to bfloat16, ties to even; the result is a 16-bit pattern."""
    bits = v.view(U4)
    near = (bits + U4.type(0x7FFF) + ((bits >> U4.type(16)) & U4.type(1))) >> U4.type(16)
    return np.where(v != v, U4.type(0x7FFF), near).astype("u2")


def to_bf16x2(high: Any, low: Any) -> Any:
    """Round two numbers to bfloat16, in one word."""
    return (to_bf16(high).astype(U4) << U4.type(16)) | to_bf16(low)
