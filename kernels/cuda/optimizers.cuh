// Shared by the optimizers: the loop over the flat buffers and the factor of the gradient.

#pragma once

#include "elementwise.cuh"

// Factor of the gradient: grad_scale, or 1 without one; negative to maximize.
__device__ __forceinline__ float signed_scale(const float* grad_scale, int maximize) {
    const float scale = grad_scale ? grad_scale[0] : 1.0f;
    return maximize ? -scale : scale;
}
