// by norm:   norm = √Σ g²,  grad_scale = min(1, max_norm / (norm + 1e-6))
// by value:  g ← min(max(g, −limit), limit)

#include "gpugrad.cuh"
#include "elementwise.cuh"
#include "reduction.cuh"

__device__ unsigned finished;  // finished blocks of this launch

__global__ void __launch_bounds__(REDUCTION_THREADS, 4) clip_norm(
    const float* __restrict__ g, float* norm, float* grad_scale, float* partials, long long n, float max_norm,
    float norm_eps) {
    const float share = sum_terms(n, [](float g) { return g * g; }, g);
    float total;
    if (sum_over_grid(share, partials, &finished, total) && threadIdx.x == 0) {
        const float length = sqrtf(total), ratio = max_norm / (length + norm_eps);
        norm[0] = length;
        grad_scale[0] = ratio > 1 ? 1.0f : ratio;  // in this order NaN stays NaN
    }
}

__global__ void __launch_bounds__(256, 4) clip_value(float* g, long long n, float limit) {
    const auto clip = [=](long long, float& g) {
        g = g < -limit ? -limit : g;  // in this order NaN stays NaN
        g = g > limit ? limit : g;
    };
    elementwise(n, clip, g);
}
