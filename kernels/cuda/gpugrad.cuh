// The base of every CUDA C++ kernel of gpugrad: reductions, Philox, the last-block pattern, and the special
// instructions (asynchronous copies, tensor cores) as functions.
//
// NVRTC compiles it for a GPU. The emulator compiles it for the host with GPUGRAD_EMULATOR defined: the functions with
// PTX then come from gpugrad/emulator/device.h, all others from here.

#pragma once

constexpr int WARP = 32;
constexpr unsigned FULL_MASK = 0xffffffffu;
constexpr int PARTIALS = 256;  // kernels/contract.py: the partial sums of a reduction

// ---- thread index and alignment ----

__device__ __forceinline__ int thread_in_block() {
    return threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
}

// float4 accesses need this alignment: a parameter is a view that may begin at any element of a flat buffer.
__device__ __forceinline__ bool aligned16(const void* p) {
    return (reinterpret_cast<unsigned long long>(p) & 15) == 0;
}

// ---- reductions ----
//
// Over a warp by a butterfly: lane i adds lane i ^ 16, then i ^ 8, …, so all lanes have bit-for-bit identical results.
// All 32 lanes must call. A maximum or minimum ignores NaN, as fmaxf does.

__device__ __forceinline__ float warp_sum(float v) {
    for (int distance = WARP / 2; distance > 0; distance /= 2) v += __shfl_xor_sync(FULL_MASK, v, distance);
    return v;
}

__device__ __forceinline__ float warp_max(float v) {
    for (int distance = WARP / 2; distance > 0; distance /= 2) v = fmaxf(v, __shfl_xor_sync(FULL_MASK, v, distance));
    return v;
}

__device__ __forceinline__ float warp_min(float v) {
    for (int distance = WARP / 2; distance > 0; distance /= 2) v = fminf(v, __shfl_xor_sync(FULL_MASK, v, distance));
    return v;
}

// Distribute the value of each warp: lane i of every warp returns the value of warp i, or `rest` beyond the last.
template <int THREADS>
__device__ __forceinline__ float value_of_warp(float v, float rest) {
    static_assert(THREADS % WARP == 0 && THREADS <= WARP * WARP, "a block of whole warps, at most 32 of them");
    __shared__ float of_warp[THREADS / WARP];
    const int thread = thread_in_block(), lane = thread % WARP;
    if (lane == 0) of_warp[thread / WARP] = v;
    __syncthreads();
    v = lane < THREADS / WARP ? of_warp[lane] : rest;
    __syncthreads();  // the next call overwrites of_warp
    return v;
}

// Over a block of THREADS threads; all must call, and each gets the same result.

template <int THREADS>
__device__ __forceinline__ float block_sum(float v) {
    return warp_sum(value_of_warp<THREADS>(warp_sum(v), 0.0f));
}

template <int THREADS>
__device__ __forceinline__ float block_max(float v) {
    return warp_max(value_of_warp<THREADS>(warp_max(v), -__int_as_float(0x7f800000)));
}

template <int THREADS>
__device__ __forceinline__ float block_min(float v) {
    return warp_min(value_of_warp<THREADS>(warp_min(v), __int_as_float(0x7f800000)));
}

// Return true to all threads of the block that finishes last; it then sees everything that the other blocks wrote
// before their calls. All threads of all blocks must call. `counter` is 0 before the launch and, since atomicInc wraps,
// after.
__device__ __forceinline__ bool last_block(unsigned* counter) {
    __shared__ bool last;
    const unsigned blocks = gridDim.x * gridDim.y * gridDim.z;
    __threadfence();  // makes this thread's writes visible before the block is counted
    __syncthreads();
    if (thread_in_block() == 0) last = atomicInc(counter, blocks - 1) == blocks - 1;
    __syncthreads();
    const bool result = last;
    __threadfence();  // no write of another block is read before this point
    __syncthreads();  // the next call overwrites last
    return result;
}

// ---- random numbers ----

// Philox4x32-10: four random words of a counter and a key. Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3.
__device__ __forceinline__ uint4 philox4x32_10(uint4 counter, uint2 key) {
    for (int round = 0; round < 10; ++round) {
        const unsigned low0 = 0xD2511F53u * counter.x, high0 = __umulhi(0xD2511F53u, counter.x);
        const unsigned low1 = 0xCD9E8D57u * counter.z, high1 = __umulhi(0xCD9E8D57u, counter.z);
        counter = make_uint4(high1 ^ counter.y ^ key.x, low1, high0 ^ counter.w ^ key.y, low0);
        key.x += 0x9E3779B9u;
        key.y += 0xBB67AE85u;
    }
    return counter;
}

// ---- conversions of number formats ----

