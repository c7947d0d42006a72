import ctypes
import mmap
import os
import subprocess
import sys

import numpy as np
import pytest
from numba import njit

from gpugrad import kernels
from gpugrad.kernels.cpu.vectors import (
    MAXIMA,
    VECTOR,
    array_at,
    copy_partial,
    maxima,
    maximum,
    transpose_in,
    transpose_out,
    write_partial,
)
from gpugrad.kernels.dense.cpu_product import product

each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@njit
def largest_of(numbers):
    return maximum(numbers[0], numbers.ctypes.data, numbers.size)


@njit
def largest_of_columns(matrix, target):
    maxima(matrix[0, 0], matrix.ctypes.data, matrix.shape[0], matrix.shape[1] * matrix.itemsize, target.ctypes.data)


@njit
def copied(source, count, target):
    copy_partial(source[0], source.ctypes.data, count, target.ctypes.data)


@njit
def put(source, count, target, add):
    write_partial(source[0], source.ctypes.data, count, target.ctypes.data, add)


@njit
def square_in(source, rows, columns, target):
    like, size = source[0, 0], source.itemsize
    transpose_in(
        like, source.ctypes.data, source.shape[1] * size, rows, columns, target.ctypes.data, target.shape[1] * size
    )


@njit
def square_out(source, target, rows, columns):
    like, size = source[0, 0], source.itemsize
    strides = source.shape[1] * size, target.shape[1] * size
    transpose_out(like, source.ctypes.data, strides[0], target.ctypes.data, strides[1], rows, columns)


@njit
def doubled(address, shape, like):
    array_at(address, shape, like)[:] *= 2


@each_dtype
def test_maximum_finds_the_largest_wherever_it_is(dtype):
    least = MAXIMA * VECTOR // np.dtype(dtype).itemsize
    rng = np.random.default_rng(0)
    for size in (least, least + 1, 2 * least - 1, 2 * least, 5 * least + 3):
        numbers = -rng.random(size).astype(dtype) - 1
        for place in range(size):
            numbers[place], before = -0.5, numbers[place]
            assert largest_of(numbers) == -0.5, (size, place)
            numbers[place] = before
        assert largest_of(np.full(size, -np.inf, dtype)) == -np.inf


@each_dtype
def test_maxima_are_those_of_the_columns(dtype):
    lanes = VECTOR // np.dtype(dtype).itemsize
    rng = np.random.default_rng(0)
    for rows in (1, 2, 7):
        matrix, target = -rng.random((rows, lanes + 2)).astype(dtype), np.full(lanes + 1, 5, dtype)
        largest_of_columns(matrix, target)
        assert target.tolist() == [*matrix[:, :lanes].max(axis=0), 5]


@each_dtype
def test_a_part_of_a_vector_is_copied_and_nothing_else_touched(dtype):
    lanes = VECTOR // np.dtype(dtype).itemsize
    source = np.arange(1, lanes + 1).astype(dtype)
    for count in range(-1, lanes + 2):
        there = np.arange(lanes) < count
        target = np.full(lanes + 1, 0.5, dtype)
        put(source, count, target, False)
        assert target.tolist() == [*np.where(there, source, 0.5), 0.5]
        put(source, count, target, True)
        assert target.tolist() == [*np.where(there, 2 * source, 0.5), 0.5]
        copied(source, count, target)
        assert target.tolist() == [*np.where(there, source, 0), 0.5]


@each_dtype
def test_a_part_of_a_square_is_transposed_and_nothing_else_is_touched(dtype):
    lanes = VECTOR // np.dtype(dtype).itemsize
    rng = np.random.default_rng(0)
    for rows in range(1, lanes + 3):
        for columns in range(1, lanes + 3):
            there = min(rows, lanes), min(columns, lanes)
            matrix = rng.random((lanes, lanes + 3)).astype(dtype)
            target = np.full((lanes, lanes), np.nan, dtype)
            square_in(matrix, rows, columns, target)
            expected = np.zeros((lanes, lanes), dtype)
            expected[: there[1], : there[0]] = matrix[: there[0], : there[1]].T
            np.testing.assert_array_equal(target, expected)

            back = np.full((lanes, lanes + 3), np.nan, dtype)
            square_out(target, back, rows, columns)
            expected = np.full_like(back, np.nan)
            expected[: there[0], : there[1]] = matrix[: there[0], : there[1]]
            np.testing.assert_array_equal(back, expected)


