// Tiles of the factors of a product: their layout in memory, and how a block loads them into shared memory.

#pragma once
#include "activation.cuh"
#include "gpugrad.cuh"

enum Precision { FLOAT32, TF32, BFLOAT16 };  // in the order of kernels/dense/rounding.py

constexpr int VECTOR = 4;  // floats in a 16-byte access

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
constexpr bool HAS_COPY_ASYNC = false;
#else
constexpr bool HAS_COPY_ASYNC = true;
#endif

// A factor of a product in memory: rows × depth numbers; the product sums over the depth. a has the rows of the
// product, b its columns. With an ACTIVATION other than the identity the factor is values · act'(saved).
template <bool DEPTH_IS_CONTIGUOUS, int ACTIVATION = IDENTITY>
struct Factor {
    static constexpr bool DEPTH_CONTIGUOUS = DEPTH_IS_CONTIGUOUS;  // values[row][depth], else values[depth][row]
    static constexpr bool DERIVATIVE = ACTIVATION != IDENTITY;

    const float* values;
    const float* saved;  // with the layout of values; not read by the identity
    int rows, depth;
    float slope;

    // 16-byte accesses need both the start and the length of a line to be multiples of 16 bytes.
    __device__ bool in_vectors() const {
        const int line = DEPTH_CONTIGUOUS ? depth : rows;
        return line % VECTOR == 0 && aligned16(values) && (!DERIVATIVE || aligned16(saved));
    }

    // rows · depth may exceed 2³¹.
    __device__ long long offset(int row, int k) const {
        return DEPTH_CONTIGUOUS ? static_cast<long long>(row) * depth + k : static_cast<long long>(k) * rows + row;
    }

    __device__ float derivative(float value, float saved_value) const {
        return DERIVATIVE ? value * activation_derivative<ACTIVATION>(saved_value, slope) : value;
    }
};

// A tile of ROWS rows and DEPTH terms in shared memory, contiguous along the depth or along the rows. Each line has
// PADDING unused floats at its end, chosen by the user of the tile so that the threads of a warp read different banks.
template <int ROWS, int DEPTH, bool DEPTH_IS_CONTIGUOUS, int PADDING>
struct Tile {
    static constexpr bool DEPTH_CONTIGUOUS = DEPTH_IS_CONTIGUOUS;
    static constexpr int LINE = (DEPTH_CONTIGUOUS ? DEPTH : ROWS) + PADDING;
    static constexpr int SIZE = (DEPTH_CONTIGUOUS ? ROWS : DEPTH) * LINE;
    static_assert(LINE % VECTOR == 0, "16-byte accesses to shared memory");

    __device__ static constexpr int at(int row, int k) { return DEPTH_CONTIGUOUS ? row * LINE + k : k * LINE + row; }
};

// Loads tiles of a factor into shared memory, in two parts around the arithmetic of the previous tile: fetch() starts
// the reads, store() completes them. If the numbers need no change, the copy is asynchronous from sm_80 on and uses no
// registers. Otherwise fetch() reads into registers and store() writes from there: transposed if memory and tile are
// not contiguous along the same axis, or multiplied by act'(saved).
template <typename FACTOR, typename SHARED, int ROWS, int DEPTH>
struct TileLoader {
    static constexpr int THREADS = 2 * ROWS;
    static constexpr bool TRANSPOSE = FACTOR::DEPTH_CONTIGUOUS != SHARED::DEPTH_CONTIGUOUS;
    static constexpr bool ASYNC = HAS_COPY_ASYNC && !TRANSPOSE && !FACTOR::DERIVATIVE;
    static constexpr int VECTORS = ROWS * DEPTH / VECTOR / THREADS;  // a thread's share of a tile
    static_assert(VECTORS * VECTOR * THREADS == ROWS * DEPTH, "all threads have the same share");

