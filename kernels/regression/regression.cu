// Losses and gradients with d = p − t, both times s/norm with the weight s of the sample:
//   squared_error   d²                                  2·d
//   absolute_error  |d|                                 sign d, 0 at 0
//   huber           d²/2 if |d| ≤ δ else δ·(|d| − δ/2)  d clipped to [−δ, δ]
//   poisson         e^p − t·p                           e^p − t

#include "gpugrad.cuh"
#include "losses.cuh"

constexpr int SQUARED_ERROR = 0, ABSOLUTE_ERROR = 1, HUBER = 2, POISSON = 3;

// A NaN d is neither above nor below and is returned itself, like a d of 0.
__device__ float clipped(float d, float limit) { return d > limit ? limit : (d < -limit ? -limit : d); }
__device__ float sign(float d) { return d > 0 ? 1.0f : (d < 0 ? -1.0f : d); }

template <int LOSS>
__device__ LossAndGradient loss_of(float p, float t, float delta) {
    const float d = p - t;
    if constexpr (LOSS == SQUARED_ERROR) return {d * d, 2.0f * d};
    if constexpr (LOSS == ABSOLUTE_ERROR) return {fabsf(d), sign(d)};
    if constexpr (LOSS == HUBER) {
        const float square = 0.5f * d * d, straight = delta * (fabsf(d) - 0.5f * delta);
        return {fabsf(d) <= delta ? square : straight, clipped(d, delta)};
    }
    const float mean = expf(p);
    return {mean - t * p, mean - t};
}

template <int LOSS>
__global__ void __launch_bounds__(256, 4) regression_loss(
    const float* __restrict__ predictions, const float* __restrict__ targets, const float* __restrict__ sample_weight,
    const float* __restrict__ norm, float* __restrict__ losses, float* __restrict__ dpredictions, long long n,
    int n_out, float delta) {
    const auto loss_at = [=](int, float p, float t) { return loss_of<LOSS>(p, t, delta); };
    elementwise_losses(n, n_out, predictions, targets, sample_weight, norm, losses, dpredictions, loss_at);
}
