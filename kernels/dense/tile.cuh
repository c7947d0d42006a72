// The tiles of a product's factors: where they are in memory, how a block brings them to shared memory.

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

// A factor of a product in memory: rows × depth numbers, of which the product sums over the depth. The rows of a·b are
// those of a, and the columns of b. With an ACTIVATION other than the identity the factor is values · act'(saved).
template <bool DEPTH_IS_CONTIGUOUS, int ACTIVATION = IDENTITY>
struct Factor {
    static constexpr bool DEPTH_CONTIGUOUS = DEPTH_IS_CONTIGUOUS;  // values[row][depth], else values[depth][row]
    static constexpr bool DERIVATIVE = ACTIVATION != IDENTITY;

    const float* values;
    const float* saved;  // laid out like values; not read by the identity
    int rows, depth;
    float slope;

    // 16-byte accesses need both the start and the length of a line to be multiples of 16 bytes.
    __device__ bool in_vectors() const {
        const int line = DEPTH_CONTIGUOUS ? depth : rows;
        return line % VECTOR == 0 && aligned16(values) && (!DERIVATIVE || aligned16(saved));
    }

    // rows · depth may pass 2³¹.
    __device__ long long offset(int row, int k) const {
        return DEPTH_CONTIGUOUS ? static_cast<long long>(row) * depth + k : static_cast<long long>(k) * rows + row;
    }

    __device__ float derivative(float value, float saved_value) const {
        return DERIVATIVE ? value * activation_derivative<ACTIVATION>(saved_value, slope) : value;
    }
};

// A tile of ROWS rows and DEPTH terms in shared memory, with the depth contiguous or the rows. Each line is longer than
// its content by PADDING floats, chosen where it is used so that the threads of a warp read from different banks.
template <int ROWS, int DEPTH, bool DEPTH_IS_CONTIGUOUS, int PADDING>
struct Tile {
    static constexpr bool DEPTH_CONTIGUOUS = DEPTH_IS_CONTIGUOUS;
    static constexpr int LINE = (DEPTH_CONTIGUOUS ? DEPTH : ROWS) + PADDING;
    static constexpr int SIZE = (DEPTH_CONTIGUOUS ? ROWS : DEPTH) * LINE;
    static_assert(LINE % VECTOR == 0, "16-byte accesses to shared memory");

    __device__ static constexpr int at(int row, int k) { return DEPTH_CONTIGUOUS ? row * LINE + k : k * LINE + row; }
};

// Brings tiles of a factor to shared memory, in two parts around the arithmetic of the tile before: fetch() starts the
// reads, store() ends them. Where nothing has to be done to the numbers and sm_80 is there, the copy is asynchronous and
// passes no register. Otherwise fetch() reads into registers and store() writes from there: transposed where memory and
// tile differ in what is contiguous, or multiplied by act'(saved).
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

    // Where this thread's i-th vector begins in the tile: neighbouring threads take neighbours along what is contiguous
    // in memory.
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

    // Whether element j of the vector at (row, k) of the factor exists. In whole vectors, all do or none.
    __device__ bool exists(int row, int k, int j) const {
        return FACTOR::DEPTH_CONTIGUOUS ? row < factor.rows && k + j < factor.depth
                                        : row + j < factor.rows && k < factor.depth;
    }

    // Start reading the tile whose terms begin at first_k. What lies outside the factor counts as 0.
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

    // End what fetch() began: after this and a __syncthreads the tile is there for all threads.
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
