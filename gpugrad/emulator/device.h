// The emulator's replacement for NVRTC's built-in names, and for the functions of gpugrad.cuh that contain PTX.

#pragma once

#include "runtime.h"

#include "mathematics.h"
#include "vectors.h"

#define __global__
#define __device__
#define __host__
#define __constant__ static const
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(n) alignas(n)

using size_t = decltype(sizeof(0));

// ---- indices and sizes ----

#define threadIdx (emulator_thread_index())
#define blockIdx (emulator_block_index())
#define blockDim (emulator_block_size())
#define gridDim (emulator_grid_size())
constexpr int warpSize = 32;

// ---- shared memory: compiler.py rewrites `__shared__ T name[n];` with SHARED ----
//
// Static, so that a lambda need not capture it; thread-local, since each host thread runs its own block. The array is
// allocated at its first use and poisoned when a block begins.

namespace emulator {
template <typename T>
T& shared() {
    return *static_cast<T*>(emulator_static_shared(sizeof(T)));
}
}  // namespace emulator

#define SHARED(name, ...) static thread_local auto& name = emulator::shared<__VA_ARGS__>()
#define DYNAMIC_SHARED(type, name) type* const name = static_cast<type*>(emulator_dynamic_shared())

// ---- barriers, votes, shuffles ----

#define PLACE emulator::Place place = {__builtin_FILE(), __builtin_LINE()}

inline void __syncthreads(PLACE) { emulator_barrier(emulator::Combine::none, 0, place); }
inline int __syncthreads_count(int p, PLACE) { return emulator_barrier(emulator::Combine::count, p, place); }
inline int __syncthreads_and(int p, PLACE) { return emulator_barrier(emulator::Combine::all, p, place); }
inline int __syncthreads_or(int p, PLACE) { return emulator_barrier(emulator::Combine::any, p, place); }

inline void __syncwarp(unsigned mask = 0xffffffffu, PLACE) {
    emulator_together(emulator::Together::sync, mask, nullptr, nullptr, place);
}

// The hardware decides which lanes run together; this lane alone is one correct answer.
inline unsigned __activemask() { return 1u << emulator_lane(); }

inline unsigned __ballot_sync(unsigned mask, int predicate, PLACE) {
    unsigned bits;
    emulator_together(emulator::Together::vote, mask, &predicate, &bits, place);
    return bits;
}
inline int __any_sync(unsigned mask, int predicate, PLACE) { return __ballot_sync(mask, predicate, place) != 0; }
inline int __all_sync(unsigned mask, int predicate, PLACE) { return __ballot_sync(mask, predicate, place) == mask; }

namespace emulator {
template <typename T>
T shuffle(unsigned mask, T value, int source, Place place) {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8, "shuffles move 4 or 8 bytes");
    Shuffle in{0, source};
    unsigned long long out;
    __builtin_memcpy(&in.value, &value, sizeof(T));
    emulator_together(Together::shuffle, mask, &in, &out, place);
    __builtin_memcpy(&value, &out, sizeof(T));
    return value;
}
}  // namespace emulator

// A lane whose source is outside its segment of `width` lanes gets its own value.
template <typename T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, PLACE) {
    const int lane = emulator_lane();
    return emulator::shuffle(mask, value, (lane & ~(width - 1)) | (source & (width - 1)), place);
}
template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, PLACE) {
    const int lane = emulator_lane(), source = lane - static_cast<int>(delta);
    return emulator::shuffle(mask, value, source < (lane & ~(width - 1)) ? lane : source, place);
}
template <typename T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, PLACE) {
    const int lane = emulator_lane(), source = lane + static_cast<int>(delta);
    return emulator::shuffle(mask, value, source > (lane | (width - 1)) ? lane : source, place);
}
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int other, int width = 32, PLACE) {
    const int lane = emulator_lane(), source = lane ^ other;
    return emulator::shuffle(mask, value, source > (lane | (width - 1)) ? lane : source, place);
}

#define EMULATOR_REDUCE(name, T, what)                                                                \
    inline T __reduce_##name##_sync(unsigned mask, T value, PLACE) {                                  \
        T result;                                                                                     \
        emulator_together(emulator::Together::what, mask, &value, &result, place);                    \
        return result;                                                                                \
    }
