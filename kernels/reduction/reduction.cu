// out = scale·Σ x,  or  out + scale·Σ x

#include "gpugrad.cuh"
#include "reduction.cuh"

__device__ unsigned finished;  // finished blocks of this launch

__global__ void __launch_bounds__(REDUCTION_THREADS) sum_elements(
    const float* __restrict__ x, float* out, float* partials, long long n, float scale, int accumulate) {
    const float share = sum_terms(n, [](float x) { return x; }, x);
    float total;
    if (sum_over_grid(share, partials, &finished, total) && threadIdx.x == 0) {
        out[0] = scale * total + (accumulate ? out[0] : 0.0f);
    }
}
