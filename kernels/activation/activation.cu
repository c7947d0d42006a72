// y = act(z)    dz = dy · act'(saved)

#include "gpugrad.cuh"
#include "activation.cuh"
#include "elementwise.cuh"

// No __restrict__: y may be z, and dz may be dy.

template <int ACTIVATION>
__global__ void __launch_bounds__(256, 4) activation_forward(
    const float* z, float* y, long long n, float negative_slope) {
    const auto forward = [=](long long, float z, float& y) { y = activate<ACTIVATION>(z, negative_slope); };
    elementwise(n, forward, z, y);
}

template <int ACTIVATION>
__global__ void __launch_bounds__(256, 4) activation_backward(
    const float* dy, const float* saved, float* dz, long long n, float negative_slope) {
    const auto backward = [=](long long, float dy, float saved, float& dz) {
        dz = dy * activation_derivative<ACTIVATION>(saved, negative_slope);
    };
    elementwise(n, backward, dy, saved, dz);
}
