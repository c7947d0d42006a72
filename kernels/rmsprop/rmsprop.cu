// g ← ±grad_scale·g + weight_decay·p
// v ← alpha·v + (1 − alpha)·g²
// p ← p − lr·g / (√v + eps)

#include "gpugrad.cuh"
#include "optimizers.cuh"

// rest: 1 − alpha, from double precision on the host; in float32 the difference would lose digits.
__global__ void __launch_bounds__(256, 4) rmsprop_step(
    const float* __restrict__ g, const float* __restrict__ lr, const float* __restrict__ grad_scale,
    float* __restrict__ p, float* __restrict__ square_average, long long n, float alpha, float rest, float eps,
    float weight_decay, int maximize) {
    const float scale = signed_scale(grad_scale, maximize), rate = lr[0];
    const auto update = [=](long long, float g, float& p, float& v) {
        g = scale * g + weight_decay * p;
        v = alpha * v + rest * g * g;
        p -= rate * g / (sqrtf(v) + eps);
    };
    elementwise(n, update, g, p, square_average);
}