struct half_bits {
    unsigned short bits;  // a float16 as stored; cuda_fp16.h may be missing where NVRTC runs
};

__device__ __forceinline__ float to_float(float v) { return v; }
__device__ __forceinline__ float to_float(double v) { return static_cast<float>(v); }
__device__ __forceinline__ float to_float(unsigned char v) { return static_cast<float>(v); }

// float32 rounded to bfloat16, to nearest even, in the upper half of the word.
__device__ __forceinline__ unsigned round_to_bf16(float v) {
    const unsigned bits = __float_as_uint(v);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return bits | 0x00400000u;  // NaN stays NaN
    return bits + 0x7fffu + ((bits >> 16) & 1u);
}

#ifndef GPUGRAD_EMULATOR

__device__ __forceinline__ float to_float(half_bits v) {
    float result;
    asm("cvt.f32.f16 %0, %1;" : "=f"(result) : "h"(v.bits));
    return result;
}

// ---- asynchronous copies: global to shared memory, without registers ----
//
// The calling thread sees the data after the copy_async_wait that covers its group, other threads after a __syncthreads
// that follows. Below sm_80 these are plain loads and stores.

// Copy 16 bytes between 16-byte aligned addresses; if !valid, write zeros and do not read `global`.
__device__ __forceinline__ void copy_async_16(void* shared, const void* global, bool valid) {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(
                     static_cast<unsigned>(__cvta_generic_to_shared(shared))),
                 "l"(__cvta_generic_to_global(global)), "r"(valid ? 16 : 0)
                 : "memory");
#else
    *static_cast<float4*>(shared) = valid ? *static_cast<const float4*>(global) : make_float4(0, 0, 0, 0);
#endif
}

// The same for 4 bytes, 4-byte aligned.
__device__ __forceinline__ void copy_async_4(void* shared, const void* global, bool valid) {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(
                     static_cast<unsigned>(__cvta_generic_to_shared(shared))),
                 "l"(__cvta_generic_to_global(global)), "r"(valid ? 4 : 0)
                 : "memory");
#else
    *static_cast<float*>(shared) = valid ? *static_cast<const float*>(global) : 0.0f;
#endif
}

// Close the group of the copies issued since the last commit.
__device__ __forceinline__ void copy_async_commit() {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

// Wait until at most the PENDING newest groups of this thread are still in flight.
template <int PENDING>
__device__ __forceinline__ void copy_async_wait() {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
#endif
}

// ---- tensor cores, sm_80 and newer ----

// float32 rounded to TF32: 10 bits of mantissa, to nearest, ties away from zero.
__device__ __forceinline__ unsigned to_tf32(float v) {
#if __CUDA_ARCH__ >= 800
    unsigned result;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(result) : "f"(v));
    return result;
#else
    __trap();
    return 0;
#endif
}

// Two floats rounded to bfloat16, to nearest even, `low` in the lower half of the word.
__device__ __forceinline__ unsigned pack_bf16(float low, float high) {
#if __CUDA_ARCH__ >= 800
    unsigned result;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(result) : "f"(high), "f"(low));
    return result;
#else
    return (round_to_bf16(low) >> 16) | (round_to_bf16(high) & 0xffff0000u);
#endif
}

// d += a·b over a warp: a 16×8, b 8×8, d 16×8. With g = lane / 4 and t = lane % 4, this lane holds
//   a[0], a[1], a[2], a[3] = A(g, t), A(g+8, t), A(g, t+4), A(g+8, t+4)      b[0], b[1] = B(t, g), B(t+4, g)
//   d[0], d[1], d[2], d[3] = D(g, 2t), D(g, 2t+1), D(g+8, 2t), D(g+8, 2t+1)
__device__ __forceinline__ void mma_tf32_16x8x8(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
#if __CUDA_ARCH__ >= 800
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    __trap();
#endif
}

// d += a·b over a warp: a 16×16, b 16×8, d 16×8 (d as above); two bfloat16 per word, the lower index in the lower half:
//   a[0], a[1], a[2], a[3] = A(g, 2t…2t+1), A(g+8, 2t…), A(g, 2t+8…), A(g+8, 2t+8…)
//   b[0], b[1] = B(2t…2t+1, g), B(2t+8…2t+9, g)
__device__ __forceinline__ void mma_bf16_16x8x16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
#if __CUDA_ARCH__ >= 800
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    __trap();
#endif
}

// Dynamic shared memory, 16-byte aligned: DYNAMIC_SHARED(float, tile) declares `float* tile`.
extern __shared__ uint4 gpugrad_dynamic_shared[];
#define DYNAMIC_SHARED(type, name) type* const name = reinterpret_cast<type*>(gpugrad_dynamic_shared)

#endif
