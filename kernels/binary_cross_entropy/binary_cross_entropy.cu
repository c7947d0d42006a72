// loss    = (s/norm) · (q·t·softplus(−z) + (1 − t)·softplus(z)),   softplus(z) = max(z, 0) + ln(1 + e^−|z|)
// dlogits = (s/norm) · ((1 − t)·σ(z) − q·t·σ(−z)),                 σ(z) = 1 / (1 + e^−z)
// z: logit, t: target, q: positive weight of the output, s: weight of the sample

#include "gpugrad.cuh"
#include "losses.cuh"

__global__ void __launch_bounds__(256, 4) binary_cross_entropy(
    const float* __restrict__ logits, const float* __restrict__ targets, const float* __restrict__ pos_weight,
    const float* __restrict__ sample_weight, const float* __restrict__ norm, float* __restrict__ losses,
    float* __restrict__ dlogits, long long n, int n_out) {
    const auto loss_at = [=](int column, float z, float target) {
        const float positive = pos_weight ? pos_weight[column] * target : target, negative = 1.0f - target;
        const float small = expf(-fabsf(z)), rest = log1pf(small);  // neither overflows
        const float likely = 1.0f / (1.0f + small), unlikely = small / (1.0f + small);
        const float sigmoid = z >= 0 ? likely : unlikely, sigmoid_of_minus = z >= 0 ? unlikely : likely;
        return LossAndGradient{positive * (fmaxf(-z, 0.0f) + rest) + negative * (fmaxf(z, 0.0f) + rest),
                               negative * sigmoid - positive * sigmoid_of_minus};
    };
    elementwise_losses(n, n_out, logits, targets, sample_weight, norm, losses, dlogits, loss_at);
}
