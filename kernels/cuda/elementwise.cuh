// Elementwise loops: each element once, by one thread, in 16-byte accesses wherever the arrays allow it.
//
// Kernels with such a loop have __launch_bounds__(256, 4), which allows a thread 64 registers: with 256 alone, ptxas
// spills registers to fit eight blocks on a multiprocessor, although four keep it busy.

#pragma once

#include "gpugrad.cuh"

// ---- four elements of an array in one access ----

__device__ __forceinline__ float4 load_four(const float* p) { return *reinterpret_cast<const float4*>(p); }
__device__ __forceinline__ uchar4 load_four(const unsigned char* p) { return *reinterpret_cast<const uchar4*>(p); }

__device__ __forceinline__ void store_four(float* p, float4 v) { *reinterpret_cast<float4*>(p) = v; }
__device__ __forceinline__ void store_one(float* p, float v) { *p = v; }

// An array of const elements is an input and is not written back.
template <typename T, typename V>
__device__ __forceinline__ void store_four(const T*, V) {}
template <typename T, typename V>
__device__ __forceinline__ void store_one(const T*, V) {}

// Offset of an array from the last address at which four elements can be accessed together, in elements: 0 to 3.
template <typename T>
__device__ __forceinline__ int place_in_four(const T* p) {
    return reinterpret_cast<unsigned long long>(p) / sizeof(T) % 4;
}

// ---- elements in registers, and their address ----

template <typename T, typename Values>
struct Loaded {
    T* from;
    Values values;
};

template <typename T>
__device__ __forceinline__ auto fetch_four(T* p) {
    return Loaded<T, decltype(load_four(p))>{p, load_four(p)};
}

template <typename T>
__device__ __forceinline__ auto fetch_one(T* p) {
    auto value = *p;  // auto drops the const of an input
    return Loaded<T, decltype(value)>{p, value};
}

template <typename Update, typename... T, typename... Four>
__device__ __forceinline__ void take_four(long long i, Update update, Loaded<T, Four>... loaded) {
    update(i, loaded.values.x...);
    update(i + 1, loaded.values.y...);
    update(i + 2, loaded.values.z...);
    update(i + 3, loaded.values.w...);
    (store_four(loaded.from, loaded.values), ...);
}

template <typename Update, typename... T, typename... One>
__device__ __forceinline__ void take_one(long long i, Update update, Loaded<T, One>... loaded) {
    update(i, loaded.values...);
    (store_one(loaded.from, loaded.values), ...);
}

// ---- a loop over elements ----

// Call update(i, a[i], b[i], …) for every i in [0, n), divided among `threads` threads, of which this one is `thread`.
// The update has an input as a value (`float`) and an array that it changes as a reference (`float&`).
//
// Views of a flat buffer may begin at any element. If all arrays have the same offset, groups of four are accessed from
// the first boundary on, and the few elements before it and after the last group one by one; otherwise all elements are
// accessed one by one. The kind of access does not change the result of an element.
template <typename Update, typename First, typename... Rest>
__device__ __forceinline__ void elementwise_over(
    long long thread, long long threads, long long n, Update update, First* first, Rest*... rest) {
    const int place = place_in_four(first);
    const long long before = (4 - place) % 4;  // elements before the first boundary
    const bool together = ((place_in_four(rest) == place) && ...);
    const long long fours = together && n > before ? (n - before) / 4 : 0;
    for (long long j = thread; j < fours; j += threads) {
        const long long i = before + 4 * j;
        take_four(i, update, fetch_four(first + i), fetch_four(rest + i)...);
    }
    for (long long j = thread; j < n - 4 * fours; j += threads) {
        const long long i = j < before || fours == 0 ? j : j + 4 * fours;
        take_one(i, update, fetch_one(first + i), fetch_one(rest + i)...);
    }
}

// The same for all threads of a one-dimensional grid, or of the block.
template <typename Update, typename... Arrays>
__device__ __forceinline__ void elementwise(long long n, Update update, Arrays*... arrays) {
    const long long thread = blockIdx.x * static_cast<long long>(blockDim.x) + threadIdx.x;
    elementwise_over(thread, gridDim.x * static_cast<long long>(blockDim.x), n, update, arrays...);
}

template <typename Update, typename... Arrays>
__device__ __forceinline__ void elementwise_in_block(long long n, Update update, Arrays*... arrays) {
    elementwise_over(threadIdx.x, blockDim.x, n, update, arrays...);
}

// ⌊i / n⌋ for i ≥ 0, n > 0, in 32 bits where they suffice: a 64-bit division takes several times as long.
__device__ __forceinline__ long long quotient(long long i, long long n) {
    return ((i | n) >> 32) == 0 ? static_cast<unsigned>(i) / static_cast<unsigned>(n) : i / n;
}
