// float16 to float, for the struct defined in gpugrad.cuh; include after it.

#pragma once

inline float to_float(half_bits v) {
    const unsigned sign = (v.bits & 0x8000u) << 16, exponent = v.bits >> 10 & 31u, mantissa = v.bits & 0x3ffu;
    if (exponent == 31) return __uint_as_float(sign | 0x7f800000u | mantissa << 13);
    if (exponent == 0) return __uint_as_float(sign | __float_as_uint(ldexpf(static_cast<float>(mantissa), -24)));
    return __uint_as_float(sign | (exponent + 112) << 23 | mantissa << 13);
}
