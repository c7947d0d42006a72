// g' = ±grad_scale·g + weight_decay·p
// accumulate:  s ← s + ‖g'‖²
// step:        p ← p − lr·g' / √(eps + s)

#include "gpugrad.cuh"
#include "optimizers.cuh"
#include "reduction.cuh"

__device__ unsigned finished;  // finished blocks of this launch

__global__ void __launch_bounds__(REDUCTION_THREADS, 4) adagrad_norm_accumulate(
    const float* __restrict__ g, const float* __restrict__ grad_scale, const float* __restrict__ p, float* square_sum,
    float* partials, long long n, float weight_decay, int maximize) {
    const float scale = signed_scale(grad_scale, maximize);
    const auto decayed_square = [=](float g, float p) {
        g = scale * g + weight_decay * p;
        return g * g;
    };
    const auto square = [=](float g) { return scale * g * (scale * g); };
    // Without decay the parameters are not read, which halves the bytes.
    const float share = weight_decay != 0 ? sum_terms(n, decayed_square, g, p) : sum_terms(n, square, g);
    float total;
    if (sum_over_grid(share, partials, &finished, total) && threadIdx.x == 0) square_sum[0] += total;
}

__global__ void __launch_bounds__(256, 4) adagrad_norm_step(
    const float* __restrict__ g, const float* __restrict__ lr, const float* __restrict__ grad_scale,
    const float* __restrict__ square_sum, float* __restrict__ p, long long n, float eps, float weight_decay,
    int maximize) {
    const float scale = signed_scale(grad_scale, maximize), rate = lr[0] / sqrtf(eps + square_sum[0]);
    elementwise(n, [=](long long, float g, float& p) { p -= rate * (scale * g + weight_decay * p); }, g, p);
}
