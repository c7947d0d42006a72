// g ← ±grad_scale·g + weight_decay·p
// v ← rho·v + (1 − rho)·g²
// d = √((u + eps) / (v + eps))·g
// u ← rho·u + (1 − rho)·d²
// p ← p − lr·d

#include "gpugrad.cuh"
#include "optimizers.cuh"

// v is square_average, u is delta_average. rest: 1 − rho, from double precision on the host.
__global__ void __launch_bounds__(256, 4) adadelta_step(
    const float* __restrict__ g, const float* __restrict__ lr, const float* __restrict__ grad_scale,
    float* __restrict__ p, float* __restrict__ square_average, float* __restrict__ delta_average, long long n,
    float rho, float rest, float eps, float weight_decay, int maximize) {
    const float scale = signed_scale(grad_scale, maximize), rate = lr[0];
    const auto update = [=](long long, float g, float& p, float& v, float& u) {
        g = scale * g + weight_decay * p;
        v = rho * v + rest * g * g;
        const float d = sqrtf((u + eps) / (v + eps)) * g;
        u = rho * u + rest * d * d;
        p -= rate * d;
    };
    elementwise(n, update, g, p, square_average, delta_average);
}
