"""The product of two matrices on a CPU: tiles in vector registers, parts of the result shared out over the cores.

As in a fast BLAS (Goto & van de Geijn, Anatomy of high-performance matrix multiplication, 2008), blocks of the factors
are copied into the order in which they are read, panel by panel: as many rows as a tile has of a, as many columns of b.
A block of b stays in the second cache, a panel of a in the first. Rows of a that is not transposed are read where they
lie: a copy is no faster to read. Each number of the result is a sum over k in blocks, in order, wherever it lies: the
bits depend neither on the number of cores nor on how the work is shared out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..cpu.options import compile_cpu
from ..cpu.team import SCRATCH_BYTES, runs_host_code, spread
from ..cpu.vectors import (
    ROWS,
    VECTOR,
    VECTORS,
    copy_column,
    copy_row,
    copy_some,
    multiply_tile,
    put_some,
    turn_in,
    turn_square,
)

BLOCK_M, BLOCK_N = 512, 256  # rows of a and columns of b
BLOCK_K = 2048  # bytes of k: a block of b has 512 KiB
SMALL = 1 << 15  # numbers of a result up to which short blocks, one panel at a time, leave the cache to the network
TOGETHER = 4  # panels that are written side by side; more of them meet in the same few lines of the first cache
assert BLOCK_K * (BLOCK_M + BLOCK_N) + ROWS * VECTORS * VECTOR + VECTOR <= SCRATCH_BYTES
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
    bias: of a row of c, or None. A part of the work is some rows of c, or some columns, whichever copies less: of what
    is not shared out, each part makes a copy, and that of a transposed `a` takes twice as long.
    """
    (m, n), k = c.shape, a.shape[0 if transpose_a else 1]
    if c.size == 0:
        return
    if k == 0:
        runs_host_code()
        c[...] = (c if add else 0) + (0 if bias is None else bias)
        if relu:
            np.maximum(c, 0, out=c)
        return
    flat, by_rows = c.reshape(-1), (2 * m if transpose_a else m) >= n
    places, others, multiple = (m, n, ROWS) if by_rows else (n, m, VECTORS * VECTOR // c.itemsize)
    bias = flat[:0] if bias is None else bias  # one signature: this takes a second to compile
    options = k, transpose_a, transpose_b, add, relu, by_rows
    # One number stands for each row or column that is shared out.
    spread(_part, (flat[:places],), a, b, c, bias, *options, width=others * k, speed=SPEED, multiple=multiple, extras=2)


@compile_cpu
def _part(places, start, scratch, a, b, c, bias, k, transpose_a, transpose_b, add, relu, by_rows):
    size, like = c.itemsize, c.dtype.type(0)
    width = VECTORS * VECTOR // size  # columns of a tile
    small = c.size <= SMALL
    together = 1 if small else TOGETHER
    block_n, block_k = BLOCK_N // width * width, BLOCK_K // size // (2 if small else 1)
    edge = -(-scratch // VECTOR) * VECTOR  # a tile
    block_b = edge + ROWS * width * size
    block_a = block_b + BLOCK_K * BLOCK_N

    # A factor is (address, bytes from row to row, transposed).
    row, column = (start, 0) if by_rows else (0, start)
    m, n = (places.size, c.shape[1]) if by_rows else (c.shape[0], places.size)
    factor_a = _from((a.ctypes.data, a.shape[1] * size, transpose_a), row, 0, size)
    factor_b = _from((b.ctypes.data, b.shape[1] * size, transpose_b), 0, column, size)
    stride = c.shape[1] * size
    result = c.ctypes.data + row * stride + column * size

    one_block = n <= block_n  # it stays where it is while the rows of a go by, a few panels at a time
    block_m = TOGETHER * ROWS if one_block else BLOCK_M
    for k0 in range(0, k, block_k):
        depth, add_to = min(block_k, k - k0), add or k0 > 0
        for m0 in range(0, m, block_m):
            m1 = min(m, m0 + block_m)
            in_place = 0 if transpose_a else (m1 - m0) // ROWS * ROWS  # rows of a
            rows_a, copied = _from(factor_a, m0, k0, size), m0 + in_place
            address, step, turned = _from(factor_a, copied, k0, size)
            _pack(like, size, m1 - copied, depth, address, step, turned, ROWS, block_a, together)
            for n0 in range(0, n, block_n):
                n1 = min(n, n0 + block_n)
                if m0 == 0 or not one_block:
                    address, step, turned = _from(factor_b, k0, n0, size)
                    _pack(like, size, n1 - n0, depth, address, step, not turned, width, block_b, together)
                for i in range(m0, m1, ROWS):
                    rows = min(ROWS, m1 - i)
                    if i < copied:
                        panel_a, across, along = rows_a[0] + (i - m0) * rows_a[1], rows_a[1], size
                    else:
                        panel_a, across, along = block_a + (i - copied) * depth * size, size, ROWS * size
                    for j in range(n0, n1, width):
                        columns, panel_b = min(width, n1 - j), block_b + (j - n0) * depth * size
                        target, whole = result + i * stride + j * size, rows == ROWS and columns == width
                        tile, tile_stride = (target, stride) if whole else (edge, width * size)
                        narrow = columns * size <= VECTOR
                        options = panel_b, tile, tile_stride, narrow, add_to and whole
                        multiply_tile(like, depth, panel_a, across, along, *options)
                        if not whole:
                            _copy_edge(like, size, rows, columns, edge, width * size, target, stride, add_to)
                    if k0 + depth == k and (bias.size or relu):  # while these rows are in the cache
                        for r in range(row + i, row + i + rows):
                            _finish(c[r, column + n0 : column + n1], bias[column + n0 :], relu)


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
def _pack(like, size, count, depth, address, stride, side_by_side, width, block, together):
    """Copy rows of a, or columns of b, into panels of `width` of them, which have those numbers side by side.

    So they lie in the factor, `side_by_side`, and `stride` is from one place along k to the next; or it is from one of
    them to the next, and they are turned. The last panel has zeros after them up to a whole vector; nobody reads on.
    """
    lanes, row = VECTOR // size, width * size
    whole = count // width * width
    for start in range(0, whole if side_by_side else 0, together * width):
        source, target = address + start * size, block + start * depth * size
        panels = min(together, (whole - start) // width)
        for p in range(depth if panels == TOGETHER else 0):
            for panel in range(TOGETHER):
                _copy(like, source + p * stride + panel * row, target + p * row + panel * depth * row, width)
        for panel in range(panels if panels < TOGETHER else 0):
            for p in range(depth):
                _copy(like, source + p * stride + panel * row, target + p * row + panel * depth * row, width)
    for start in range(whole if side_by_side else 0, count, width):
        there, panel = min(width, count - start), block + start * depth * size
        for i in range(0, there, lanes):
            target = panel + i * size
            if side_by_side:
                for p in range(depth):
                    copy_some(like, address + p * stride + (start + i) * size, there - i, target + p * row)
            else:
                _turn(like, size, there - i, depth, address + (start + i) * stride, stride, target, row)


@compile_cpu
def _copy(like, source, target, width):
    if width == ROWS:
        copy_column(like, source, target)
    else:
        copy_row(like, source, target)


@compile_cpu
def _turn(like, size, there, depth, source, stride, target, target_stride):
    """Write up to a vector of rows as columns; of the last square also what is too much, before what belongs there."""
    lanes = VECTOR // size
    for p in range(0, depth, lanes):
        square, turned = source + p * size, target + p * target_stride
        if there >= lanes and depth - p >= lanes:
            turn_square(like, square, stride, turned, target_stride)
        else:
            turn_in(like, square, stride, there, depth - p, turned, target_stride)


@compile_cpu
def _copy_edge(like, size, rows, columns, edge, edge_stride, c, c_stride, add):
    for i in range(rows):
        for j in range(0, columns * size, VECTOR):
            put_some(like, edge + i * edge_stride + j, columns - j // size, c + i * c_stride + j, add)
