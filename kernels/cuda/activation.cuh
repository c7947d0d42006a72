// Activations and their derivatives, one element at a time; the table is in kernels/activation/__init__.py.

#pragma once

#include "gpugrad.cuh"

constexpr int IDENTITY = 0, RELU = 1, LEAKY_RELU = 2, TANH = 3, SIGMOID = 4, GELU = 5, SILU = 6;

__device__ __forceinline__ float sigmoid(float z) {
    const float small = expf(-fabsf(z));  // never overflows
    return (z >= 0 ? 1.0f : small) / (1.0f + small);
}

// Φ(z), the normal distribution function; erfc keeps its digits in the left tail.
__device__ __forceinline__ float normal_cdf(float z) {
    constexpr float ROOT_HALF = 0.70710678f;
    return 0.5f * erfcf(-ROOT_HALF * z);
}

__device__ __forceinline__ float normal_density(float z) {
    constexpr float PEAK = 0.39894228f;  // 1/√(2π)
    return PEAK * expf(-0.5f * z * z);
}

template <int ACTIVATION>
__device__ __forceinline__ float activate(float z, float negative_slope) {
    if constexpr (ACTIVATION == RELU) return z < 0 ? 0.0f : z;  // in this order NaN stays NaN
    if constexpr (ACTIVATION == LEAKY_RELU) return z > 0 ? z : negative_slope * z;
    if constexpr (ACTIVATION == TANH) return tanhf(z);
    if constexpr (ACTIVATION == SIGMOID) return sigmoid(z);
    if constexpr (ACTIVATION == GELU) return z * normal_cdf(z);
    if constexpr (ACTIVATION == SILU) return z * sigmoid(z);
    return z;
}

// act' from the array that the forward pass saved: the output y, or the input z of gelu and silu.
template <int ACTIVATION>
__device__ __forceinline__ float activation_derivative(float saved, float negative_slope) {
    if constexpr (ACTIVATION == RELU) return saved > 0 ? 1.0f : 0.0f;
    if constexpr (ACTIVATION == LEAKY_RELU) return saved > 0 ? 1.0f : negative_slope;
    if constexpr (ACTIVATION == TANH) return 1.0f - saved * saved;
    if constexpr (ACTIVATION == SIGMOID) return saved * (1.0f - saved);
    if constexpr (ACTIVATION == GELU) return normal_cdf(saved) + saved * normal_density(saved);
    if constexpr (ACTIVATION == SILU) {
        const float s = sigmoid(saved);
        return s * (1.0f + saved * (1.0f - s));
    }
    return 1.0f;
}
