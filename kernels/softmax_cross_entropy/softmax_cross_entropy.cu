// For one row: p = softmax(logits), label y, class weights w, smoothing ε over C classes, weight s of the sample.
//
//   target_k  = hard·w_y·[k = y] + smooth·w_k,   hard = 1 − ε, smooth = ε/C         total target = Σ_k target_k
//   loss      = (s/norm) · Σ_k target_k·(−ln p_k)
//   dlogits_k = (s/norm) · (total target·p_k − target_k)
//
// With m the largest logit and depth_k = m − logits_k ≥ 0:
//
//   p_k = e^−depth_k / sum,   sum = Σ_k e^−depth_k ≥ 1,   −ln p_k = ln sum + depth_k   (no term is negative)
//
// A row of few classes stays in the registers of a warp. A row of many classes is read by a block: once for m and the
// sum together, then, from the cache, for the smoothed part of the loss and for the gradient.

#include "gpugrad.cuh"
#include "elementwise.cuh"

constexpr int BLOCK = 256;

__device__ __forceinline__ float infinity() { return __int_as_float(0x7f800000); }
__device__ __forceinline__ float nan() { return __int_as_float(0x7fc00000); }
__device__ __forceinline__ float weight_of(const float* class_weight, int k) {
    return class_weight ? class_weight[k] : 1.0f;
}

struct Row {
    int label;
    float scale;   // s/norm; NaN for a label outside the classes, which makes its row NaN
    float target;  // hard·w_y
};

__device__ __forceinline__ Row read_row(
    long long i, int n_classes, const int* labels, const float* class_weight, const float* sample_weight,
    const float* norm, float hard) {
    int label = labels[i];
    float scale = (sample_weight ? sample_weight[i] : 1.0f) / norm[0];
    if (label < 0 || label >= n_classes) {
        label = 0;
        scale = nan();
    }
    return {label, scale, hard * weight_of(class_weight, label)};
}

// Sums of a row for the smoothing: Σ w_k and Σ w_k·depth_k. A class of weight 0 adds nothing, at any depth.
struct Smoothed {
    float weights = 0, depths = 0;
    __device__ void add(float weight, float depth) {
        weights += weight;
        if (weight != 0) depths += weight * depth;
    }
};

__device__ __forceinline__ float loss_of(Row row, float label_depth, float sum, float smooth, Smoothed smoothed) {
    const float log_sum = logf(sum);
    float loss = row.target != 0 ? row.target * (log_sum + label_depth) : 0.0f;
    if (smooth != 0) loss += smooth * (log_sum * smoothed.weights + smoothed.depths);
    return sum == sum ? row.scale * loss : sum;  // a NaN sum shows even if all targets are 0
}

// Gradient at class k, from e = e^−depth_k and factor = (s/norm)·total target / sum.
__device__ __forceinline__ float gradient_at(
    int k, float e, float factor, Row row, float smooth, const float* class_weight) {
    const float target = (k == row.label ? row.target : 0.0f) + smooth * weight_of(class_weight, k);
    return factor * e - row.scale * target;
}

// One warp per row, for n_classes ≤ 32·PER_LANE: lane l holds the classes l, l + 32, …
template <int PER_LANE>
__global__ void __launch_bounds__(BLOCK) softmax_cross_entropy_by_warps(
    const float* __restrict__ logits, const int* __restrict__ labels, const float* __restrict__ class_weight,
    const float* __restrict__ sample_weight, const float* __restrict__ norm, float* __restrict__ losses,
    float* __restrict__ dlogits, int batch, int n_classes, float hard, float smooth) {
    const int lane = threadIdx.x % WARP, warps = BLOCK / WARP;
    for (long long i = blockIdx.x * warps + threadIdx.x / WARP; i < batch; i += gridDim.x * warps) {
        const Row row = read_row(i, n_classes, labels, class_weight, sample_weight, norm, hard);
        const float* const x = logits + i * n_classes;

        float e[PER_LANE];  // first the logits, then their exponentials
        float largest = -infinity();
#pragma unroll
        for (int j = 0; j < PER_LANE; ++j) {
            const int k = lane + WARP * j;
            e[j] = k < n_classes ? x[k] : -infinity();
            largest = fmaxf(largest, e[j]);
        }
        largest = warp_max(largest);

        Smoothed smoothed;
        float sum = 0;
#pragma unroll
        for (int j = 0; j < PER_LANE; ++j) {
            const int k = lane + WARP * j;
            const float depth = largest - e[j];
            if (smooth != 0 && k < n_classes) smoothed.add(weight_of(class_weight, k), depth);
            e[j] = expf(-depth);
            sum += e[j];
        }
        sum = warp_sum(sum);
        if (smooth != 0) smoothed = {warp_sum(smoothed.weights), warp_sum(smoothed.depths)};

        if (lane == 0) losses[i] = loss_of(row, largest - x[row.label], sum, smooth, smoothed);
        if (dlogits) {
            const float factor = row.scale * (row.target + smooth * smoothed.weights) / sum;
#pragma unroll
            for (int j = 0; j < PER_LANE; ++j) {
                const int k = lane + WARP * j;
                if (k < n_classes) {
                    dlogits[i * n_classes + k] = gradient_at(k, e[j], factor, row, smooth, class_weight);
                }
            }
        }
    }
}

