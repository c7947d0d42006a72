import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gpugrad import kernels
from gpugrad.errors import ArgumentError
from gpugrad.kernels.contract import PARTIALS

each_toolchain = pytest.mark.parametrize("toolchain", ["reference", "numba_cpu"])
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def clip_norm(toolchain, g, max_norm):
    norm, grad_scale = np.full(1, np.nan, g.dtype), np.full(1, np.nan, g.dtype)
    kernels.load(toolchain).clip_norm(g, norm, grad_scale, np.full(PARTIALS, np.nan, g.dtype), max_norm=max_norm)
    return norm[0], grad_scale[0]


@each_toolchain
@each_dtype
@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 3000),
    magnitude=st.sampled_from([1e-12, 1e-3, 1.0, 1e6]),
    max_norm=st.sampled_from([1e-3, 1.0, 50.0, float("inf")]),
)
def test_norm_and_scale_follow_pytorch(toolchain, dtype, seed, n, magnitude, max_norm):
    torch = pytest.importorskip("torch")
    g = (np.random.default_rng(seed).normal(size=n) * magnitude).astype(dtype)
    before = g.copy()
    norm, grad_scale = clip_norm(toolchain, g, max_norm)
    parameter = torch.zeros(n, dtype=torch.from_numpy(g).dtype, requires_grad=True)
    parameter.grad = torch.from_numpy(g.copy())
    relative = {np.float32: 1e-5, np.float64: 1e-12}[dtype]
    assert norm == pytest.approx(torch.nn.utils.clip_grad_norm_(parameter, max_norm).item(), rel=relative)
    np.testing.assert_allclose(grad_scale * g, parameter.grad.numpy(), rtol=relative, atol=0)
    np.testing.assert_array_equal(g, before)


@each_toolchain
def test_norm_by_hand(toolchain):
    norm, grad_scale = clip_norm(toolchain, np.array([3.0, 0.0, -4.0]), 1.0)
    assert norm == 5.0
    assert grad_scale == 1.0 / (5.0 + 1e-6)
    assert clip_norm(toolchain, np.array([3.0, 0.0, -4.0]), 6.0) == (5.0, 1.0)
    assert clip_norm(toolchain, np.zeros(3), 1e-3) == (0.0, 1.0)


@each_toolchain
@each_dtype
def test_a_norm_that_is_not_finite_shows_in_the_scale(toolchain, dtype):
    norm, grad_scale = clip_norm(toolchain, np.array([1.0, np.nan], dtype), 1.0)
    assert np.isnan(norm)
    assert np.isnan(grad_scale)
    assert clip_norm(toolchain, np.array([1.0, -np.inf], dtype), 1.0) == (np.inf, 0.0)


@each_toolchain
@settings(max_examples=30, deadline=None)
@given(
    g=hnp.arrays(np.float32, st.integers(1, 200), elements=st.floats(width=32)),
    limit=st.floats(0.125, 1e3, width=32),
)
def test_clip_value_is_numpys_clip(toolchain, g, limit):
    expected = np.clip(g, -np.float32(limit), np.float32(limit))
    kernels.load(toolchain).clip_value(g, limit=limit)
    np.testing.assert_array_equal(g, expected)


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan")])
def test_bad_limits_are_refused(limit):
    word = np.ones(1)
    with pytest.raises(ArgumentError, match="limit is"):
        kernels.load("reference").clip_value(np.ones(3), limit=limit)
    with pytest.raises(ArgumentError, match="max_norm is"):
        kernels.load("reference").clip_norm(np.ones(3), word, word, np.ones(PARTIALS), max_norm=limit)


def test_arrays_that_do_not_fit_are_refused():
    launchers, word = kernels.load("reference"), np.ones(1)
    with pytest.raises(ArgumentError, match=r"g has shape \(3, 1\)"):
        launchers.clip_value(np.ones((3, 1)), limit=1.0)
    with pytest.raises(ArgumentError, match="norm has dtype float32, expected float64"):
        launchers.clip_norm(np.ones(3), np.ones(1, np.float32), word, np.ones(PARTIALS), max_norm=1.0)
    with pytest.raises(ArgumentError, match="grad_scale has shape"):
        launchers.clip_norm(np.ones(3), word, np.ones(3), np.ones(PARTIALS), max_norm=1.0)
    with pytest.raises(ArgumentError, match="partials has shape"):
        launchers.clip_norm(np.ones(3), word, word, np.ones(1), max_norm=1.0)