@pytest.mark.skipif(sys.platform == "win32", reason="protects a page of memory as POSIX does")
def test_what_lies_after_the_last_row_is_not_read():
    """The last rows end at the end of readable memory."""
    page = mmap.PAGESIZE
    room = np.frombuffer(mmap.mmap(-1, 2 * page), np.float32)
    assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(room.ctypes.data + page), page, 0) == 0
    last = room[page // 4 - 30 : page // 4].reshape(3, 10)
    target = np.empty((VECTOR // 4, VECTOR // 4), np.float32)
    square_in(last, 3, 10, target)
    square_out(target, last, 3, 10)


@pytest.mark.slow
def test_an_array_at_an_address():
    numbers = np.arange(12.0)
    doubled(numbers[2:].ctypes.data, (2, 3), 0.0)
    assert numbers.tolist() == [0, 1, 4, 6, 8, 10, 12, 14, 8, 9, 10, 11]


NARROWER = """
import sys, llvmlite.binding
features = llvmlite.binding.get_host_cpu_features()
features.update(avx512f=False, avx2=sys.argv[1] == "avx2")
llvmlite.binding.get_host_cpu_features = lambda: features
import numpy as np
from gpugrad import kernels
from gpugrad.kernels.cpu import vectors as cpu_vectors
from gpugrad.kernels.dense.cpu_product import product
assert cpu_vectors.VECTOR == int(sys.argv[2]), cpu_vectors.VECTOR
given = np.load(sys.argv[3])
c = np.empty((given["a"].shape[0], given["b"].shape[1]), np.float32)
for transpose_a in (False, True):
    for transpose_b in (False, True):
        a = np.ascontiguousarray(given["a"].T if transpose_a else given["a"])
        b = np.ascontiguousarray(given["b"].T if transpose_b else given["b"])
        product(a, b, c, transpose_a=transpose_a, transpose_b=transpose_b)
        assert c.tobytes() == given["c"].tobytes(), (transpose_a, transpose_b, np.abs(c - given["c"]).max())
losses, dlogits = np.empty_like(given["losses"]), np.empty_like(given["dlogits"])
softmax_cross_entropy = kernels.load("numba_cpu").softmax_cross_entropy
softmax_cross_entropy(given["logits"], given["labels"], None, None, np.ones(1, np.float32), losses, dlogits)
np.testing.assert_allclose(losses, given["losses"], rtol=1e-6)
np.testing.assert_allclose(dlogits, given["dlogits"], rtol=1e-5, atol=1e-7)
"""


@pytest.mark.parametrize(("features", "vector"), [("avx2", 32), ("none", 16)])
@pytest.mark.slow
def test_shorter_vectors_give_the_same(features, vector, tmp_path):
    """A product bit for bit; a loss up to rounding."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(shape).astype(np.float32) for shape in ((45, 600), (600, 301)))
    c = np.empty((45, 301), np.float32)
    product(a, b, c)
    logits, labels = rng.standard_normal((150, 21)).astype(np.float32), rng.integers(0, 21, 150).astype(np.int32)
    losses, dlogits = np.empty(150, np.float32), np.empty_like(logits)
    one = np.ones(1, np.float32)
    kernels.load("numba_cpu").softmax_cross_entropy(logits, labels, None, None, one, losses, dlogits)
    given = {"a": a, "b": b, "c": c, "logits": logits, "labels": labels, "losses": losses, "dlogits": dlogits}
    np.savez(tmp_path / "given.npz", **given)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    command = [sys.executable, "-c", NARROWER, features, str(vector), str(tmp_path / "given.npz")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
