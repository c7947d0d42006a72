// The mathematical functions that CUDA C++ provides without an include, and conversions between bits and numbers.

#pragma once

#define EMULATOR_UNARY(name)                                                                          \
    extern "C" double name(double) noexcept;                                                          \
    extern "C" float name##f(float) noexcept;                                                         \
    inline float name(float x) { return name##f(x); }
EMULATOR_UNARY(sqrt)
EMULATOR_UNARY(cbrt)
EMULATOR_UNARY(exp)
EMULATOR_UNARY(exp2)
EMULATOR_UNARY(expm1)
EMULATOR_UNARY(log)
EMULATOR_UNARY(log2)
EMULATOR_UNARY(log10)
EMULATOR_UNARY(log1p)
EMULATOR_UNARY(sin)
EMULATOR_UNARY(cos)
EMULATOR_UNARY(tan)
EMULATOR_UNARY(asin)
EMULATOR_UNARY(acos)
EMULATOR_UNARY(atan)
EMULATOR_UNARY(sinh)
EMULATOR_UNARY(cosh)
EMULATOR_UNARY(tanh)
EMULATOR_UNARY(erf)
EMULATOR_UNARY(erfc)
EMULATOR_UNARY(fabs)
EMULATOR_UNARY(floor)
EMULATOR_UNARY(ceil)
EMULATOR_UNARY(trunc)
EMULATOR_UNARY(round)
EMULATOR_UNARY(rint)

#define EMULATOR_BINARY(name)                                                                         \
    extern "C" double name(double, double) noexcept;                                                  \
    extern "C" float name##f(float, float) noexcept;                                                  \
    inline float name(float x, float y) { return name##f(x, y); }
EMULATOR_BINARY(pow)
EMULATOR_BINARY(fmod)
EMULATOR_BINARY(atan2)
EMULATOR_BINARY(hypot)
EMULATOR_BINARY(fmin)
EMULATOR_BINARY(fmax)
EMULATOR_BINARY(copysign)

extern "C" double fma(double, double, double) noexcept;
extern "C" float fmaf(float, float, float) noexcept;
extern "C" float ldexpf(float, int) noexcept;
inline float fma(float x, float y, float z) { return fmaf(x, y, z); }
inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
inline float fdividef(float x, float y) { return x / y; }

inline bool isnan(float x) { return __builtin_isnan(x); }
inline bool isinf(float x) { return __builtin_isinf(x); }
inline bool isfinite(float x) { return __builtin_isfinite(x); }
inline bool signbit(float x) { return __builtin_signbit(x); }

// The fast intrinsics: as accurate as the others here, less accurate on a GPU.
inline float __expf(float x) { return expf(x); }
inline float __exp10f(float x) { return powf(10.0f, x); }
inline float __logf(float x) { return logf(x); }
inline float __log2f(float x) { return log2f(x); }
inline float __sinf(float x) { return sinf(x); }
inline float __cosf(float x) { return cosf(x); }
inline float __powf(float x, float y) { return powf(x, y); }
inline float __fdividef(float x, float y) { return x / y; }
inline float __saturatef(float x) { return x > 0 ? (x < 1 ? x : 1.0f) : 0.0f; }

// Rounded to nearest, and never contracted to a multiply-add.
inline float __fadd_rn(float x, float y) { return x + y; }
inline float __fsub_rn(float x, float y) { return x - y; }
inline float __fmul_rn(float x, float y) { return x * y; }
inline float __fdiv_rn(float x, float y) { return x / y; }
inline float __fmaf_rn(float x, float y, float z) { return fmaf(x, y, z); }
inline float __frcp_rn(float x) { return 1.0f / x; }
inline float __fsqrt_rn(float x) { return sqrtf(x); }
inline float __frsqrt_rn(float x) { return 1.0f / sqrtf(x); }

#define EMULATOR_ORDER(T)                                                                             \
    constexpr T min(T x, T y) { return y < x ? y : x; }                                               \
    constexpr T max(T x, T y) { return x < y ? y : x; }
EMULATOR_ORDER(int)
EMULATOR_ORDER(unsigned)
EMULATOR_ORDER(long)
EMULATOR_ORDER(unsigned long)
EMULATOR_ORDER(long long)
EMULATOR_ORDER(unsigned long long)
inline float min(float x, float y) { return fminf(x, y); }
inline float max(float x, float y) { return fmaxf(x, y); }
inline double min(double x, double y) { return fmin(x, y); }
inline double max(double x, double y) { return fmax(x, y); }
constexpr unsigned min(int x, unsigned y) { return min(static_cast<unsigned>(x), y); }
constexpr unsigned min(unsigned x, int y) { return min(x, static_cast<unsigned>(y)); }
constexpr unsigned max(int x, unsigned y) { return max(static_cast<unsigned>(x), y); }
constexpr unsigned max(unsigned x, int y) { return max(x, static_cast<unsigned>(y)); }
constexpr int abs(int x) { return x < 0 ? -x : x; }
constexpr long long abs(long long x) { return x < 0 ? -x : x; }
inline float abs(float x) { return fabsf(x); }
inline double abs(double x) { return fabs(x); }

// ---- bits ----

namespace emulator {
template <typename To, typename From>
To same_bits(From from) {
    static_assert(sizeof(To) == sizeof(From), "");
    To to;
    __builtin_memcpy(&to, &from, sizeof to);
    return to;
}
}  // namespace emulator

inline int __float_as_int(float v) { return emulator::same_bits<int>(v); }
inline unsigned __float_as_uint(float v) { return emulator::same_bits<unsigned>(v); }
inline float __int_as_float(int v) { return emulator::same_bits<float>(v); }
inline float __uint_as_float(unsigned v) { return emulator::same_bits<float>(v); }
inline long long __double_as_longlong(double v) { return emulator::same_bits<long long>(v); }
inline double __longlong_as_double(long long v) { return emulator::same_bits<double>(v); }

inline unsigned __umulhi(unsigned x, unsigned y) { return static_cast<unsigned long long>(x) * y >> 32; }
inline int __mulhi(int x, int y) { return static_cast<long long>(x) * y >> 32; }
inline unsigned long long __umul64hi(unsigned long long x, unsigned long long y) {
    return static_cast<unsigned __int128>(x) * y >> 64;
}
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(int x) { return x ? __builtin_clz(x) : 32; }
inline int __clzll(long long x) { return x ? __builtin_clzll(x) : 64; }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline unsigned __brev(unsigned x) {
    unsigned reversed = 0;
    for (int i = 0; i < 32; ++i) reversed |= (x >> i & 1u) << (31 - i);
    return reversed;
}
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned by) {
    return ((static_cast<unsigned long long>(high) << 32 | low) << (by & 31)) >> 32;
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned by) {
    return (static_cast<unsigned long long>(high) << 32 | low) >> (by & 31);
}
inline int __float2int_rn(float x) { return static_cast<int>(rintf(x)); }
inline int __float2int_rz(float x) { return static_cast<int>(x); }
inline int __float2int_rd(float x) { return static_cast<int>(floorf(x)); }
inline int __float2int_ru(float x) { return static_cast<int>(ceilf(x)); }
