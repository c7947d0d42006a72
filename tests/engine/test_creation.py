"""Tensors of zeros, ones, ranges and random numbers, and functions of the package that are methods of tensors."""

import numpy as np
import pytest

import gpugrad as gg
from gpugrad.errors import ArgumentError, RecordingError
from gpugrad.kernels.activation import ACTIVATIONS


@pytest.mark.parametrize(("make", "value"), [(gg.zeros, 0), (gg.ones, 1)])
def test_zeros_and_ones(make, value):
    for given, shape in (((2, 3), (2, 3)), (((2, 3),), (2, 3)), (([4],), (4,)), ((), ()), ((0,), (0,))):
        x = make(*given)
        assert (x.shape, x.dtype, x.requires_grad) == (shape, np.float32, False)
        assert (x.numpy() == value).all()
    x = make(2, dtype="float64", device="cpu", requires_grad=True)
    assert (x.dtype, x.requires_grad, x.is_leaf) == (np.float64, True, True)


def test_like_another_tensor():
    x = gg.full((2, 3), 7, dtype=np.int64)
    assert x.tolist() == [[7, 7, 7], [7, 7, 7]]
    zeros, ones = gg.zeros_like(x), gg.ones_like(x)
    assert zeros.dtype == ones.dtype == np.int64
    assert (zeros.tolist(), ones.tolist()) == ([[0] * 3] * 2, [[1] * 3] * 2)


def test_full_takes_an_integer_as_shape():
    assert gg.full(2, 0.5).tolist() == [0.5, 0.5]
    assert gg.full((), 0.5).shape == ()


def test_arange():
    assert gg.arange(3).tolist() == [0, 1, 2]
    assert gg.arange(3).dtype == np.int64
    assert gg.arange(1, 2, 0.25).tolist() == [1, 1.25, 1.5, 1.75]
    assert gg.arange(1, 2, 0.25).dtype == gg.arange(3.0).dtype == gg.arange(3, dtype="float32").dtype == np.float32
    assert gg.arange(3, 0, -1).tolist() == [3, 2, 1]
    with pytest.raises(ArgumentError, match="step is 0, expected a finite number, not 0"):
        gg.arange(0, 1, 0)
    with pytest.raises(ArgumentError, match="stop is inf, expected a finite number"):
        gg.arange(float("inf"))


def test_randn_follows_the_seed():
    gg.manual_seed(3)
    first = gg.randn(2, 3)
    second = gg.randn((2, 3))
    gg.manual_seed(3)
    assert (gg.randn(2, 3).numpy() == first.numpy()).all()
    assert (first.numpy() != second.numpy()).all()
    x = gg.randn(10_000, dtype="float64")
    assert (x.dtype, first.dtype) == (np.float64, np.float32)
    assert abs(x.numpy().mean()) < 0.05
    assert abs(x.numpy().std() - 1) < 0.05
    with pytest.raises(ArgumentError, match="dtype is int32, expected float32 or float64"):
        gg.randn(2, dtype="int32")


def test_numbers_that_a_replay_would_repeat_are_refused():
    with pytest.raises(RecordingError, match="uploaded inside a recorded step"):
        gg.record(lambda: gg.randn(3) + 1.0)()


@pytest.mark.parametrize("shape", [(-1,), (2, -3), (2.5,), ("a",), ((1, 2), 3)])
def test_a_wrong_shape_is_named(shape):
    with pytest.raises(ArgumentError, match=r"the shape is .*, expected integers of at least 0, such as"):
        gg.zeros(*shape)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_stack_is_differentiable(axis):
    a, b = (gg.randn(2, 3, dtype=np.float64, device="cpu", requires_grad=True) for _ in range(2))
    out = gg.stack([a, b], axis)
    assert (out.numpy() == np.stack([a.numpy(), b.numpy()], axis)).all()
    assert gg.gradcheck(lambda a, b: gg.stack([a * b, b], axis), (a, b))


def test_stack_of_numbers_and_arrays():
    assert gg.stack([gg.tensor(1.0), gg.tensor(2.0)]).tolist() == [1, 2]
    assert gg.stack([[1.0, 2.0], np.array([3, 4], np.float32)]).tolist() == [[1, 2], [3, 4]]


def test_stack_refuses_what_does_not_fit():
    with pytest.raises(ArgumentError, match="stack got no tensors"):
        gg.stack([])
    with pytest.raises(
        ArgumentError, match=r"cannot stack the shapes \(2,\) and \(3,\): expected equal ones, or use con"
    ):
        gg.stack([gg.ones(2), gg.ones(3)])
    with pytest.raises(ArgumentError, match="axis is 2 for a tensor with 2 axes"):
        gg.stack([gg.ones(2)], 2)


@pytest.mark.parametrize("name", ["abs", "sum", "mean", "max", "min", "exp", "log", "sqrt", "sin", "cos"])
def test_a_function_is_the_method_of_its_name(name):
    x = gg.tensor([[0.5, 2.0], [1.0, 4.0]], requires_grad=True)
    assert (getattr(gg, name)(x).numpy() == getattr(x, name)().numpy()).all()
    if name in ("sum", "mean", "max", "min"):
        assert getattr(gg, name)(x, 0, keepdims=True).shape == (1, 2)
    assert getattr(gg, name)([4.0]).numpy() == getattr(np, name)(np.float32([4]))


def test_matmul():
    a, b = gg.ones(2, 3), gg.ones(3, 2)
    assert gg.matmul(a, b).tolist() == (a @ b).tolist() == [[3, 3], [3, 3]]


def test_every_activation_has_a_function():
    x = gg.tensor([-1.0, 2.0])
    for name in set(ACTIVATIONS) - {"identity"}:
        assert (getattr(gg, name)(x).numpy() == gg.functional.activation(x, name).numpy()).all()
        assert name in dir(gg)


@pytest.mark.parametrize("module", [gg, gg.functional])
def test_public_names_alone_are_listed(module):
    assert set(dir(module)) & {"Any", "TYPE_CHECKING", "importlib", "sys", "warnings", "Path", "np", "math"} == set()
    assert all(hasattr(module, name) for name in dir(module))
    assert set(module.__all__) <= set(dir(module))


def test_values_and_dtypes_that_numpy_refuses_are_refused_in_a_sentence():
    for make in (lambda: gg.full(2, "a"), lambda: gg.full(2, None), lambda: gg.zeros(2, dtype="float31")):
        with pytest.raises(ArgumentError, match=r"cannot be filled with .*: pass a number|a dtype of numbers such as"):
            make()
    with pytest.raises(ArgumentError, match=r"stop is 'a', expected a finite number"):
        gg.arange("a")
