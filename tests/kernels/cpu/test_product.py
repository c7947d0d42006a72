"""Matrix product on a CPU: right for every shape, and bit-for-bit identical for any division of the work."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpugrad.kernels.cpu import team as cpu_team
from gpugrad.kernels.cpu.vectors import ROWS, VECTOR, VECTORS
from gpugrad.kernels.dense import cpu_product
from gpugrad.kernels.dense.cpu_product import BLOCK_K, BLOCK_M, BLOCK_N, FEW, PAGE, TOGETHER, product

EPS = {np.float32: 2.0**-24, np.float64: 2.0**-53}


def edges(*of):
    """Sizes around the multiples of those at which a block or a tile ends."""
    return st.one_of(st.integers(1, 40), *(st.integers(-2, 2).map(lambda more, n=n: n + more) for n in of))


def draw(rng, rows, columns, dtype, transpose):
    return rng.standard_normal((columns, rows) if transpose else (rows, columns)).astype(dtype)


def transposed(matrix, transpose):
    return matrix.T if transpose else matrix


def whole(call):
    """Run the call as a single part."""
    before, cpu_team.GRAIN = cpu_team.GRAIN, 1 << 60
    try:
        call()
    finally:
        cpu_team.GRAIN = before


@pytest.mark.parametrize("more", [-1, 0, 1])
@pytest.mark.parametrize("m", [ROWS - 1, ROWS, BLOCK_M + ROWS + 3])
def test_rows_that_are_copied_give_the_bits_of_those_that_are_not(m, more):
    """Rows of a are read in place, those of a transposed a are copied."""
    rng = np.random.default_rng(0)
    n, k = BLOCK_N + more, 70
    a, b = draw(rng, m, k, np.float32, False), draw(rng, k, n, np.float32, False)
    there, copied = np.empty((m, n), np.float32), np.empty((m, n), np.float32)
    whole(lambda: product(a, b, there))
    whole(lambda: product(np.ascontiguousarray(a.T), b, copied, transpose_a=True))
    np.testing.assert_array_equal(there, copied)
    np.testing.assert_allclose(there, a @ b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("add", [False, True])
@pytest.mark.parametrize("m", range(1, FEW + 1))
def test_few_rows_have_the_bits_of_the_same_rows_among_more(m, add, transpose_a, dtype):
    """A product with few rows reads b in place; with one row more it copies b."""
    rng = np.random.default_rng(0)
    n, k = PAGE // np.dtype(dtype).itemsize + 7, BLOCK_K // 4 + 3
    a, b, bias = draw(rng, FEW + 1, k, dtype, False), draw(rng, k, n, dtype, False), draw(rng, 1, n, dtype, False)[0]
    more = draw(rng, FEW + 1, n, dtype, False)
    few = more[:m].copy()

    def multiply(a, c):
        options = {"transpose_a": transpose_a, "add": add, "relu": True}
        product(np.ascontiguousarray(a.T) if transpose_a else a, b, c, bias, **options)

    multiply(a, more)
    multiply(a[:m], few)
    assert few.tobytes() == more[:m].tobytes()


@settings(deadline=None, max_examples=150)
@given(
    m=edges(FEW, ROWS, TOGETHER * ROWS, BLOCK_M),
    n=edges(VECTOR // 4, VECTORS * VECTOR // 4, BLOCK_N),
    k=edges(VECTOR // 4, BLOCK_K // 8, BLOCK_K // 4),
    transpose_a=st.booleans(),
    transpose_b=st.booleans(),
    add=st.booleans(),
    with_bias=st.booleans(),
    relu=st.booleans(),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 2**32 - 1),
)
@pytest.mark.slow
def test_every_shape(m, n, k, transpose_a, transpose_b, add, with_bias, relu, dtype, seed):
    rng = np.random.default_rng(seed)
    a, b = draw(rng, m, k, dtype, transpose_a), draw(rng, k, n, dtype, transpose_b)
    bias = draw(rng, 1, n, dtype, False)[0] if with_bias else None
    room = np.full((m + 2, n), np.nan, dtype)  # memory before and after stays unchanged
    before = draw(rng, m, n, dtype, False)
    room[1:-1] = before if add else np.nan
    options = {"transpose_a": transpose_a, "transpose_b": transpose_b, "add": add, "relu": relu}
    whole(lambda: product(a, b, room[1:-1], bias, **options))

    exact = transposed(a, transpose_a).astype(np.longdouble) @ transposed(b, transpose_b).astype(np.longdouble)
    size = np.abs(transposed(a, transpose_a)) @ np.abs(transposed(b, transpose_b)) + 4
    expected = exact + (bias if with_bias else 0) + (before if add else 0)
    expected = np.maximum(expected, 0) if relu else expected
    assert (np.abs(room[1:-1] - expected) <= (k + 4) * EPS[dtype] * size).all()
    assert np.isnan(room[[0, -1]]).all()


@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize(
    ("m", "n", "k"), [(64, 128, 784), (130, 50, 300), (17, 333, 70), (300, 130, 600), (3, 333, 70)]
)
def test_the_bits_do_not_depend_on_the_parts(m, n, k, transpose_a, transpose_b, monkeypatch):
    rng = np.random.default_rng(0)
    a, b = draw(rng, m, k, np.float32, transpose_a), draw(rng, k, n, np.float32, transpose_b)
    bias = rng.standard_normal(n, np.float32)
    options = {"transpose_a": transpose_a, "transpose_b": transpose_b}
    one, columns, rows = (np.empty((m, n), np.float32) for _ in range(3))
    whole(lambda: product(a, b, one, bias, **options))

    team = cpu_team.Team(3)
    monkeypatch.setattr(cpu_team, "GRAIN", 1 / 64)
    monkeypatch.setattr(cpu_team, "the_team", lambda: team)
    for c, places, multiple, by_rows in ((rows, m, ROWS, True), (columns, n, VECTORS * VECTOR // 4, False)):
        arguments = a, b, c, bias, k, transpose_a, transpose_b, False, False, by_rows
        cpu_team.spread(cpu_product._multiply_part, (c.reshape(-1)[:places],), *arguments, multiple=multiple, extras=2)
    team.close()
    assert rows.tobytes() == one.tobytes()
    assert columns.tobytes() == one.tobytes()


def test_each_block_of_the_sum_starts_from_zero():
    """A block of ones after a block whose sum is 2²⁴ counts in full: added one by one, each would be lost."""
    block = BLOCK_K // 4
    k = 2 * block
    a, b = np.ones((1, k), np.float32), np.zeros((k, 1), np.float32)
    b[0], b[1:block], b[block:] = 2**24, 0, 1
    c = np.empty((1, 1), np.float32)
    product(a, b, c)
    assert c[0, 0] == 2**24 + block


@pytest.mark.parametrize("add", [False, True])
@pytest.mark.parametrize("relu", [False, True])
def test_a_sum_of_no_terms(add, relu):
    c, bias = np.full((3, 40), 7, np.float32), np.full(40, -1, np.float32)
    product(np.empty((3, 0), np.float32), np.empty((0, 40), np.float32), c, bias, add=add, relu=relu)
    assert (c == (6 if add else 0 if relu else -1)).all()


@pytest.mark.parametrize("relu", [False, True])
def test_nan_reaches_what_it_belongs_to_and_nothing_else(relu):
    a, b, c = np.ones((9, 20), np.float32), np.ones((20, 33), np.float32), np.empty((9, 33), np.float32)
    a[3, 5] = np.nan
    product(a, b, c, relu=relu)
    assert np.isnan(c[3]).all()
    assert np.isfinite(np.delete(c, 3, axis=0)).all()
