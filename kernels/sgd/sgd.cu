// g ← ±grad_scale·g + weight_decay·p
// plain:     p ← p − lr·g
// momentum:  b ← momentum·b + g;  p ← p − lr·b
// Nesterov:  b ← momentum·b + g;  p ← p − lr·(g + momentum·b)
// lr_in_buffer: b ← momentum·b + lr·g;  p ← p − b, or Nesterov's p ← p − (lr·g + momentum·b)

#include "gpugrad.cuh"
#include "optimizers.cuh"

__global__ void __launch_bounds__(256, 4) sgd_step(
    const float* __restrict__ g, const float* __restrict__ lr, const float* __restrict__ grad_scale,
    float* __restrict__ p, long long n, float weight_decay, int maximize) {
    const float scale = signed_scale(grad_scale, maximize), rate = lr[0];
    elementwise(n, [=](long long, float g, float& p) { p -= rate * (scale * g + weight_decay * p); }, g, p);
}

__global__ void __launch_bounds__(256, 4) sgd_momentum_step(
    const float* __restrict__ g, const float* __restrict__ lr, const float* __restrict__ grad_scale,
    float* __restrict__ p, float* __restrict__ momentum_buffer, long long n, float momentum, int nesterov,
    int lr_in_buffer, float weight_decay, int maximize) {
    const float scale = signed_scale(grad_scale, maximize), rate = lr[0];
    const float inner = lr_in_buffer ? rate : 1.0f, outer = lr_in_buffer ? 1.0f : rate;
    const auto update = [=](long long, float g, float& p, float& b) {
        g = inner * (scale * g + weight_decay * p);
        b = momentum * b + g;
        p -= outer * (nesterov ? g + momentum * b : b);
    };
    elementwise(n, update, g, p, momentum_buffer);
}
