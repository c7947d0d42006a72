// One tile of a matrix product, computed by a block: the sums of a·b over a part of the depth, in registers.
//
// A block of 2·TILE threads computes TILE × TILE outputs. It walks along the depth, tile by tile: while the threads
// multiply one pair of tiles in shared memory, the next pair is being loaded into another. Sums are float32, and each
// is added in the order of the depth by one thread or one tensor core.

#pragma once
#include "tile.cuh"

// ---- sums of a block on the CUDA cores: every thread holds some of them and adds by fmaf ----
//
// The lanes of a warp form 4 rows of 8. A lane holds groups of 4 × 4 sums that are 16 rows and 32 columns apart, so
// that for each term a warp reads 4 and 8 neighbouring 16-byte words, from different banks. At TILE 128 a thread holds
// 8 × 8 sums and reads 16 numbers for 64 multiplications.

template <int TILE, int PRECISION>
struct Sums {
    static_assert(PRECISION == FLOAT32, "lower precisions are specialized below");
    static constexpr int THREAD_ROWS = TILE == 32 ? 4 : 8, THREAD_COLUMNS = TILE == 128 ? 8 : 4;
    static constexpr int WARP_ROWS = 4 * THREAD_ROWS, WARP_COLUMNS = 8 * THREAD_COLUMNS;  // sums of a warp
    static constexpr int DEPTH = TILE == 128 ? 8 : 16;
    static_assert(TILE * TILE == THREAD_ROWS * THREAD_COLUMNS * 2 * TILE, "the threads hold the tile");

    // Reads are 16 bytes of neighbouring rows. With the padding of 4, the 16 rows × 2 vectors that a warp transposes at
    // DEPTH 8 are written to 32 different banks (at DEPTH 16, two per bank).
    template <typename FACTOR>
    using Shared = Tile<TILE, DEPTH, false, 4>;
    template <typename FACTOR>
    using Loader = TileLoader<FACTOR, Shared<FACTOR>, TILE, DEPTH>;

    float sums[THREAD_ROWS][THREAD_COLUMNS] = {};

    // First row and first column of this thread's sums in the tile.
    __device__ static int first_row() {
        return threadIdx.x / WARP % (TILE / WARP_ROWS) * WARP_ROWS + threadIdx.x % WARP / 8 * 4;
    }
    __device__ static int first_column() {
        return threadIdx.x / WARP / (TILE / WARP_ROWS) * WARP_COLUMNS + threadIdx.x % 8 * 4;
    }

    template <typename A, typename B>
    __device__ __forceinline__ void add(const float* a, const float* b) {
#pragma unroll
        for (int k = 0; k < DEPTH; ++k) {
            float rows[THREAD_ROWS], columns[THREAD_COLUMNS];
#pragma unroll
            for (int i = 0; i < THREAD_ROWS; i += 4) read(rows + i, a + Shared<A>::at(first_row() + 4 * i, k));
#pragma unroll
            for (int j = 0; j < THREAD_COLUMNS; j += 4) read(columns + j, b + Shared<B>::at(first_column() + 8 * j, k));
#pragma unroll
            for (int i = 0; i < THREAD_ROWS; ++i) {
#pragma unroll
                for (int j = 0; j < THREAD_COLUMNS; ++j) sums[i][j] = fmaf(rows[i], columns[j], sums[i][j]);
            }
        }
    }

    template <typename OUTPUT>
    __device__ __forceinline__ void write(const OUTPUT& output, int tile_row, int tile_column) const {
#pragma unroll
        for (int i = 0; i < THREAD_ROWS; ++i) {
            const int row = tile_row + first_row() + i / 4 * 16 + i % 4;
#pragma unroll
            for (int j = 0; j < THREAD_COLUMNS; j += 4) {
                const float four[4] = {sums[i][j], sums[i][j + 1], sums[i][j + 2], sums[i][j + 3]};
                output.write(row, tile_column + first_column() + 8 * j, four);
            }
        }
    }

    __device__ static void read(float* into, const float* from) {
        const float4 v = *reinterpret_cast<const float4*>(from);
        into[0] = v.x, into[1] = v.y, into[2] = v.z, into[3] = v.w;
    }
};

// ---- sums of a block on the tensor cores ----
//
// A warp holds fragments of 16 × 8 sums; one instruction adds 8 terms (TF32) or 16 (bfloat16) to each of them. The
// tiles stay float32, so that copies can be asynchronous, and numbers are rounded when a fragment is read. The layout
// of the fragments over the lanes is documented at mma_tf32_16x8x8 and mma_bf16_16x8x16 in gpugrad.cuh.

