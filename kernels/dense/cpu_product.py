"""The product of two matrices on a CPU: tiles in vector registers, parts of the result shared out over the cores.

As in a fast BLAS (Goto & van de Geijn, Anatomy of high-performance matrix multiplication, 2008), blocks of the factors
are copied into the order in which they are read: BLOCK_K rows of up to BLOCK_N columns of b, that stay in the second
cache, and the same part of ROWS rows of a, in the first. Each number of the result is a sum over k in blocks of
BLOCK_K, in order, wherever it lies: the bits depend neither on the number of cores nor on how the work is shared out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..cpu_threads import SCRATCH, at_once, spread
from ..cpu_vectors import (
    ROWS,
    VECTOR,
    VECTORS,
    copy_column,
    copy_row,
    multiply_tile,
    read,
    turn_rows,
    turn_square,
    write,
)
from ..numba_options import compile_cpu

BLOCK_K, BLOCK_N = 256, 256  # 256 KiB of b in single precision, and 8 KiB of a
assert (BLOCK_K * (BLOCK_N + ROWS) * 8 + ROWS * VECTORS * VECTOR + VECTOR) <= SCRATCH
SPEED = 64  # multiplications in the time of an element of an optimizer


def product(
    a: Any,
    b: Any,
    c: Any,
    bias: Any = None,
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    add: bool = False,
    relu: bool = False,
) -> None:
    """c = a·b + bias, with `add` c += a·b + bias, and with `relu` the larger of that and 0.

    a, b, c: contiguous matrices of one dtype; with `transpose_a` a is given as (k, m), with `transpose_b` b as (n, k).
    bias: of a row of c, or None. A part of the work is some rows of c, or some columns, whichever copies less.
    """
    (m, n), k = c.shape, a.shape[0 if transpose_a else 1]
    if c.size == 0:
        return
    if k == 0:
        at_once()
        c[...] = (c if add else 0) + (0 if bias is None else bias)
        if relu:
            np.maximum(c, 0, out=c)
        return
    flat, by_rows = c.reshape(-1), m >= n
    places, others, multiple = (m, n, ROWS) if by_rows else (n, m, VECTORS * VECTOR // c.itemsize)
    bias = flat[:0] if bias is None else bias  # one signature: this takes a second to compile
    options = k, transpose_a, transpose_b, add, relu, by_rows
    # One number stands for each row or column that is shared out.
    spread(_part, (flat[:places],), a, b, c, bias, *options, width=others * k, speed=SPEED, multiple=multiple, tell=2)


@compile_cpu
def _part(places, start, scratch, a, b, c, bias, k, transpose_a, transpose_b, add, relu, by_rows):
    size, like = c.itemsize, c.dtype.type(0)
    width = VECTORS * VECTOR // size  # columns of a tile
    block_n = BLOCK_N // width * width
    edge = -(-scratch // VECTOR) * VECTOR  # a tile
    panel_a = edge + ROWS * width * size
    block_b = panel_a + BLOCK_K * ROWS * size  # panels of `width` columns, one after the other

    # A factor is (address, bytes from row to row, transposed).
    row, column = (start, 0) if by_rows else (0, start)
    m, n = (places.size, c.shape[1]) if by_rows else (c.shape[0], places.size)
    factor_a = _from((a.ctypes.data, a.shape[1] * size, transpose_a), row, 0, size)
    factor_b = _from((b.ctypes.data, b.shape[1] * size, transpose_b), 0, column, size)
    stride = c.shape[1] * size
    result = c.ctypes.data + row * stride + column * size

    for n0 in range(0, n, block_n):
        columns = min(block_n, n - n0)
        for k0 in range(0, k, BLOCK_K):
            depth, add_to = min(BLOCK_K, k - k0), add or k0 > 0
            for j in range(0, columns, width):
                panel_b, wanted = block_b + j * depth * size, min(width, columns - j)
                _copy_b(like, size, depth, wanted, _from(factor_b, k0, n0 + j, size), panel_b)
            for i in range(0, m, ROWS):
                rows = min(ROWS, m - i)
                _copy_a(like, size, rows, depth, _from(factor_a, i, k0, size), panel_a)
                for j in range(0, columns, width):
                    panel_b, wanted = block_b + j * depth * size, min(width, columns - j)
                    target, whole = result + i * stride + (n0 + j) * size, rows == ROWS and wanted == width
                    tile, tile_stride = (target, stride) if whole else (edge, width * size)
                    narrow = wanted * size <= VECTOR
                    multiply_tile(like, depth, panel_a, panel_b, tile, tile_stride, narrow, add_to and whole)
                    if not whole:
                        _copy_edge(like, size, rows, wanted, edge, width * size, target, stride, add_to)
                if k0 + depth == k and (bias.size or relu):  # while these rows are in the cache
                    for r in range(row + i, row + i + rows):
                        _finish(c[r, column + n0 : column + n0 + columns], bias[column + n0 :], relu)


@compile_cpu
def _finish(numbers, bias, relu):
    if bias.size:
        for j in range(numbers.size):
            numbers[j] += bias[j]
    if relu:
        zero = numbers.dtype.type(0)
        for j in range(numbers.size):
            numbers[j] = zero if numbers[j] < zero else numbers[j]  # this way round, NaN stays NaN


@compile_cpu
def _from(matrix, row, column, size):
    """The matrix from a row and a column on."""
    address, stride, transposed = matrix
    first, second = (column, row) if transposed else (row, column)
    return address + first * stride + second * size, stride, transposed


@compile_cpu
def _copy_a(like, size, rows, depth, a, panel):
    """ROWS rows, or the few that there are and zeros, column by column."""
    source, stride, transposed = a
    done = 0
    if rows < ROWS:
        for p in range(0, depth * ROWS * size, size):
            write(like, panel + p)
    elif transposed:
        done = depth
        for p in range(depth):
            copy_column(like, source + p * stride, panel + p * ROWS * size)
    else:
        lanes = VECTOR // size
        done = depth // lanes * lanes
        for p in range(0, done, lanes):
            turn_rows(like, source + p * size, stride, panel + p * ROWS * size)
    along, across = (stride, size) if transposed else (size, stride)
    for p in range(done, depth):
        for i in range(rows):
            write(read(like, source + p * along + i * across), panel + (p * ROWS + i) * size)


@compile_cpu
def _copy_b(like, size, depth, columns, b, panel):
    """The columns of a tile, or the few that there are and zeros, row by row; of a narrow tile, in one vector."""
    source, stride, transposed = b
    lanes, row = VECTOR // size, VECTORS * VECTOR
    done = 0
    if columns * size < row:
        end = row if columns * size > VECTOR else VECTOR
        for p in range(panel, panel + depth * row, row):
            for place in range(p + columns * size, p + end, size):
                write(like, place)
    elif transposed:
        done = depth // lanes * lanes
        for p in range(0, done, lanes):
            for j in range(0, columns, lanes):
                turn_square(like, source + j * stride + p * size, stride, panel + p * row + j * size, row)
    else:
        done = depth
        for p in range(depth):
            copy_row(like, source + p * stride, panel + p * row)
    along, across = (size, stride) if transposed else (stride, size)
    for p in range(done, depth):
        for j in range(columns):
            write(read(like, source + p * along + j * across), panel + p * row + j * size)


@compile_cpu
def _copy_edge(like, size, rows, columns, edge, edge_stride, c, c_stride, add):
    for i in range(rows):
        for j in range(columns):
            number, target = read(like, edge + i * edge_stride + j * size), c + i * c_stride + j * size
            write(read(like, target) + number if add else number, target)