EMULATOR_REDUCE(add, int, add)
EMULATOR_REDUCE(add, unsigned, add)
EMULATOR_REDUCE(min, int, minimum)
EMULATOR_REDUCE(min, unsigned, least)
EMULATOR_REDUCE(max, int, maximum)
EMULATOR_REDUCE(max, unsigned, most)
EMULATOR_REDUCE(and, unsigned, conjunction)
EMULATOR_REDUCE(or, unsigned, disjunction)
EMULATOR_REDUCE(xor, unsigned, exclusive)

// ---- atomics on integers; none on floats, since an atomic float sum depends on the order ----

#define EMULATOR_ATOMIC(name, T, bits, what)                                                          \
    inline T name(T* p, T value) { return emulator_atomic##bits(p, emulator::Atomic::what, value, 0); }
#define EMULATOR_ATOMICS(T, bits, minimum, maximum)                                                   \
    EMULATOR_ATOMIC(atomicAdd, T, bits, add)                                                          \
    EMULATOR_ATOMIC(atomicMin, T, bits, minimum)                                                      \
    EMULATOR_ATOMIC(atomicMax, T, bits, maximum)                                                      \
    EMULATOR_ATOMIC(atomicAnd, T, bits, conjunction)                                                  \
    EMULATOR_ATOMIC(atomicOr, T, bits, disjunction)                                                   \
    EMULATOR_ATOMIC(atomicXor, T, bits, exclusive)                                                    \
    EMULATOR_ATOMIC(atomicExch, T, bits, exchange)                                                    \
    inline T atomicCAS(T* p, T expected, T value) {                                                   \
        return emulator_atomic##bits(p, emulator::Atomic::compare, expected, value);                  \
    }
EMULATOR_ATOMICS(int, 32, minimum, maximum)
EMULATOR_ATOMICS(unsigned, 32, least, most)
EMULATOR_ATOMICS(unsigned long long, 64, least, most)
EMULATOR_ATOMIC(atomicInc, unsigned, 32, increment)
EMULATOR_ATOMIC(atomicDec, unsigned, 32, decrement)
inline int atomicSub(int* p, int value) { return atomicAdd(p, -value); }
inline unsigned atomicSub(unsigned* p, unsigned value) { return atomicAdd(p, 0u - value); }

// Threads of the emulator see each other's writes immediately.
inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __threadfence_system() {}

inline void __trap(PLACE) { emulator_trap(place); }

template <typename T>
T __ldg(const T* p) {
    return *p;
}

// ---- functions that contain PTX in gpugrad.cuh ----

inline void copy_async_16(void* shared, const void* global, bool valid) {
    emulator_copy_async(shared, global, 16, valid);
}
inline void copy_async_4(void* shared, const void* global, bool valid) {
    emulator_copy_async(shared, global, 4, valid);
}
inline void copy_async_commit() { emulator_copy_commit(); }
template <int PENDING>
void copy_async_wait() {
    emulator_copy_wait(PENDING);
}

// Round to nearest, ties away from zero: add half of the last of 10 mantissa bits, then drop the bits below it.
inline unsigned to_tf32(float v) {
    const unsigned bits = __float_as_uint(v);
    return (bits & 0x7f800000u) == 0x7f800000u ? bits : (bits + 0x1000u) & 0xffffe000u;
}

unsigned round_to_bf16(float v);  // in gpugrad.cuh
inline unsigned pack_bf16(float low, float high) {
    return (round_to_bf16(low) >> 16) | (round_to_bf16(high) & 0xffff0000u);
}

inline void mma_tf32_16x8x8(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2], PLACE) {
    const emulator::Matrices in{d, a, b};
    emulator_together(emulator::Together::mma_tf32, 0xffffffffu, &in, nullptr, place);
}
inline void mma_bf16_16x8x16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2], PLACE) {
    const emulator::Matrices in{d, a, b};
    emulator_together(emulator::Together::mma_bf16, 0xffffffffu, &in, nullptr, place);
}

struct half_bits;
float to_float(half_bits v);  // in half.h, included after gpugrad.cuh

#undef PLACE
