// t = step + 1;  g ← ±grad_scale·g
// Adam:  g ← g + weight_decay·p        AdamW (decoupled):  p ← p − lr·weight_decay·p
// m ← beta1·m + (1 − beta1)·g          v ← beta2·v + (1 − beta2)·g²
// c1 = 1 − beta1^t, c2 = 1 − beta2^t   (amsgrad: v_max ← max(v_max, v) replaces v below)
// p ← p − lr·(m/c1) / (√(v/c2) + eps)   or with eps_hat   p ← p − lr·(√c2/c1)·m / (√v + eps)
// step ← t

#include "gpugrad.cuh"
#include "optimizers.cuh"

__device__ unsigned finished;  // finished blocks of this launch

// rest and log_beta are 1 − beta and ln beta (−inf for 0) from double precision on the host: in float32 1 − 0.999 has a
// relative error of 5e-5. The correction is then −expm1(t·ln beta), accurate in every step.
__global__ void __launch_bounds__(256, 3) adam_step(
    const float* __restrict__ g, const float* __restrict__ lr, const float* __restrict__ grad_scale,
    float* __restrict__ p, float* __restrict__ m, float* __restrict__ v, float* __restrict__ v_max, int* step,
    long long n, float beta1, float rest1, float log_beta1, float beta2, float rest2, float log_beta2, float eps,
    int eps_hat, float weight_decay, int decoupled, int maximize) {
    const int t = step[0] + 1;
    const float scale = signed_scale(grad_scale, maximize);
    // √(v/c2) + eps = (√v + eps·√c2) / √c2: both corrections become factors shared by all elements.
    const float c1 = -expm1f(t * log_beta1), root2 = sqrtf(-expm1f(t * log_beta2));
    const float rate = lr[0] * root2 / c1, floor = eps_hat ? eps : eps * root2;
    const float decay = decoupled ? 0.0f : weight_decay, shrink = decoupled ? lr[0] * weight_decay : 0.0f;

    const auto update_moments = [=](float g, float p, float& m, float& v) {
        g = scale * g + decay * p;
        m = beta1 * m + rest1 * g;
        v = beta2 * v + rest2 * g * g;
    };
    const auto descend = [=](float& p, float m, float second) {
        p = p - shrink * p - rate * m / (sqrtf(second) + floor);
    };
    const auto adam = [=](long long, float g, float& p, float& m, float& v) {
        update_moments(g, p, m, v);
        descend(p, m, v);
    };
    const auto amsgrad = [=](long long, float g, float& p, float& m, float& v, float& v_max) {
        update_moments(g, p, m, v);
        v_max = v_max >= v ? v_max : v;  // in this order NaN passes
        descend(p, m, v_max);
    };
    if (v_max) {
        elementwise(n, amsgrad, g, p, m, v, v_max);
    } else {
        elementwise(n, adam, g, p, m, v);
    }
    // All blocks need the old count: the last block writes the new one when all have read it.
    if (last_block(&finished) && threadIdx.x == 0) step[0] = t;
}
