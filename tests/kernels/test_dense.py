import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpugrad import kernels
from gpugrad.errors import ArgumentError
from gpugrad.kernels.activation import ACTIVATIONS
from gpugrad.kernels.dense.rounding import round_factor
from gpugrad.kernels.dense.variants import BLOCKS, SHORTEST, choose_variant

each_toolchain = pytest.mark.parametrize("toolchain", ["reference", "numba_cpu"])
each_activation = pytest.mark.parametrize("activation", ACTIVATIONS)
sizes = st.integers(1, 9)


def forward(toolchain, x, w, b, activation):
    """Return y and the array saved for the backward pass."""
    y = np.full((len(x), w.shape[1]), np.nan)
    z = np.full_like(y, np.nan) if ACTIVATIONS[activation].saves_input else None
    kernels.load(toolchain).dense_forward(x, w, b, y, z, None, activation=activation)
    return y, y if z is None else z


def draw(seed, batch, n_in, n_out):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(batch, n_in)), rng.normal(size=(n_in, n_out)), rng.normal(size=n_out)


@each_toolchain
def test_layer_by_hand(toolchain):
    """Two inputs, one hidden relu unit on and one off, with every sum written out."""
    x, w, b = np.array([[1.0, 2.0]]), np.array([[3.0, -1.0], [0.5, -2.0]]), np.array([0.25, 1.0])
    y, _ = forward(toolchain, x, w, b, "relu")
    np.testing.assert_array_equal(y, [[1 * 3 + 2 * 0.5 + 0.25, 0]])  # the other unit: −1 − 4 + 1 < 0
    dx, dw, db, dy = np.empty((1, 2)), np.empty((2, 2)), np.empty(2), np.array([[10.0, 100.0]])
    kernels.load(toolchain).dense_backward(dy, x, w, y, dx, dw, db, np.empty(2), activation="relu")
    np.testing.assert_array_equal(dx, [[30, 5]])
    np.testing.assert_array_equal(dw, [[10, 0], [20, 0]])
    np.testing.assert_array_equal(db, [10, 0])


