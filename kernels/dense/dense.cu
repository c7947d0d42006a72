// Dense layer: y = act(x·w + b), its backward pass, and the plain matrix product; the formulas are in
// kernels/dense/__init__.py.
//
// Each kernel names its two factors and its output; product.cuh multiplies. TILE is the side of a block's tile,
// PRECISION one of those in tile.cuh. A grid has one block per tile (and entry of a stack) along x and one per part of
// a split sum along y. Each part has `part` terms and its own output array, `stride` elements after the previous one; a
// last kernel adds these in order. kernels/dense/variants.py chooses the variant, cupy_cuda.py launches it.
//
// At most 512 threads share the 65,536 registers of a multiprocessor: 128 each, of which 64 hold sums at TILE 128.

#include "product.cuh"

template <int TILE, int PRECISION, int ACTIVATION>
__global__ void __launch_bounds__(2 * TILE, 256 / TILE) dense_forward(
    const float* __restrict__ x, const float* __restrict__ w, const float* __restrict__ b, float* __restrict__ y,
    float* __restrict__ z, int batch, int n_in, int n_out, int part, long long stride, float slope) {
    const Factor<true> rows{x, nullptr, batch, n_in, 0};
    const Factor<false> columns{w, nullptr, n_out, n_in, 0};
    const Place<TILE> place(batch, n_out, n_in, part);
    Sums<TILE, PRECISION> sums;
    float no_column_sum;
    multiply<false>(sums, rows, columns, place, no_column_sum);
    sums.write(Output<ACTIVATION>(y + blockIdx.y * stride, batch, n_out, b, z, slope), place.row, place.column);
}

// dx = dz·wᵀ with dz = dy · act'(saved), computed as the tiles of dy are loaded.
template <int TILE, int PRECISION, int ACTIVATION>
__global__ void __launch_bounds__(2 * TILE, 256 / TILE) dense_backward_x(
    const float* __restrict__ dy, const float* __restrict__ saved, const float* __restrict__ w, float* __restrict__ dx,
    int batch, int n_in, int n_out, int part, long long stride, float slope) {
    const Factor<true, ACTIVATION> rows{dy, saved, batch, n_out, slope};
    const Factor<true> columns{w, nullptr, n_in, n_out, 0};
    const Place<TILE> place(batch, n_in, n_out, part);
    Sums<TILE, PRECISION> sums;
    float no_column_sum;
    multiply<false>(sums, rows, columns, place, no_column_sum);
    sums.write(Output<>(dx + blockIdx.y * stride, batch, n_in), place.row, place.column);
}

// dw = xᵀ·dz, and db (or null) = the column sums of dz: both are sums over the batch.
template <int TILE, int PRECISION, int ACTIVATION>
__global__ void __launch_bounds__(2 * TILE, 256 / TILE) dense_backward_w(
    const float* __restrict__ dy, const float* __restrict__ saved, const float* __restrict__ x, float* __restrict__ dw,
    float* __restrict__ db, int batch, int n_in, int n_out, int part, long long stride, float slope, int accumulate) {
    const Factor<false> rows{x, nullptr, n_in, batch, 0};
    const Factor<false, ACTIVATION> columns{dy, saved, n_out, batch, slope};
    const Place<TILE> place(n_in, n_out, batch, part);
    Sums<TILE, PRECISION> sums;
    float column_sum = 0;
    multiply<true>(sums, rows, columns, place, column_sum);
    const Output<> output(dw + blockIdx.y * stride, n_in, n_out, nullptr, nullptr, 0, accumulate);
    sums.write(output, place.row, place.column);
    const int column = place.column + threadIdx.x;
    if (db != nullptr && place.row == 0 && threadIdx.x < TILE && column < n_out) {
        float* const target = db + blockIdx.y * stride + column;
        *target = column_sum + (accumulate ? *target : 0.0f);
    }
}

// db alone, for a layer with a frozen weight: 32 columns per block, 8 threads per column, one for every eighth row.
template <int ACTIVATION>
__global__ void __launch_bounds__(256) dense_backward_b(
    const float* __restrict__ dy, const float* __restrict__ saved, float* __restrict__ db, int batch, int n_out,
    float slope, int accumulate) {
    constexpr int COLUMNS = 32, ROWS = 8;
    __shared__ float of_rows[ROWS][COLUMNS];
    const Factor<false, ACTIVATION> dz{dy, saved, n_out, batch, slope};
    const int c = threadIdx.x % COLUMNS, r = threadIdx.x / COLUMNS, column = blockIdx.x * COLUMNS + c;
    float sum = 0;
    for (int row = r; row < batch && column < n_out; row += ROWS) {
        const long long offset = dz.offset(column, row);
        sum += dz.derivative(dy[offset], dz.DERIVATIVE ? saved[offset] : 0.0f);
    }
    of_rows[r][c] = sum;
    __syncthreads();
    if (r == 0 && column < n_out) {
        for (int i = 1; i < ROWS; ++i) sum += of_rows[i][c];
        db[column] = sum + (accumulate ? db[column] : 0.0f);
    }
}

// One product per entry of a stack: a (m, k) or (k, m), b (k, n) or (n, k).
template <int TILE, int PRECISION, bool TRANSPOSE_A, bool TRANSPOSE_B>
__global__ void __launch_bounds__(2 * TILE, 256 / TILE) matmul(
    const float* __restrict__ a, const float* __restrict__ b, float* __restrict__ c, int m, int k, int n, int part,
    long long stride) {
    const Place<TILE> place(m, n, k, part);
    const long long entry = place.entry;  // offsets may exceed 2³¹
    const Factor<!TRANSPOSE_A> rows{a + entry * m * k, nullptr, m, k, 0};
    const Factor<TRANSPOSE_B> columns{b + entry * k * n, nullptr, n, k, 0};
    Sums<TILE, PRECISION> sums;
    float no_column_sum;
    multiply<false>(sums, rows, columns, place, no_column_sum);
    sums.write(Output<>(c + blockIdx.y * stride + entry * m * n, m, n), place.row, place.column);
}

// ---- end of a split sum: add the partial sums in order ----

__device__ __forceinline__ float sum_of_parts(const float* __restrict__ partials, int splits, long long stride) {
    float sum = partials[0];
#pragma unroll 4
    for (int i = 1; i < splits; ++i) sum += partials[i * stride];
    return sum;
}

template <int ACTIVATION>
__global__ void __launch_bounds__(256) dense_forward_end(
    const float* __restrict__ partials, const float* __restrict__ b, float* __restrict__ y, float* __restrict__ z,
    int splits, int n_out, long long stride, float slope) {
    const long long i = static_cast<long long>(blockIdx.x) * 256 + threadIdx.x;
    if (i >= stride) return;
    const float sum = sum_of_parts(partials + i, splits, stride) + (b != nullptr ? b[i % n_out] : 0.0f);
    if (z != nullptr) z[i] = sum;
    y[i] = activate<ACTIVATION>(sum, slope);
}

// A part holds `size` elements of c, then the stride − size elements of db, which may be null.
__global__ void __launch_bounds__(256) add_parts(
    const float* __restrict__ partials, float* __restrict__ c, float* __restrict__ db, int splits, long long size,
    long long stride, int accumulate) {
    const long long i = static_cast<long long>(blockIdx.x) * 256 + threadIdx.x;
    if (i >= (db != nullptr ? stride : size)) return;
    float* const target = i < size ? c + i : db + (i - size);
    *target = sum_of_parts(partials + i, splits, stride) + (accumulate ? *target : 0.0f);
}