    const FACTOR factor;
    const int first_row;
    const bool in_vectors;
    float values[ASYNC ? 1 : VECTORS][VECTOR];
    float saved[FACTOR::DERIVATIVE ? VECTORS : 1][VECTOR];

    __device__ TileLoader(const FACTOR& factor, int first_row)
        : factor(factor), first_row(first_row), in_vectors(factor.in_vectors()) {}

    // Start of this thread's i-th vector in the tile: neighbouring threads load neighbours along the contiguous axis of
    // memory.
    __device__ static void place(int i, int& row, int& k) {
        const int v = threadIdx.x + i * THREADS;
        if (FACTOR::DEPTH_CONTIGUOUS) {
            row = v / (DEPTH / VECTOR);
            k = v % (DEPTH / VECTOR) * VECTOR;
        } else {
            k = v / (ROWS / VECTOR);
            row = v % (ROWS / VECTOR) * VECTOR;
        }
    }

    // Whether element j of the vector at (row, k) of the factor exists. In 16-byte accesses all of them do, or none.
    __device__ bool exists(int row, int k, int j) const {
        return FACTOR::DEPTH_CONTIGUOUS ? row < factor.rows && k + j < factor.depth
                                        : row + j < factor.rows && k < factor.depth;
    }

    // Start reading the tile whose terms begin at first_k. Elements outside the factor are 0.
    __device__ __forceinline__ void fetch(int first_k, float* tile) {
#pragma unroll
        for (int i = 0; i < VECTORS; ++i) {
            int row, k;
            place(i, row, k);
            float* const target = tile + SHARED::at(row, k);
            row += first_row, k += first_k;
            const bool valid = exists(row, k, 0);
            const long long offset = valid ? factor.offset(row, k) : 0;
            if (in_vectors) {
                if constexpr (ASYNC) {
                    copy_async_16(target, factor.values + offset, valid);
                } else {
                    read_vector(values[i], factor.values + offset, valid);
                    if constexpr (FACTOR::DERIVATIVE) read_vector(saved[i], factor.saved + offset, valid);
                }
            } else {
#pragma unroll
                for (int j = 0; j < VECTOR; ++j) {
                    if constexpr (ASYNC) {
                        copy_async_4(target + j, factor.values + offset + j, exists(row, k, j));
                    } else {
                        values[i][j] = exists(row, k, j) ? factor.values[offset + j] : 0.0f;
                        if constexpr (FACTOR::DERIVATIVE) {
                            saved[i][j] = exists(row, k, j) ? factor.saved[offset + j] : 0.0f;
                        }
                    }
                }
            }
        }
    }

    // Complete the fetch(): after this and a __syncthreads all threads see the tile.
    __device__ __forceinline__ void store(float* tile) {
        if constexpr (ASYNC) {
            copy_async_commit();
            copy_async_wait<0>();
            return;
        }
#pragma unroll
        for (int i = 0; i < VECTORS; ++i) {
            int row, k;
            place(i, row, k);
            if constexpr (FACTOR::DERIVATIVE) {
#pragma unroll
                for (int j = 0; j < VECTOR; ++j) values[i][j] = factor.derivative(values[i][j], saved[i][j]);
            }
            if constexpr (TRANSPOSE) {
#pragma unroll
                for (int j = 0; j < VECTOR; ++j) {
                    tile[FACTOR::DEPTH_CONTIGUOUS ? SHARED::at(row, k + j) : SHARED::at(row + j, k)] = values[i][j];
                }
            } else {
                *reinterpret_cast<float4*>(tile + SHARED::at(row, k)) =
                    make_float4(values[i][0], values[i][1], values[i][2], values[i][3]);
            }
        }
    }

    __device__ static void read_vector(float (&into)[VECTOR], const float* from, bool valid) {
        const float4 v = valid ? *reinterpret_cast<const float4*>(from) : make_float4(0, 0, 0, 0);
        into[0] = v.x, into[1] = v.y, into[2] = v.z, into[3] = v.w;
    }
};