// Largest logit so far, and the sum of the exponentials relative to it.
struct Online {
    float largest = -infinity(), sum = 0;

    // The sum relative to `to` ≥ largest. A thread may have seen only −inf, or nothing: its sum is then relative to 0,
    // since −inf − (−inf) is NaN, and stays 0.
    __device__ float sum_relative(float to) const { return sum * expf(largest - finite(to)); }

    __device__ void add(float x) {
        const float to = fmaxf(largest, x);
        sum = sum_relative(to) + expf(x - finite(to));
        largest = to;
    }
    // Four logits at once need five exponentials, not eight.
    __device__ void add(float4 x) {
        const float to = fmaxf(fmaxf(fmaxf(x.x, x.y), fmaxf(x.z, x.w)), largest);
        const float m = finite(to);
        sum = sum_relative(to) + ((expf(x.x - m) + expf(x.y - m)) + (expf(x.z - m) + expf(x.w - m)));
        largest = to;
    }
    __device__ static float finite(float m) { return m == -infinity() ? 0.0f : m; }
};

// One block per row, for any number of classes. The order of additions depends on n_classes alone: four classes per
// thread, loaded in one access if the row begins at a 16-byte address.
__global__ void __launch_bounds__(BLOCK) softmax_cross_entropy_by_blocks(
    const float* __restrict__ logits, const int* __restrict__ labels, const float* __restrict__ class_weight,
    const float* __restrict__ sample_weight, const float* __restrict__ norm, float* __restrict__ losses,
    float* __restrict__ dlogits, int batch, int n_classes, float hard, float smooth) {
    const int rest = n_classes / 4 * 4;  // end of the last group of four
    for (long long i = blockIdx.x; i < batch; i += gridDim.x) {
        const Row row = read_row(i, n_classes, labels, class_weight, sample_weight, norm, hard);
        const float* const x = logits + i * n_classes;
        const bool aligned = aligned16(x);

        Online online;
        for (int k = 4 * threadIdx.x; k < rest; k += 4 * BLOCK) {
            online.add(aligned ? load_four(x + k) : make_float4(x[k], x[k + 1], x[k + 2], x[k + 3]));
        }
        if (rest + static_cast<int>(threadIdx.x) < n_classes) online.add(x[rest + threadIdx.x]);
        const float largest = block_max<BLOCK>(online.largest);
        float sum = block_sum<BLOCK>(online.sum_relative(largest));
        if (largest == -infinity()) sum = nan();  // all logits are −inf

        Smoothed smoothed;
        if (smooth != 0) {
            for (int k = threadIdx.x; k < n_classes; k += BLOCK) {
                smoothed.add(weight_of(class_weight, k), largest - x[k]);
            }
            smoothed = {block_sum<BLOCK>(smoothed.weights), block_sum<BLOCK>(smoothed.depths)};
        }

        if (threadIdx.x == 0) losses[i] = loss_of(row, largest - x[row.label], sum, smooth, smoothed);
        if (dlogits) {
            const float factor = row.scale * (row.target + smooth * smoothed.weights) / sum;
            const auto gradient = [=](long long k, float x, float& dx) {
                dx = gradient_at(static_cast<int>(k), expf(x - largest), factor, row, smooth, class_weight);
            };
            elementwise_in_block(n_classes, gradient, x, dlogits + i * n_classes);
        }
    }
}

// norm = Σ w_label·s over the batch, in one block, since a batch is short.
__global__ void __launch_bounds__(BLOCK) softmax_cross_entropy_norm(
    const int* __restrict__ labels, const float* __restrict__ class_weight, const float* __restrict__ sample_weight,
    float* norm, int batch, int n_classes) {
    float sum = 0;
    for (int i = threadIdx.x; i < batch; i += BLOCK) {
        float weight = 1;
        if (class_weight) {
            const int label = labels[i];
            weight = label >= 0 && label < n_classes ? class_weight[label] : nan();
        }
        sum += sample_weight ? weight * sample_weight[i] : weight;
    }
    sum = block_sum<BLOCK>(sum);
    if (threadIdx.x == 0) norm[0] = sum;
}
