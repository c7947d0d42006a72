// Sums over a whole array in one launch. The order of additions depends on the number of elements alone, not on the GPU
// or the alignment of the array: equal arrays have bit-for-bit identical sums.

#pragma once

#include "gpugrad.cuh"

constexpr int REDUCTION_THREADS = PARTIALS;  // so that the last block has one thread for each partial sum

__device__ __forceinline__ float4 load_four(const float* p, bool aligned) {
    return aligned ? *reinterpret_cast<const float4*>(p) : make_float4(p[0], p[1], p[2], p[3]);
}

template <typename Term, typename... Fours>
__device__ __forceinline__ void add_four(float4& sum, Term term, Fours... four) {
    sum.x += term(four.x...);
    sum.y += term(four.y...);
    sum.z += term(four.z...);
    sum.w += term(four.w...);
}

// This thread's share of Σ term(a[i], b[i], …) over i in [0, n). It keeps four running sums: an addition waits only for
// the previous one of its own sum, and shorter sums are more accurate.
template <typename Term, typename... Arrays>
__device__ __forceinline__ float sum_terms(long long n, Term term, const Arrays*... arrays) {
    const long long thread = blockIdx.x * static_cast<long long>(REDUCTION_THREADS) + threadIdx.x;
    const long long threads = gridDim.x * static_cast<long long>(REDUCTION_THREADS);
    const bool aligned = (aligned16(arrays) && ...);
    float4 sum = make_float4(0, 0, 0, 0);
#pragma unroll 4
    for (long long i = 4 * thread; i + 3 < n; i += 4 * threads) {
        add_four(sum, term, load_four(arrays + i, aligned)...);
    }
    const long long rest = n / 4 * 4 + thread;  // after the last group of four
    if (rest < n) sum.x += term(arrays[rest]...);
    return (sum.x + sum.y) + (sum.z + sum.w);
}

// Add the shares of all threads of the grid. Returns true, with the total in `total`, to all threads of the block that
// finishes last. Each block stores its sum in `partials`. Which block adds them varies, the order of additions does
// not.
__device__ __forceinline__ bool sum_over_grid(float share, float* partials, unsigned* finished, float& total) {
    share = block_sum<REDUCTION_THREADS>(share);
    if (threadIdx.x == 0) partials[blockIdx.x] = share;
    if (!last_block(finished)) return false;
    total = block_sum<REDUCTION_THREADS>(threadIdx.x < gridDim.x ? partials[threadIdx.x] : 0.0f);
    return true;
}
