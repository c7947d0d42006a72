"""gradcheck finds wrong gradients, names the place, and leaves its inputs unchanged."""

import numpy as np
import pytest

import gpugrad as gg
from gpugrad.engine.gradcheck import GradientMismatch
from gpugrad.engine.tensor import on_tape
from gpugrad.errors import ArgumentError


def wrong_square(x, error):
    """x², whose gradient is off by `error` (an array) relative to 2·x."""
    return on_tape("wrong_square", x.data**2, (x,), lambda dy: (dy * 2 * x.data * (1 + error),), saved=(x,))


def leaf(*values, dtype=np.float64):
    return gg.tensor(np.array(values, dtype), requires_grad=True)


def test_right_gradients_pass():
    assert gg.gradcheck(lambda x: x**2, leaf(1.0, -2.0, 3.0)) is True
    assert gg.gradcheck(lambda x, c: (x * c).sum(), (leaf(1.0, 2.0), gg.tensor([3, 4]))) is True
    assert gg.gradcheck(lambda x: x * 2, gg.tensor(np.float64(3), requires_grad=True)) is True


def test_a_wrong_gradient_is_named():
    x = leaf(1.0, -2.0, 3.0)
    with pytest.raises(
        GradientMismatch, match=r"input 1 at \(2,\): the tape's gradient is .*, the finite difference .* \(1 of 3 elem"
    ):
        gg.gradcheck(lambda c, x: wrong_square(x, np.array([0, 0, 0.01])), [gg.tensor([1.0]), x])
    assert issubclass(GradientMismatch, AssertionError)


def test_errors_of_several_elements_do_not_cancel():
    """A plain sum would hide a swap of two gradients."""

    def swapped(x):
        return on_tape("swapped", x.data.copy(), (x,), lambda dy: (dy[::-1].copy(),))

    assert gg.gradcheck(lambda x: swapped(x).sum(), leaf(1.0, 2.0))
    with pytest.raises(GradientMismatch, match="2 of 2"):
        gg.gradcheck(swapped, leaf(1.0, 2.0))


def test_a_missing_gradient_counts_as_zero():
    x, y = leaf(1.0), leaf(2.0)
    assert gg.gradcheck(lambda x, y: x + 0 * y, [x, y])
    assert gg.gradcheck(lambda x, y: x * 2, [x, y])
    with pytest.raises(GradientMismatch, match=r"input 1 at \(0,\): the tape's gradient is 0, the finite difference"):
        gg.gradcheck(lambda x, y: x * y.detach(), [x, y])


def test_nan_is_a_mismatch():
    with pytest.raises(GradientMismatch, match="nan"):
        gg.gradcheck(lambda x: wrong_square(x, np.nan), leaf(1.0))


def test_tolerances():
    off = lambda x: wrong_square(x, 1e-4)  # noqa: E731
    assert gg.gradcheck(off, leaf(1.0))
    with pytest.raises(GradientMismatch):
        gg.gradcheck(off, leaf(1.0), rtol=1e-6, atol=1e-8)
    assert gg.gradcheck(lambda x: x**2, leaf(1.0, 3.0), rtol=1e-8, atol=1e-8)  # as accurate as its docstring states


def test_inputs_are_left_as_they_were():
    x = leaf(1.0, 2.0)
    with pytest.raises(GradientMismatch):
        gg.gradcheck(lambda x: wrong_square(x, 1.0), x)
    assert x.tolist() == [1, 2]
    calls = []

    def fails_late(x):
        calls.append(1)
        if len(calls) == 5:
            raise RuntimeError("in the middle")
        return x * 2

    with pytest.raises(RuntimeError, match="in the middle"):
        gg.gradcheck(fails_late, x)
    assert x.tolist() == [1, 2]


def test_inputs_that_cannot_be_checked():
    with pytest.raises(ArgumentError, match="no input that requires a gradient: set requires_grad=True on one"):
        gg.gradcheck(lambda x: x, gg.tensor(np.ones(2)))
    with pytest.raises(ArgumentError, match="input 0 of gradcheck has dtype float32, expected float64"):
        gg.gradcheck(lambda x: x, leaf(1.0, dtype=np.float32))
    with pytest.raises(
        ArgumentError, match=r"input 0 of gradcheck is the result of an operation, expected a leaf: detach"
    ):
        gg.gradcheck(lambda x: x, leaf(1.0) * 2)