@each_toolchain
@each_activation
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), batch=sizes, n_in=sizes, n_out=sizes)
def test_backward_is_the_slope_of_forward(toolchain, activation, seed, batch, n_in, n_out):
    x, w, b = draw(seed, batch, n_in, n_out)
    if np.abs(x @ w + b).min() < 1e-3:
        return  # the finite difference may cross a kink
    dy = np.random.default_rng(seed + 1).normal(size=(batch, n_out))
    _, saved = forward(toolchain, x, w, b, activation)
    dx, dw, db = np.full_like(x, np.nan), np.full_like(w, np.nan), np.full_like(b, np.nan)
    workspace = np.full(dy.size, np.nan)
    kernels.load(toolchain).dense_backward(dy, x, w, saved, dx, dw, db, workspace, activation=activation)
    h = 1e-6
    for array, gradient in ((x, dx), (w, dw), (b, db)):
        for i in range(0, array.size, 1 + array.size // 5):
            value = array.flat[i]
            array.flat[i] = value + h
            above = np.sum(dy * forward(toolchain, x, w, b, activation)[0])
            array.flat[i] = value - h
            below = np.sum(dy * forward(toolchain, x, w, b, activation)[0])
            array.flat[i] = value
            assert gradient.flat[i] == pytest.approx((above - below) / (2 * h), rel=1e-5, abs=1e-6)


@each_toolchain
@each_activation
def test_accumulate_adds_to_the_weight_gradients_only(toolchain, activation):
    x, w, b = draw(3, 7, 5, 4)
    y, saved = forward(toolchain, x, w, b, activation)
    launch, dy, workspace = kernels.load(toolchain).dense_backward, y + 1, np.empty(y.size)
    once = [np.full_like(x, np.nan), np.full_like(w, np.nan), np.full_like(b, np.nan)]
    added = [np.full_like(x, np.nan), np.ones_like(w), np.ones_like(b)]
    launch(dy, x, w, saved, *once, workspace, activation=activation)
    launch(dy, x, w, saved, *added, workspace, activation=activation, accumulate=True)
    np.testing.assert_array_equal(added[0], once[0])
    np.testing.assert_allclose(added[1], once[1] + 1, rtol=1e-14)
    np.testing.assert_allclose(added[2], once[2] + 1, rtol=1e-14)


@each_toolchain
def test_what_is_not_asked_for_is_not_computed(toolchain):
    x, w, b = draw(4, 6, 5, 3)
    launch, dy = kernels.load(toolchain).dense_backward, np.ones((6, 3))
    dx, dw = np.empty_like(x), np.empty_like(w)
    launch(dy, x, w, dy, dx, None, None, None)
    np.testing.assert_allclose(dx, dy @ w.T)
    launch(dy, x, w, dy, None, dw, None, None)
    np.testing.assert_allclose(dw, x.T @ dy)
    launch(dy, x, w, dy, None, None, b, None)
    np.testing.assert_array_equal(b, np.full(3, 6.0))


@each_toolchain
@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    m=sizes,
    k=sizes,
    n=sizes,
    leading=st.sampled_from([(), (1,), (4,)]),
    transpose_a=st.booleans(),
    transpose_b=st.booleans(),
)
def test_matmul_is_the_sum_of_products(toolchain, seed, m, k, n, leading, transpose_a, transpose_b):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(*leading, m, k)), rng.normal(size=(*leading, k, n))
    expected = (a[..., :, :, None] * b[..., None, :, :]).sum(axis=-2)
    if transpose_a:
        a = a.swapaxes(-1, -2).copy()
    if transpose_b:
        b = b.swapaxes(-1, -2).copy()
    c = np.full((*leading, m, n), np.nan)
    kernels.load(toolchain).matmul(a, b, c, None, transpose_a=transpose_a, transpose_b=transpose_b)
    np.testing.assert_allclose(c, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"w": np.ones((4, 2))}, r"w has shape \(4, 2\), expected \(3, any\)"),
        ({"b": np.ones(3)}, r"b has shape \(3,\), expected \(2,\)"),
        ({"y": np.ones((5, 3))}, r"y has shape \(5, 3\), expected \(5, 2\)"),
        ({"z": np.ones((2, 5))}, "z has shape"),
        ({"x": np.ones((5, 3, 1))}, "x has shape"),
        ({"x": np.ones((5, 3), np.float16)}, "x has dtype float16, expected float32 or float64"),
        ({"w": np.ones((2, 3)).T}, "w is not C-contiguous"),
        ({"workspace": np.ones((2, 2))}, r"workspace has shape \(2, 2\), expected \(any,\)"),
        ({"workspace": np.ones(2, np.float32)}, "workspace has dtype float32, expected float64"),
    ],
)
def test_forward_refuses_bad_arguments(change, message):
    arrays = {"x": np.ones((5, 3)), "w": np.ones((3, 2)), "b": np.ones(2), "y": np.ones((5, 2)), "z": None}
    arrays |= {"workspace": None, **change}
    with pytest.raises(ArgumentError, match=message):
        kernels.load("reference").dense_forward(*arrays.values())


@pytest.mark.parametrize(
    ("change", "activation", "message"),
    [
        ({"dx": np.ones((3, 5))}, "relu", "dx has shape"),
        ({"dw": np.ones((2, 3))}, "relu", "dw has shape"),
        ({"db": np.ones(3)}, "relu", "db has shape"),
        ({"saved": np.ones((5, 3))}, "relu", "saved has shape"),
        ({"workspace": None}, "relu", "workspace is None, expected at least 10 elements"),
        ({"workspace": np.ones(9)}, "relu", "workspace is an array of 9 elements, expected at least 10"),
        ({}, "tahn", "did you mean 'tanh'"),
    ],
)
def test_backward_refuses_bad_arguments(change, activation, message):
    arrays = {
        "dy": np.ones((5, 2)),
        "x": np.ones((5, 3)),
        "w": np.ones((3, 2)),
        "saved": np.ones((5, 2)),
        "dx": np.ones((5, 3)),
        "dw": np.ones((3, 2)),
        "db": np.ones(2),
        "workspace": np.ones(10),
        **change,
    }
    with pytest.raises(ArgumentError, match=message):
        kernels.load("reference").dense_backward(*arrays.values(), activation=activation)


