import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gpugrad import kernels
from gpugrad.errors import ArgumentError
from gpugrad.kernels.contract import PARTIALS

each_toolchain = pytest.mark.parametrize("toolchain", ["reference", "numba_cpu"])


@each_toolchain
@settings(max_examples=40, deadline=None)
@given(
    x=hnp.arrays(
        st.sampled_from([np.float32, np.float64]),
        hnp.array_shapes(min_dims=1, max_dims=4, max_side=9),
        elements=st.floats(-1e3, 1e3, width=32),
    ),
    scale=st.floats(-10, 10),
    accumulate=st.booleans(),
)
def test_sum_of_any_shape(toolchain, x, scale, accumulate):
    out, partials = np.full(1, 7.0, x.dtype), np.full(PARTIALS, np.nan, x.dtype)
    kernels.load(toolchain).sum_elements(x, out, partials, scale=scale, accumulate=accumulate)
    expected = scale * math.fsum(x.ravel().tolist()) + (7.0 if accumulate else 0.0)
    largest = abs(scale) * np.abs(x.astype(np.float64)).sum() + 7.0
    assert out[0] == pytest.approx(expected, abs=2 * float(np.finfo(x.dtype).eps) * largest)


@each_toolchain
def test_a_long_sum_keeps_single_precision(toolchain):
    """Ten million times 0.1, where one running sum in float32 would have an error of 8 %."""
    x, out = np.full(10_000_000, 0.1, np.float32), np.zeros(1, np.float32)
    kernels.load(toolchain).sum_elements(x, out, np.empty(PARTIALS, np.float32))
    assert out[0] == pytest.approx(1e7 * float(np.float32(0.1)), rel=1e-7)


@each_toolchain
def test_not_a_number_is_not_lost(toolchain):
    x, out = np.array([1.0, np.nan, 2.0]), np.zeros(1)
    kernels.load(toolchain).sum_elements(x, out, np.empty(PARTIALS))
    assert np.isnan(out[0])


@pytest.mark.parametrize(
    ("x", "out", "partials", "scalars", "message"),
    [
        (np.ones(0), np.ones(1), np.ones(PARTIALS), {}, "expected at least one element"),
        (np.ones(3, np.int32), np.ones(1), np.ones(PARTIALS), {}, "x has dtype int32, expected float32 or float64"),
        (np.ones(3), np.ones(1, np.float32), np.ones(PARTIALS), {}, "out has dtype float32"),
        (np.ones(3), np.ones(3), np.ones(PARTIALS), {}, "out has shape"),
        (np.ones(3), np.ones(1), np.ones(3), {}, "partials has shape"),
        (np.ones(3), np.ones(1), np.ones(PARTIALS), {"scale": float("nan")}, "scale is nan"),
    ],
)
def test_bad_arguments_are_refused(x, out, partials, scalars, message):
    with pytest.raises(ArgumentError, match=message):
        kernels.load("reference").sum_elements(x, out, partials, **scalars)
