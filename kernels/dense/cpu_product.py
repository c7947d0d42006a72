"""Matrix product on a CPU: tiles in vector registers, parts of the result distributed over the cores.

As in a fast BLAS [1]_, blocks of the inputs are copied into the order in which they are read, panel by panel; a panel
is as many rows of a, or columns of b, as a tile has. A block of b stays in the second-level cache, a panel of a in the
first-level cache. Rows of an `a` that is not transposed are read in place, which is as fast as reading a copy. Each
element of the result is a sum over k in blocks, in order, wherever it is, so the result is the same bit for bit on any
number of cores and for any division of the work.

A product with few rows, such as one prediction, reads each number of b too few times to be worth a copy: it adds the
rows of b to those of the result, each times a number of a.

.. [1] Goto and van de Geijn, Anatomy of high-performance matrix multiplication, 2008.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..cpu.options import compile_cpu
from ..cpu.team import SCRATCH_BYTES, prepare, runs_host_code, spread
from ..cpu.vectors import (
    ROWS,
    VECTOR,
    VECTORS,
    add_products,
    copy_column,
    copy_partial,
    copy_row,
    multiply_tile,
    transpose_in,
    transpose_square,
    write_partial,
)

BLOCK_M, BLOCK_N = 512, 256  # rows of a and columns of b per block
BLOCK_K = 2048  # bytes along k per block, so that a block of b has 512 KiB
SMALL = 1 << 15  # up to this size of c, short blocks and single panels leave the cache to the rest of the network
TOGETHER = 4  # panels written side by side; more would map to the same few lines of the first-level cache
assert BLOCK_K * (BLOCK_M + BLOCK_N) + ROWS * VECTORS * VECTOR + VECTOR <= SCRATCH_BYTES
SPEED = 64  # speed of a product for `spread`, in multiplications
FEW = 4  # up to this many rows of a, b is not copied; with 8, a copy is faster
SPEED_OF_ROW = 8  # the same for each of few rows: memory is the limit
PAGE = 4096  # bytes of a row of b that are added at a time
TERMS = 4  # rows of b that are added in one pass over the sums


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
    """Compute ``c = a·b + bias``.

    The work is divided by rows or by columns of c, whichever copies less: each part copies the input that is not
    divided, and copying a transposed `a` takes twice as long.

    Parameters
    ----------
    a : array, (m, k), or (k, m) with `transpose_a`
        Contiguous, of the same dtype as `b` and `c`.
    b : array, (k, n), or (n, k) with `transpose_b`
        Contiguous.
    c : array, (m, n)
        The result, contiguous.
    bias : array, (n,), optional
        Added to each row.
    transpose_a, transpose_b : bool, default False
        Use the transpose of `a` or `b`.
    add : bool, default False
        Add to `c` instead of overwriting it.
    relu : bool, default False
        Replace negative results by 0.
    """
    k = a.shape[0 if transpose_a else 1]
    if c.size == 0:
        return
    if k == 0:
        runs_host_code()
        c[...] = (c if add else 0) + (0 if bias is None else bias)
        if relu:
            np.maximum(c, 0, out=c)
        return
    flat, (divided, other, multiple, by_rows) = c.reshape(-1), _division(c, transpose_a)
    bias = flat[:0] if bias is None else bias  # so that there is one signature, which takes a second to compile
    options = k, transpose_a, transpose_b, add, relu, by_rows
    # `spread` cuts this array into parts; only its length matters, one element per row or column.
    index = (flat[:divided],)
    speed = _speed(c, transpose_b)
    spread(_multiply_part, index, a, b, c, bias, *options, width=other * k, speed=speed, multiple=multiple, extras=2)


def prepare_product(
    a: Any, b: Any, c: Any, *, transpose_a: bool = False, transpose_b: bool = False, relu: bool = False
) -> Callable[..., None] | None:
    """Return a function that does the same as `product`, or None if there is no faster one.

    Its parameters are those of matmul, (a, b, c, workspace), and the bias.
    """
    k = a.shape[0 if transpose_a else 1]
    if c.size == 0 or k == 0:
        return None
    divided, other, _, by_rows = _division(c, transpose_a)
    run = prepare(_multiply_part, divided, width=other * k, speed=_speed(c, transpose_b), extras=2)
    if run is None:
        return None
    index, none = (np.empty(divided, c.dtype),), np.empty(0, c.dtype)
    options = k, transpose_a, transpose_b, False, relu, by_rows
    return lambda a, b, c, workspace, bias=None: run(index, (a, b, c, none if bias is None else bias, *options))


def _division(c: Any, transpose_a: bool) -> tuple[int, int, int, bool]:
    """Return the length of the axis of c that is divided, that of the other, the multiple of parts, if by rows."""
    m, n = c.shape
    if (2 * m if transpose_a else m) >= n:
        return m, n, ROWS, True
    return n, m, VECTORS * VECTOR // c.itemsize, False


def _speed(c: Any, transpose_b: bool) -> int:
    few = c.shape[0] <= FEW and not transpose_b
    return min(SPEED, SPEED_OF_ROW * c.shape[0]) if few else SPEED


@compile_cpu
def _multiply_part(index, start, scratch, a, b, c, bias, k, transpose_a, transpose_b, add, relu, by_rows):
    size, like = c.itemsize, c.dtype.type(0)
    width = VECTORS * VECTOR // size  # columns of a tile
    small = c.size <= SMALL
    together = 1 if small else TOGETHER
    few = c.shape[0] <= FEW and not transpose_b
    block_n, block_k = PAGE // size if few else BLOCK_N // width * width, BLOCK_K // size // (2 if small else 1)
    edge = -(-scratch // VECTOR) * VECTOR  # address of a tile for the edges of c
    block_b = edge + ROWS * width * size
    block_a = block_b + BLOCK_K * BLOCK_N

    # An input is (address, stride from row to row, transposed).
    row, column = (start, 0) if by_rows else (0, start)
    m, n = (index.size, c.shape[1]) if by_rows else (c.shape[0], index.size)
    factor_a = _submatrix((a.ctypes.data, a.shape[1] * size, transpose_a), row, 0, size)
    factor_b = _submatrix((b.ctypes.data, b.shape[1] * size, transpose_b), 0, column, size)
    stride = c.shape[1] * size
    result = c.ctypes.data + row * stride + column * size

    one_block = n <= block_n  # then b's block is copied once, and a is read a few panels at a time
    block_m = TOGETHER * ROWS if one_block else BLOCK_M
    for k0 in range(0, k, block_k):
        depth, add_to = min(block_k, k - k0), add or k0 > 0
        for m0 in range(0, m, block_m):
            m1 = min(m, m0 + block_m)
            in_place = 0 if transpose_a else (m1 - m0) // ROWS * ROWS  # rows of a
            rows_a, copied = _submatrix(factor_a, m0, k0, size), m0 + in_place
            if not few:
                address, step, transposed = _submatrix(factor_a, copied, k0, size)
                _pack(like, size, m1 - copied, depth, address, step, transposed, ROWS, block_a, together)
            for n0 in range(0, n, block_n):
                n1 = min(n, n0 + block_n)
                part_b = _submatrix(factor_b, k0, n0, size)
                if not few and (m0 == 0 or not one_block):
                    address, step, transposed = part_b
                    _pack(like, size, n1 - n0, depth, address, step, not transposed, width, block_b, together)
                for i in range(m0, m1, ROWS):
                    rows = min(ROWS, m1 - i)
                    if few:
                        target = result + n0 * size
                        _multiply_few(like, size, rows, n1 - n0, depth, rows_a, part_b, target, stride, block_b, add_to)
                    elif i < copied:
                        panel_a, across, along = rows_a[0] + (i - m0) * rows_a[1], rows_a[1], size
                    else:
                        panel_a, across, along = block_a + (i - copied) * depth * size, size, ROWS * size
                    for j in range(n0, n0 if few else n1, width):
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
def _multiply_few(like, size, rows, columns, depth, a, b, c, stride, sums, add):
    """Multiply a block of b that is not copied; `sums` is the address of FEW rows of a page."""
    address, step, transposed = a
    across, along = (size, step) if transposed else (step, size)
    for p in range(0, depth, TERMS):
        for i in range(rows):
            first, target, row = address + i * across + p * along, sums + i * PAGE, b[0] + p * b[1]
            if depth - p >= TERMS:
                add_products(like, TERMS, columns, first, along, row, b[1], target, p == 0)
            else:
                for q in range(depth - p):
                    next_row = row + q * b[1]
                    add_products(like, 1, columns, first + q * along, along, next_row, b[1], target, p + q == 0)
    _copy_edge(like, size, rows, columns, sums, PAGE, c, stride, add)


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
def _submatrix(matrix, row, column, size):
    """Return the submatrix that begins at a row and a column."""
    address, stride, transposed = matrix
    first, second = (column, row) if transposed else (row, column)
    return address + first * stride + second * size, stride, transposed


@compile_cpu
def _pack(like, size, count, depth, address, stride, side_by_side, width, block, together):
    """Copy `count` rows of a, or columns of b, into panels of `width` of them, adjacent for each index along k.

    With `side_by_side` they are adjacent in the input too, and `stride` is the step along k. Otherwise `stride` is the
    step from one of them to the next, and they are transposed. The last panel is padded with zeros to whole vectors.
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
        available, panel = min(width, count - start), block + start * depth * size
        for i in range(0, available, lanes):
            target = panel + i * size
            if side_by_side:
                for p in range(depth):
                    copy_partial(like, address + p * stride + (start + i) * size, available - i, target + p * row)
            else:
                _transpose(like, size, available - i, depth, address + (start + i) * stride, stride, target, row)


@compile_cpu
def _copy(like, source, target, width):
    if width == ROWS:
        copy_column(like, source, target)
    else:
        copy_row(like, source, target)


@compile_cpu
def _transpose(like, size, count, depth, source, stride, target, target_stride):
    """Write up to a vector of rows as columns, square by square; the next square overwrites the excess."""
    lanes = VECTOR // size
    for p in range(0, depth, lanes):
        square, target_square = source + p * size, target + p * target_stride
        if count >= lanes and depth - p >= lanes:
            transpose_square(like, square, stride, target_square, target_stride)
        else:
            transpose_in(like, square, stride, count, depth - p, target_square, target_stride)


@compile_cpu
def _copy_edge(like, size, rows, columns, edge, edge_stride, c, c_stride, add):
    for i in range(rows):
        for j in range(0, columns * size, VECTOR):
            write_partial(like, edge + i * edge_stride + j, columns - j // size, c + i * c_stride + j, add)