template <int TILE, int PRECISION>
struct TensorSums {
    static constexpr int WARPS_DOWN = 2, WARPS_ACROSS = 2 * TILE / WARP / WARPS_DOWN;
    static constexpr int WARP_ROWS = TILE / WARPS_DOWN, WARP_COLUMNS = TILE / WARPS_ACROSS;
    static constexpr int FRAGMENTS_DOWN = WARP_ROWS / 16, FRAGMENTS_ACROSS = WARP_COLUMNS / 8;
    static constexpr int DEPTH = 16, TERMS = PRECISION == TF32 ? 8 : 16;
    static constexpr int LANE_TERMS = PRECISION == TF32 ? 1 : 2;  // neighbouring terms per register of a fragment

    // A tile has the layout of its factor. Lane 4·g + t reads at row g and term t (TF32), or at terms 2t and 2t + 1
    // (bfloat16). With these paddings a warp reads from 32 banks: lines have 20 (TF32) or 24 numbers (bfloat16, in
    // pairs, half a warp at a time) if the depth is contiguous, TILE + 8 or TILE + 4 if the rows are.
    template <typename FACTOR>
    using Shared =
        Tile<TILE, DEPTH, FACTOR::DEPTH_CONTIGUOUS, FACTOR::DEPTH_CONTIGUOUS == (PRECISION == TF32) ? 4 : 8>;
    template <typename FACTOR>
    using Loader = TileLoader<FACTOR, Shared<FACTOR>, TILE, DEPTH>;

    float sums[FRAGMENTS_DOWN][FRAGMENTS_ACROSS][4] = {};

    __device__ static int group() { return threadIdx.x % WARP / 4; }
    __device__ static int member() { return threadIdx.x % 4; }
    __device__ static int first_row() { return threadIdx.x / WARP % WARPS_DOWN * WARP_ROWS; }
    __device__ static int first_column() { return threadIdx.x / WARP / WARPS_DOWN * WARP_COLUMNS; }

    template <typename A, typename B>
    __device__ __forceinline__ void add(const float* a, const float* b) {
#pragma unroll 1
        for (int k = 0; k < DEPTH; k += TERMS) {
            const int term = k + LANE_TERMS * member();
            unsigned columns[FRAGMENTS_ACROSS][2];
#pragma unroll
            for (int j = 0; j < FRAGMENTS_ACROSS; ++j) {
                const int column = first_column() + 8 * j + group();
                columns[j][0] = rounded<Shared<B>>(b, column, term);
                columns[j][1] = rounded<Shared<B>>(b, column, term + TERMS / 2);
            }
#pragma unroll
            for (int i = 0; i < FRAGMENTS_DOWN; ++i) {
                const int row = first_row() + 16 * i + group();
                const unsigned rows[4] = {
                    rounded<Shared<A>>(a, row, term), rounded<Shared<A>>(a, row + 8, term),
                    rounded<Shared<A>>(a, row, term + TERMS / 2), rounded<Shared<A>>(a, row + 8, term + TERMS / 2)};
#pragma unroll
                for (int j = 0; j < FRAGMENTS_ACROSS; ++j) {
                    if constexpr (PRECISION == TF32) mma_tf32_16x8x8(sums[i][j], rows, columns[j]);
                    if constexpr (PRECISION == BFLOAT16) mma_bf16_16x8x16(sums[i][j], rows, columns[j]);
                }
            }
        }
    }

    template <typename OUTPUT>
    __device__ __forceinline__ void write(const OUTPUT& output, int tile_row, int tile_column) const {
#pragma unroll
        for (int i = 0; i < FRAGMENTS_DOWN; ++i) {
#pragma unroll
            for (int j = 0; j < FRAGMENTS_ACROSS; ++j) {
                const int row = tile_row + first_row() + 16 * i + group();
                const int column = tile_column + first_column() + 8 * j + 2 * member();
                const float upper[2] = {sums[i][j][0], sums[i][j][1]}, lower[2] = {sums[i][j][2], sums[i][j][3]};
                output.write(row, column, upper);
                output.write(row + 8, column, lower);
            }
        }
    }

    // One register of a fragment: one number or two neighbouring ones, rounded to the precision.
    template <typename SHARED>
    __device__ static unsigned rounded(const float* tile, int row, int k) {
        if constexpr (PRECISION == TF32) {
            return to_tf32(tile[SHARED::at(row, k)]);
        } else if constexpr (SHARED::at(0, 1) == 1) {
            const float2 pair = *reinterpret_cast<const float2*>(tile + SHARED::at(row, k));
            return pack_bf16(pair.x, pair.y);
        } else {
            return pack_bf16(tile[SHARED::at(row, k)], tile[SHARED::at(row, k + 1)]);
        }
    }
};

template <int TILE>
struct Sums<TILE, TF32> : TensorSums<TILE, TF32> {};
template <int TILE>
struct Sums<TILE, BFLOAT16> : TensorSums<TILE, BFLOAT16> {};

// ---- the walk along the depth ----

// The tile of a block, and its part of the depth.
template <int TILE>
struct Place {
    int entry, row, column, first_k, last_k;

