// g ← ±grad_scale·g + weight_decay·p
// s ← s + g²
// p ← p − lr·g / (√s + eps)

#include "gpugrad.cuh"
#include "optimizers.cuh"

__global__ void __launch_bounds__(256, 4) adagrad_step(
    const float* __restrict__ g, const float* __restrict__ lr, const float* __restrict__ grad_scale,
    float* __restrict__ p, float* __restrict__ square_sum, long long n, float eps, float weight_decay, int maximize) {
    const float scale = signed_scale(grad_scale, maximize), rate = lr[0];
    const auto update = [=](long long, float g, float& p, float& s) {
        g = scale * g + weight_decay * p;
        s += g * g;
        p -= rate * g / (sqrtf(s) + eps);
    };
    elementwise(n, update, g, p, square_sum);
}
