// word_i = word i mod 4 of philox4x32_10(counter, key)
// counter = (⌊i/4⌋ low, ⌊i/4⌋ high, calls low, calls high), key = (seed low, seed high)
// mask_i = 1 if word_i ≥ keep_from else 0;  y_i = scale·x_i if mask_i else 0;  dx_i = scale·dy_i if mask_i else 0

#include "gpugrad.cuh"
#include "elementwise.cuh"

__device__ unsigned finished;  // finished blocks of this launch

__device__ unsigned low(unsigned long long v) { return static_cast<unsigned>(v); }
__device__ unsigned high(unsigned long long v) { return static_cast<unsigned>(v >> 32); }

// Four elements take one call of the generator and, where the arrays allow it, one access per array.
// No __restrict__: y may be x.
__global__ void __launch_bounds__(256, 4) dropout_forward(
    const float* x, long long* calls, float* y, unsigned char* mask, long long n, unsigned keep_from,
    unsigned long long seed, float scale) {
    const unsigned long long call = calls[0];
    const uint2 key = make_uint2(low(seed), high(seed));
    const long long threads = gridDim.x * static_cast<long long>(blockDim.x);
    const bool aligned = aligned16(x) && aligned16(y) && place_in_four(mask) == 0;

    for (long long j = blockIdx.x * static_cast<long long>(blockDim.x) + threadIdx.x; 4 * j < n; j += threads) {
        const uint4 word = philox4x32_10(make_uint4(low(j), high(j), low(call), high(call)), key);
        const bool kept[4] = {word.x >= keep_from, word.y >= keep_from, word.z >= keep_from, word.w >= keep_from};
        const long long i = 4 * j;
        if (aligned && i + 4 <= n) {
            const float4 v = load_four(x + i);
            *reinterpret_cast<uchar4*>(mask + i) = make_uchar4(kept[0], kept[1], kept[2], kept[3]);
            store_four(y + i, make_float4(kept[0] ? scale * v.x : 0.0f, kept[1] ? scale * v.y : 0.0f,
                                          kept[2] ? scale * v.z : 0.0f, kept[3] ? scale * v.w : 0.0f));
        } else {
#pragma unroll
            for (int k = 0; k < 4; ++k) {
                if (i + k < n) {
                    mask[i + k] = kept[k];
                    y[i + k] = kept[k] ? scale * x[i + k] : 0.0f;
                }
            }
        }
    }
    // All blocks need the old count: the last block writes the new one when all have read it.
    if (last_block(&finished) && threadIdx.x == 0) calls[0] = call + 1;
}

// No __restrict__: dx may be dy.
__global__ void __launch_bounds__(256, 4) dropout_backward(
    const float* dy, const unsigned char* mask, float* dx, long long n, float scale) {
    const auto backward = [=](long long, float dy, unsigned char mask, float& dx) { dx = mask ? scale * dy : 0.0f; };
    elementwise(n, backward, dy, mask, dx);
}
