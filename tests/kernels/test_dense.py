import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpugrad import kernels
from gpugrad.errors import ArgumentError
from gpugrad.kernels.activation import ACTIVATIONS, SAVES_INPUT

each_toolchain = pytest.mark.parametrize("toolchain", ["reference", "numba_cpu"])
each_activation = pytest.mark.parametrize("activation", ACTIVATIONS)
sizes = st.integers(1, 9)


def forward(toolchain, x, w, b, activation):
    """Return y and what is saved for backward."""
    y = np.full((len(x), w.shape[1]), np.nan)
    z = np.full_like(y, np.nan) if activation in SAVES_INPUT else None
    kernels.load(toolchain).dense_forward(x, w, b, y, z, activation=activation)
    return y, y if z is None else z


def draw(seed, batch, n_in, n_out):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(batch, n_in)), rng.normal(size=(n_in, n_out)), rng.normal(size=n_out)


@each_toolchain
def test_layer_by_hand(toolchain):
    """Two inputs, one hidden relu unit on and one off: every sum written out."""
    x, w, b = np.array([[1.0, 2.0]]), np.array([[3.0, -1.0], [0.5, -2.0]]), np.array([0.25, 1.0])
    y, _ = forward(toolchain, x, w, b, "relu")
    np.testing.assert_array_equal(y, [[1 * 3 + 2 * 0.5 + 0.25, 0]])  # the other: −1 − 4 + 1 < 0
    dx, dw, db, dy = np.empty((1, 2)), np.empty((2, 2)), np.empty(2), np.array([[10.0, 100.0]])
    kernels.load(toolchain).dense_backward(dy, x, w, y, dx, dw, db, np.empty((1, 2)), activation="relu")
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
        return  # a kink within reach of the difference
    dy = np.random.default_rng(seed + 1).normal(size=(batch, n_out))
    _, saved = forward(toolchain, x, w, b, activation)
    dx, dw, db = np.full_like(x, np.nan), np.full_like(w, np.nan), np.full_like(b, np.nan)
    workspace = np.full_like(dy, np.nan)
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
    launch, dy, workspace = kernels.load(toolchain).dense_backward, y + 1, np.empty_like(y)
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
    kernels.load(toolchain).matmul(a, b, c, transpose_a=transpose_a, transpose_b=transpose_b)
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
    ],
)
def test_forward_refuses_bad_arguments(change, message):
    arrays = {"x": np.ones((5, 3)), "w": np.ones((3, 2)), "b": np.ones(2), "y": np.ones((5, 2)), "z": None, **change}
    with pytest.raises(ArgumentError, match=message):
        kernels.load("reference").dense_forward(*arrays.values())


@pytest.mark.parametrize(
    ("change", "activation", "message"),
    [
        ({"dx": np.ones((3, 5))}, "relu", "dx has shape"),
        ({"dw": np.ones((2, 3))}, "relu", "dw has shape"),
        ({"db": np.ones(3)}, "relu", "db has shape"),
        ({"saved": np.ones((5, 3))}, "relu", "saved has shape"),
        ({"workspace": None}, "relu", r"workspace is None, expected an array of shape \(5, 2\) for relu"),
        ({"workspace": np.ones((5, 2), np.float32)}, "relu", "workspace has dtype"),
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
        "workspace": np.ones((5, 2)),
        **change,
    }
    with pytest.raises(ArgumentError, match=message):
        kernels.load("reference").dense_backward(*arrays.values(), activation=activation)


def test_matmul_refuses_sizes_that_do_not_fit():
    matmul = kernels.load("reference").matmul
    with pytest.raises(ArgumentError, match=r"b has shape \(4, 2\), expected \(3, any\)"):
        matmul(np.ones((5, 3)), np.ones((4, 2)), np.ones((5, 2)))
    with pytest.raises(ArgumentError, match="c has shape"):
        matmul(np.ones((5, 3)), np.ones((3, 2)), np.ones((2, 5)))
    with pytest.raises(ArgumentError, match=r"b has shape \(3, 3, 2\), expected \(2, 3, any\)"):
        matmul(np.ones((2, 5, 3)), np.ones((3, 3, 2)), np.ones((2, 5, 2)))
    with pytest.raises(ArgumentError, match="a has shape"):
        matmul(np.ones(3), np.ones((3, 2)), np.ones((1, 2)))
