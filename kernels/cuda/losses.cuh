// Shared by the elementwise losses: the loop over the elements, with or without the gradient, and the weights.

#pragma once

#include "elementwise.cuh"

struct LossAndGradient {
    float loss, gradient;
};

// Losses and gradient at every element of (batch, n_out) predictions and targets; the gradient is null in evaluation.
// loss_at(column, prediction, target) returns both, unweighted; the compiler drops an unused gradient.
template <typename LossAt>
__device__ __forceinline__ void elementwise_losses(
    long long n, int n_out, const float* predictions, const float* targets, const float* sample_weight,
    const float* norm, float* losses, float* gradients, LossAt loss_at) {
    const float scale = 1.0f / norm[0];
    const auto weighted = [=](long long i, float prediction, float target) {
        const long long row = quotient(i, n_out);
        const LossAndGradient at = loss_at(static_cast<int>(i - row * n_out), prediction, target);
        const float s = sample_weight ? sample_weight[row] * scale : scale;
        return LossAndGradient{s * at.loss, s * at.gradient};
    };
    const auto training = [=](long long i, float prediction, float target, float& loss, float& gradient) {
        const LossAndGradient at = weighted(i, prediction, target);
        loss = at.loss;
        gradient = at.gradient;
    };
    const auto evaluation = [=](long long i, float prediction, float target, float& loss) {
        loss = weighted(i, prediction, target).loss;
    };
    if (gradients) {
        elementwise(n, training, predictions, targets, losses, gradients);
    } else {
        elementwise(n, evaluation, predictions, targets, losses);
    }
}
