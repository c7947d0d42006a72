"""Minibatches compiled for the CPU: one vectorized loop casts and scales a row."""

import math

import numpy as np

from ..cpu.options import compile_cpu
from ..cpu.program import loops_only
from ..cpu.team import run_once, spread
from ..cpu.vectors import LINE, prefetch

# Shuffled rows have no pattern that a processor could prefetch, so the first bytes of the next row are prefetched here;
# it then prefetches the remaining bytes of a long row.
PREFETCHED = 1024  # bytes

# Numba has no half precision, so the bits are converted: shifted into the fields of a float32 they are the number times
# 2^−112, subnormal numbers included. Infinity and NaN have all exponent bits set in both formats.
MAGNITUDE, SIGN = np.uint32(0x7FFF), np.uint32(0x8000)
RESCALE = np.float32(2.0**112)
INFINITE_HALF, EXPONENT = np.uint32(0x7C00), np.uint32(0x7F800000)


@compile_cpu
def _next_rows(order, cursor, rows):
    position = np.int64(cursor[0]) % order.size
    for i in range(rows.size):
        rows[i] = order[position]
        position += 1
        if position == order.size:
            position = 0
    cursor[0] += rows.size


@compile_cpu
def _clamp(row, n):
    return min(max(np.int64(row), 0), n - 1)


@compile_cpu
def _prefetch_row(data, row):
    start = data.ctypes.data + _clamp(row, data.shape[0]) * data.shape[1] * data.itemsize
    for place in range(start, start + min(data.shape[1] * data.itemsize, PREFETCHED), LINE):
        prefetch(place)


@compile_cpu
def _rows(rows, out, data, scale):
    number = out.dtype.type
    for i in range(rows.size):
        _prefetch_row(data, rows[min(i + 1, rows.size - 1)])
        source, target = data[_clamp(rows[i], data.shape[0])], out[i]
        for j in range(target.size):
            target[j] = number(source[j]) * scale


@compile_cpu
def _rows_of_half(rows, out, bits, scale):
    number = out.dtype.type
    for i in range(rows.size):
        _prefetch_row(bits, rows[min(i + 1, rows.size - 1)])
        source, target = bits[_clamp(rows[i], bits.shape[0])], out[i]
        for j in range(target.size):
            half = np.uint32(source[j])
            magnitude = np.uint32((half & MAGNITUDE) << 13)
            value = magnitude.view(np.float32) * RESCALE
            infinite = np.uint32(magnitude | EXPONENT).view(np.float32)
            value = infinite if (half & MAGNITUDE) >= INFINITE_HALF else value
            target[j] = number(-value if (half & SIGN) != 0 else value) * scale


@loops_only
def next_rows(order, cursor, rows):
    run_once(_next_rows, order, cursor, rows)


@loops_only
def gather(data, rows, out, *, scale):
    width = math.prod(data.shape[1:])
    data, out = data.reshape(data.shape[0], width), out.reshape(rows.size, width)
    half = data.dtype == np.float16
    data = data.view(np.uint16) if half else data
    if data.dtype == out.dtype == np.float32 and scale == 1:
        data, out = data.view(np.int32), out.view(np.int32)  # a copy, by the loop that is compiled for labels anyway
    spread(_rows_of_half if half else _rows, (rows, out), data, out.dtype.type(scale), width=width)
