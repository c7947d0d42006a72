"""The precision of products: how factors are rounded, and which operations follow it."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gpugrad as gg
from gpugrad import functional as F
from gpugrad.errors import ArgumentError
from gpugrad.kernels.dense.rounding import PRECISIONS, round_factor

ROUNDED = {"tf32": 10, "bfloat16": 7}  # bits of mantissa that stay


@pytest.mark.parametrize(("precision", "bits"), ROUNDED.items())
@given(value=st.floats(width=32, allow_nan=False, allow_infinity=False).filter(lambda v: 1e-30 < abs(v) < 1e30))
def test_rounding_is_to_the_nearest(precision, bits, value):
    spacing = Fraction(2) ** (math.frexp(value)[1] - 1 - bits)
    steps = Fraction(value) / spacing
    nearest = round(steps)  # a tie to even
    if precision == "tf32" and abs(steps - math.floor(steps)) == Fraction(1, 2):
        nearest = math.floor(steps) if value < 0 else math.ceil(steps)  # a tie away from zero
    assert Fraction(float(round_factor(np.array([value], np.float32), precision)[0])) == nearest * spacing


@pytest.mark.parametrize("precision", PRECISIONS)
def test_what_is_not_finite_stays(precision):
    array = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0], np.float32)
    np.testing.assert_array_equal(round_factor(array, precision), array)


def test_bfloat16_is_pytorchs():
    torch = pytest.importorskip("torch")
    array = np.random.default_rng(0).normal(size=10_000).astype(np.float32)
    expected = torch.from_numpy(array).to(torch.bfloat16).to(torch.float32).numpy()
    np.testing.assert_array_equal(round_factor(array, "bfloat16"), expected)


def factors():
    rng = np.random.default_rng(0)
    return (gg.tensor(rng.normal(size=s).astype(np.float32), requires_grad=True) for s in ((5, 8), (8, 3)))


@pytest.mark.parametrize("precision", ROUNDED)
@pytest.mark.parametrize("product", [lambda x, w: x @ w, F.dense], ids=["@", "dense"])
def test_forward_and_backward_round_their_factors(precision, product):
    x, w = factors()
    with gg.precision(precision):
        y = product(x, w)
    y.sum().backward()  # outside the block: the backward has the precision of its forward
    rounded_x, rounded_w = (round_factor(t.numpy(), precision) for t in (x, w))
    np.testing.assert_allclose(y.numpy(), rounded_x @ rounded_w, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(x.grad.numpy(), np.ones((5, 3)) @ rounded_w.T, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(w.grad.numpy(), rounded_x.T @ np.ones((5, 3)), rtol=1e-5, atol=1e-6)
    assert np.abs(y.numpy() - x.numpy() @ w.numpy()).max() > 1e-4  # it makes a difference


def test_a_step_is_recorded_for_each_precision():
    x, w = factors()
    step = gg.record(lambda: (x @ w).detach())
    exact = step().numpy()
    with gg.precision("bfloat16"):
        rounded = step().numpy()
    assert step.recordings == 2
    assert np.abs(exact - rounded).max() > 1e-3
    np.testing.assert_array_equal(step().numpy(), exact)


def test_what_is_refused():
    with (
        pytest.raises(ArgumentError, match="unknown precision 'bfloat': did you mean 'bfloat16'"),
        gg.precision("bfloat"),
    ):
        pass
    x = gg.tensor(np.ones((2, 2)))
    with gg.precision("tf32"), pytest.raises(ArgumentError, match="precision is tf32 and the tensors are float64"):
        x @ x
