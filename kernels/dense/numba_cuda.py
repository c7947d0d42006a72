"""Dense layer in Numba CUDA: a block computes one square tile of the output, a thread one element."""

import numpy as np

from ...errors import DeviceError
from ..activation.numba_cuda import KIND, activate, activation_backward
from ..numba_cuda.device import ZERO, device_function
from ..numba_cuda.launch import cuda, launch

TILE = 16  # side of the tiles: a block has TILE × TILE threads and adds TILE terms of the sum at a time
LINE = TILE + 1  # line length of a tile in shared memory: the extra element puts a column into different banks


@device_function
def load_tile(tile, matrix, entry, first_row, first_column, transposed):
    """Load a tile of a matrix into shared memory, one element per thread; elements outside the matrix are 0.

    Neighbouring threads read neighbouring numbers, which are a column of the tile if the matrix is transposed.
    """
    x, y = cuda.threadIdx.x, cuda.threadIdx.y
    row, column = (first_row + x, first_column + y) if transposed != 0 else (first_row + y, first_column + x)
    i, j = (column, row) if transposed != 0 else (row, column)
    value = ZERO
    if i < matrix.shape[1] and j < matrix.shape[2]:
        value = matrix[entry, i, j]
    if transposed != 0:
        tile[x, y] = value
    else:
        tile[y, x] = value


@device_function
def tile_of_product(a, b, entry, first_row, first_column, depth, transpose_a, transpose_b):
    """Return this thread's element of a tile of a·b, a sum of `depth` terms; all threads of the block must call it."""
    tile_a = cuda.shared.array((TILE, LINE), np.float32)
    tile_b = cuda.shared.array((TILE, LINE), np.float32)
    total = ZERO
    for first in range(0, depth, TILE):
        load_tile(tile_a, a, entry, first_row, first, transpose_a)
        load_tile(tile_b, b, entry, first, first_column, transpose_b)
        cuda.syncthreads()
        for k in range(TILE):
            total += tile_a[cuda.threadIdx.y, k] * tile_b[k, cuda.threadIdx.x]
        cuda.syncthreads()  # the next tiles overwrite these
    return total


@cuda.jit
def dense_forward_kernel(x, w, b, y, z, kind, slope):
    """Compute a tile of the output; `x` and `w` have a leading axis of length 1, `y` and `z` are flat."""
    n_out = w.shape[2]
    tiles = (n_out + TILE - 1) // TILE  # tiles per row of tiles
    first_row, first_column = cuda.blockIdx.x // tiles * TILE, cuda.blockIdx.x % tiles * TILE
    total = tile_of_product(x, w, 0, first_row, first_column, x.shape[2], 0, 0)

    row, column = first_row + cuda.threadIdx.y, first_column + cuda.threadIdx.x
    if row < x.shape[1] and column < n_out:
        if b.size > 0:
            total += b[column]
        if z.size > 0:
            z[row * n_out + column] = total
        y[row * n_out + column] = activate(kind, total, slope)


@cuda.jit
def product_kernel(a, b, c, depth, transpose_a, transpose_b, accumulate):
    """Compute c = a·b, or c += a·b, for each entry of the leading axis."""
    m, n = c.shape[1], c.shape[2]
    tiles_down, tiles_across = (m + TILE - 1) // TILE, (n + TILE - 1) // TILE
    entry, tile = cuda.blockIdx.x // (tiles_down * tiles_across), cuda.blockIdx.x % (tiles_down * tiles_across)
    first_row, first_column = tile // tiles_across * TILE, tile % tiles_across * TILE
    total = tile_of_product(a, b, entry, first_row, first_column, depth, transpose_a, transpose_b)

    row, column = first_row + cuda.threadIdx.y, first_column + cuda.threadIdx.x
    if row < m and column < n:
        c[entry, row, column] = c[entry, row, column] + total if accumulate != 0 else total


@cuda.jit
def column_sums_kernel(dz, db, accumulate):
    """Sum TILE columns per block: TILE threads per column, whose sums are then added in order."""
    sums = cuda.shared.array((TILE, TILE), np.float32)
    x, y = cuda.threadIdx.x, cuda.threadIdx.y
    column = cuda.blockIdx.x * TILE + x
    total = ZERO
    if column < dz.shape[1]:
        for row in range(y, dz.shape[0], TILE):
            total += dz[row, column]
    sums[y, x] = total
    cuda.syncthreads()
    if y == 0 and column < dz.shape[1]:
        for other in range(1, TILE):
            total += sums[other, x]
        db[column] = db[column] + total if accumulate != 0 else total


def dense_forward(x, w, b, y, z, workspace, *, activation, negative_slope, precision):
    _refuse_rounded(precision)
    flat = (y.reshape(-1), None if z is None else z.reshape(-1))
    scalars = (KIND[activation], np.float32(negative_slope))
    launch(dense_forward_kernel, _tiles(*y.shape), (TILE, TILE), x[None], w[None], b, *flat, *scalars)


def dense_backward(dy, x, w, saved, dx, dw, db, workspace, *, activation, negative_slope, accumulate, precision):
    _refuse_rounded(precision)
    dz = dy
    if activation != "identity" and dy.size:
        dz = workspace[: dy.size].reshape(dy.shape)
        activation_backward(dy, saved, dz, activation=activation, negative_slope=negative_slope)
    if dx is not None:
        _product(dz[None], w[None], dx[None], transpose_b=True)
    if dw is not None:
        _product(x[None], dz[None], dw[None], transpose_a=True, accumulate=accumulate)
    if db is not None:
        launch(column_sums_kernel, -(-db.size // TILE), (TILE, TILE), dz, db, np.int32(accumulate))


def matmul(a, b, c, workspace, *, transpose_a, transpose_b, precision):
    _refuse_rounded(precision)
    if c.ndim == 2:
        a, b, c = a[None], b[None], c[None]
    _product(a, b, c, transpose_a, transpose_b)


def _product(a, b, c, transpose_a=False, transpose_b=False, accumulate=False):
    depth = a.shape[1 if transpose_a else 2]
    scalars = map(np.int32, (depth, transpose_a, transpose_b, accumulate))
    launch(product_kernel, len(c) * _tiles(*c.shape[1:]), (TILE, TILE), a, b, c, *scalars)


def _tiles(rows, columns):
    """Return the number of tiles that cover a matrix, which are the blocks of the launch."""
    return -(-rows // TILE) * -(-columns // TILE)


def _refuse_rounded(precision):
    if precision != "float32":
        raise DeviceError(f"the Numba CUDA kernels compute in float32 only, not in {precision}: use toolchain 'cupy'")
