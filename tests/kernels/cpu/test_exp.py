import numpy as np
import pytest
from numba import njit

from gpugrad.kernels.cpu.exp import exp_negative, log_above_one


@njit
def exponentials(x, y):
    for i in range(x.size):
        y[i] = exp_negative(x[i])


@njit
def logarithms(x, y):
    for i in range(x.size):
        y[i] = log_above_one(x[i])


def ulps(found, exact):
    return np.abs(found - exact) / np.spacing(np.abs(exact).astype(found.dtype)).astype(np.float64)


def applied(loop, x):
    y = np.empty_like(x)
    loop(x, y)
    return y


def test_exponentials_to_an_ulp():
    x = -np.concatenate([np.linspace(0, 87, 200_001), np.geomspace(1e-30, 1, 50_001)]).astype(np.float32)
    assert ulps(applied(exponentials, x), np.exp(x.astype(np.float64))).max() < 1.5


def test_logarithms_to_three_ulps():
    x = np.concatenate([np.linspace(1, 100, 200_001), np.geomspace(1, 3e38, 50_001)]).astype(np.float32)
    assert ulps(applied(logarithms, x)[x > 1], np.log(x[x > 1].astype(np.float64))).max() < 3
    assert applied(logarithms, np.ones(1, np.float32)) == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_not_a_number(dtype):
    found = applied(exponentials, np.array([0, -np.inf, np.nan, -1e30], dtype))
    np.testing.assert_array_equal(found, [1, 0, np.nan, 0])
    assert np.isnan(applied(logarithms, np.full(40, np.nan, dtype))).all()


def test_double_precision_is_that_of_the_library():
    x = np.linspace(1, 50, 1001)
    np.testing.assert_allclose(applied(exponentials, -x), np.exp(-x), rtol=1e-15)
    np.testing.assert_allclose(applied(logarithms, x), np.log(x), rtol=1e-15, atol=1e-16)
