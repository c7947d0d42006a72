// next_rows:  rows[i] = order[(cursor + i) mod n], then cursor ← cursor + batch
// gather:     out[i] = scale · data[rows[i]], cast to the type of out and then multiplied

#include "gpugrad.cuh"
#include "elementwise.cuh"

__device__ unsigned finished;  // finished blocks of this launch

__global__ void __launch_bounds__(256, 4) next_rows(
    const int* __restrict__ order, int* cursor, int* __restrict__ rows, int n, int batch) {
    const long long start = cursor[0];  // 64 bits: start + i may pass 2³¹
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < batch; i += gridDim.x * blockDim.x) {
        rows[i] = order[(start + i) % n];
    }
    // All blocks need the old cursor: the last block writes the new one when all have read it.
    if (last_block(&finished) && threadIdx.x == 0) cursor[0] = static_cast<int>(start + batch);
}

// Four neighbouring elements, loaded or stored in one access (two for double).
template <typename T>
struct alignas(sizeof(T) < 4 ? 4 * sizeof(T) : 16) Four {
    T values[4];
};

template <typename T>
__device__ __forceinline__ bool aligned_for_four(const T* p) {
    return reinterpret_cast<unsigned long long>(p) % alignof(Four<T>) == 0;
}

__device__ __forceinline__ void cast_and_scale(half_bits v, float scale, float& out) { out = to_float(v) * scale; }
template <typename Data>
__device__ __forceinline__ void cast_and_scale(Data v, float scale, float& out) { out = static_cast<float>(v) * scale; }
// Labels: integers stay exact, since the scale is 1.
template <typename Data>
__device__ __forceinline__ void cast_and_scale(Data v, float, int& out) { out = static_cast<int>(v); }

// data (n, width), out (batch, width). The loop runs over `out` as one flat array, four elements per thread where every
// row of `data` is aligned for that, so that narrow and wide rows keep all threads busy.
template <typename Data, typename Out>
__global__ void __launch_bounds__(256, 4) gather(
    const Data* __restrict__ data, const int* __restrict__ rows, Out* __restrict__ out, long long n, long long batch,
    long long width, float scale) {
    const long long thread = blockIdx.x * static_cast<long long>(blockDim.x) + threadIdx.x;
    const long long threads = gridDim.x * static_cast<long long>(blockDim.x);
    const auto row_of_data = [=](long long i) { return min(max(static_cast<long long>(rows[i]), 0LL), n - 1); };

    if (width % 4 == 0 && aligned_for_four(data) && aligned_for_four(out)) {
        const long long fours = width / 4;  // per row
        for (long long j = thread; j < batch * fours; j += threads) {
            const long long i = quotient(j, fours), column = 4 * (j - i * fours);
            const auto four = *reinterpret_cast<const Four<Data>*>(data + row_of_data(i) * width + column);
            Four<Out> result;
#pragma unroll
            for (int k = 0; k < 4; ++k) cast_and_scale(four.values[k], scale, result.values[k]);
            *reinterpret_cast<Four<Out>*>(out + 4 * j) = result;
        }
    } else {
        for (long long j = thread; j < batch * width; j += threads) {
            const long long i = quotient(j, width), column = j - i * width;
            cast_and_scale(data[row_of_data(i) * width + column], scale, out[j]);
        }
    }
}