def test_matmul_refuses_sizes_that_do_not_fit():
    matmul = kernels.load("reference").matmul
    with pytest.raises(ArgumentError, match=r"b has shape \(4, 2\), expected \(3, any\)"):
        matmul(np.ones((5, 3)), np.ones((4, 2)), np.ones((5, 2)), None)
    with pytest.raises(ArgumentError, match="c has shape"):
        matmul(np.ones((5, 3)), np.ones((3, 2)), np.ones((2, 5)), None)
    with pytest.raises(ArgumentError, match=r"b has shape \(3, 3, 2\), expected \(2, 3, any\)"):
        matmul(np.ones((2, 5, 3)), np.ones((3, 3, 2)), np.ones((2, 5, 2)), None)
    with pytest.raises(ArgumentError, match="a has shape"):
        matmul(np.ones(3), np.ones((3, 2)), np.ones((1, 2)), None)
    with pytest.raises(ArgumentError, match="unknown precision 'bf16': did you mean 'bfloat16'"):
        matmul(np.ones((5, 3)), np.ones((3, 2)), np.ones((5, 2)), None, precision="bf16")
    with pytest.raises(ArgumentError, match="workspace is None, expected at least"):
        matmul(np.ones((8, 1024)), np.ones((1024, 8)), np.ones((8, 8)), None)


# ---- precisions ----

MANTISSA_BITS = {"tf32": 10, "bfloat16": 7}
each_rounding = pytest.mark.parametrize("precision", MANTISSA_BITS)


@each_rounding
@settings(max_examples=200, deadline=None)
@given(number=st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=False))
def test_a_factor_is_rounded_to_the_nearest(precision, number):
    """Compare with the definition: the nearest multiple of the last bit; ties away from zero, or to even."""
    mantissa, exponent = math.frexp(number)  # mantissa in [0.5, 1): one bit of it is implicit
    unit = 2.0 ** (MANTISSA_BITS[precision] + 1)
    scaled = mantissa * unit
    whole = math.floor(abs(scaled) + 0.5) if precision == "tf32" else round(abs(scaled))
    expected = math.copysign(math.ldexp(whole / unit, exponent), number)
    if abs(expected) > float(np.finfo(np.float32).max):
        expected = math.copysign(math.inf, number)
    for dtype in (np.float32, np.float64):
        rounded = round_factor(np.array([number], dtype), precision)
        assert rounded.dtype == dtype
        assert rounded[0] == expected


def test_bfloat16_is_that_of_pytorch():
    torch = pytest.importorskip("torch")
    bits = np.random.default_rng(1).integers(0, 2**32, 10_000, np.uint32)
    array = bits.view(np.float32)
    expected = torch.from_numpy(array).to(torch.bfloat16).to(torch.float32).numpy()
    np.testing.assert_array_equal(round_factor(array, "bfloat16"), expected)


@each_rounding
def test_what_is_not_a_number_stays_so(precision):
    bits = np.array([0x7FFFFFFF, 0xFFFFFFFF, 0x7F800001, 0x7F800000, 0xFF800000, 0x80000000], np.uint32)
    rounded = round_factor(bits.view(np.float32), precision)
    np.testing.assert_array_equal(rounded, [np.nan, np.nan, np.nan, np.inf, -np.inf, -0.0])
    assert np.signbit(rounded[-1])