    // Blocks are numbered down bands of 8 rows of tiles, so that blocks that run at the same time share rows and
    // columns of the factors in the L2 cache. blockIdx.y numbers the parts of a split sum.
    __device__ Place(int rows, int columns, int depth, int part) {
        constexpr int BAND = 8;
        const int down = (rows + TILE - 1) / TILE, across = (columns + TILE - 1) / TILE;
        const int tile = blockIdx.x % (down * across), band = tile / (BAND * across);
        const int height = min(BAND, down - BAND * band), in_band = tile - BAND * band * across;
        entry = blockIdx.x / (down * across);
        row = (BAND * band + in_band % height) * TILE;
        column = in_band / height * TILE;
        first_k = blockIdx.y * part;
        last_k = min(depth, first_k + part);
    }
};

// Add a·b over the block's part of the depth to the sums. With COLUMN_SUMS, thread c < TILE of the blocks in the first
// row of tiles also sums column c of b, in the order of the depth, from the tiles that are loaded anyway.
template <bool COLUMN_SUMS, int TILE, int PRECISION, typename A, typename B>
__device__ __forceinline__ void multiply(
    Sums<TILE, PRECISION>& sums, const A& a, const B& b, const Place<TILE>& place, float& column_sum) {
    using Block = Sums<TILE, PRECISION>;
    using SharedA = typename Block::template Shared<A>;
    using SharedB = typename Block::template Shared<B>;
    __shared__ __align__(16) float tiles_a[2][SharedA::SIZE];
    __shared__ __align__(16) float tiles_b[2][SharedB::SIZE];
    typename Block::template Loader<A> loader_a(a, place.row);
    typename Block::template Loader<B> loader_b(b, place.column);

    loader_a.fetch(place.first_k, tiles_a[0]);
    loader_b.fetch(place.first_k, tiles_b[0]);
    loader_a.store(tiles_a[0]);
    loader_b.store(tiles_b[0]);
    __syncthreads();
    int now = 0;
    for (int k = place.first_k; k < place.last_k; k += Block::DEPTH) {
        const bool more = k + Block::DEPTH < place.last_k;
        if (more) {
            loader_a.fetch(k + Block::DEPTH, tiles_a[1 - now]);
            loader_b.fetch(k + Block::DEPTH, tiles_b[1 - now]);
        }
        sums.template add<A, B>(tiles_a[now], tiles_b[now]);
        if (COLUMN_SUMS && place.row == 0 && threadIdx.x < TILE) {
#pragma unroll
            for (int i = 0; i < Block::DEPTH; ++i) column_sum += tiles_b[now][SharedB::at(threadIdx.x, i)];
        }
        if (more) {
            loader_a.store(tiles_a[1 - now]);
            loader_b.store(tiles_b[1 - now]);
        }
        // One barrier per step: all threads see the tiles just stored, and those just read may be overwritten.
        __syncthreads();
        now = 1 - now;
    }
}

// ---- epilogue ----

// c = act(sum + bias), and z = sum + bias if z is not null; or c += sum.
template <int ACTIVATION = IDENTITY>
struct Output {
    float* c;           // (rows, columns)
    float* z;           // (rows, columns), or null
    const float* bias;  // (columns,), or null
    int rows, columns;
    float slope;
    bool accumulate, in_vectors;

    __device__ Output(
        float* c, int rows, int columns, const float* bias = nullptr, float* z = nullptr, float slope = 0,
        bool accumulate = false)
        : c(c), z(z), bias(bias), rows(rows), columns(columns), slope(slope), accumulate(accumulate),
          in_vectors(columns % VECTOR == 0 && aligned16(c) && aligned16(z)) {}

    // Write neighbours in a row: COUNT is 4 or 2, `column` a multiple of it.
    template <int COUNT>
    __device__ __forceinline__ void write(int row, int column, const float (&sums)[COUNT]) const {
        if (row >= rows) return;
        const long long offset = static_cast<long long>(row) * columns + column;  // may exceed 2³¹
        float before[COUNT], after[COUNT];
#pragma unroll
        for (int i = 0; i < COUNT; ++i) {
            const bool exists = column + i < columns;
            before[i] = sums[i] + (bias != nullptr && exists ? bias[column + i] : 0.0f);
            after[i] = activate<ACTIVATION>(before[i], slope) + (accumulate && exists ? c[offset + i] : 0.0f);
        }
        write_to(c + offset, column, after);
        if (z != nullptr) write_to(z + offset, column, before);
    }

    template <int COUNT>
    __device__ __forceinline__ void write_to(float* target, int column, const float (&values)[COUNT]) const {
        if (in_vectors) {  // either all of them exist, or none
            if (column >= columns) return;
            if constexpr (COUNT == 4) {
                *reinterpret_cast<float4*>(target) = make_float4(values[0], values[1], values[2], values[3]);
            } else {
                *reinterpret_cast<float2*>(target) = make_float2(values[0], values[1]);
            }
        } else {
#pragma unroll
            for (int i = 0; i < COUNT; ++i) {
                if (column + i < columns) target[i] = values[i];
            }
        }
    }
};