@each_toolchain
@each_rounding
def test_both_factors_of_each_product_are_rounded_and_nothing_else(toolchain, precision):
    """Factors just off 1: rounded, their product is exactly 1, and 3 for three terms; db keeps every bit."""
    off = np.float32(1 + 2.0**-12)
    x, w, b, dy = (np.full(shape, off) for shape in ((2, 3), (3, 3), (3,), (2, 3)))
    y, z = np.empty((2, 3), np.float32), np.empty((2, 3), np.float32)
    launchers = kernels.load(toolchain)
    launchers.dense_forward(x, w, b, y, z, None, precision=precision)
    np.testing.assert_array_equal(y, np.full((2, 3), 3 + off))
    np.testing.assert_array_equal(z, y)
    dx, dw, db = np.empty_like(x), np.ones_like(w), np.ones_like(b)
    launchers.dense_backward(dy, x, w, y, dx, dw, db, None, accumulate=True, precision=precision)
    np.testing.assert_array_equal(dx, np.full((2, 3), 3))
    np.testing.assert_array_equal(dw, np.full((3, 3), 1 + 2))
    np.testing.assert_array_equal(db, np.full(3, 1 + 2 * off))
    c = np.empty((2, 2), np.float32)
    launchers.matmul(x, dy, c, None, transpose_b=True, precision=precision)
    np.testing.assert_array_equal(c, np.full((2, 2), 3))


# ---- variants ----


@pytest.mark.parametrize(
    ("m", "n", "k", "entries", "tile", "splits"),
    [
        pytest.param(
            4096, 4096, 4096, 1, 128, 1, id="large: a tile of 128 reads half as much per product as one of 64"
        ),
        pytest.param(2048, 1024, 512, 1, 128, 1, id="128 tiles of 128: just enough for every multiprocessor"),
        pytest.param(1920, 1024, 512, 1, 64, 1, id="120 tiles of 128 would leave multiprocessors idle: smaller ones"),
        pytest.param(16384, 65, 512, 1, 128, 1, id="just wider than a tile of 64: a second one would be as empty"),
        pytest.param(100_000, 64, 512, 1, 64, 1, id="no wider than a tile of 64: half of one of 128 would lie outside"),
        pytest.param(64, 100_000, 512, 1, 64, 1, id="the same on its side"),
        pytest.param(128, 128, 64, 128, 128, 1, id="the products of a batch share the GPU"),
        pytest.param(128, 128, 64, 127, 64, 1, id="one product fewer"),
        pytest.param(
            64, 128, 784, 1, 64, 10, id="small: two tiles, so the sum is split: 80 terms a part, 79 rounded up"
        ),
        pytest.param(64, 10, 128, 1, 32, 2, id="narrow: no wider than a tile of 32; a part has 64 terms at least"),
        pytest.param(10, 128, 64, 1, 32, 1, id="a sum too short to split"),
        pytest.param(32, 2048, 256, 1, 32, 2, id="64 tiles: in two parts they are 128 blocks"),
    ],
)
def test_the_rule_for_the_variant_of_a_product(m, n, k, entries, tile, splits):
    """The rule takes the largest tile with enough blocks for a large GPU; only timings would reveal another choice."""
    assert choose_variant(m, n, k, entries)[:2] == (tile, splits)


@settings(max_examples=300, deadline=None)
@given(
    m=st.integers(1, 10_000),
    n=st.integers(1, 10_000),
    k=st.integers(1, 10_000),
    entries=st.sampled_from([1, 2, 16, 300]),
)
def test_the_rule_takes_large_tiles_only_where_they_fill_the_gpu(m, n, k, entries):
    """The rule splits a sum only while blocks are too few, into parts that are long enough and never empty."""
    chosen = choose_variant(m, n, k, entries)
    tiles_of_128 = entries * math.ceil(m / 128) * math.ceil(n / 128)
    assert (chosen.tile == 128) == (tiles_of_128 >= BLOCKS and min(m, n) > 64)
    if chosen.tile != 128:
        assert chosen.tile == (64 if min(m, n) > 32 else 32)
    if chosen.splits > 1:
        assert entries * math.ceil(m / chosen.tile) * math.ceil(n / chosen.tile) * chosen.splits <= BLOCKS
        assert chosen.part >= SHORTEST
        assert (chosen.splits - 1) * chosen.part < k <= chosen.splits * chosen.part
