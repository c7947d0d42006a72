"""NumPy's functions called with tensors: on the tape, or refused in one sentence."""

from __future__ import annotations

import numpy as np
import pytest

import gpugrad as gg
from gpugrad.errors import ArgumentError, GraphError

X = np.array([[0.5, 1.5], [2.0, 3.0]])
WORKING = {
    "sin": np.sin,
    "cos": np.cos,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "abs": np.abs,
    "tanh": np.tanh,
    "square": np.square,
    "negative": np.negative,
    "power": lambda x: np.power(x, 3),
    "maximum": lambda x: np.maximum(x, 1),
    "minimum": lambda x: np.minimum(1, x),
    "array + t": lambda x: X + x,
    "array − t": lambda x: X - x,
    "array × t": lambda x: X * x,
    "array ÷ t": lambda x: X / x,
    "array ** t": lambda x: X**x,
    "array @ t": lambda x: X @ x,
    "scalar × t": lambda x: np.float64(2) * x,
    "sum": np.sum,
    "sum of rows": lambda x: np.sum(x, axis=1, keepdims=True),
    "mean": lambda x: np.mean(x, axis=0),
    "max": np.max,
    "min": lambda x: np.min(x, axis=-1),
    "dot": lambda x: np.dot(x, x),
    "dot of vectors": lambda x: np.dot(x[0], x[1]),
    "dot with a number": lambda x: np.dot(2.0, x),
    "norm": np.linalg.norm,
    "clip": lambda x: np.clip(x, 1, 2.5),
    "where": lambda x: np.where(X > 1, x, 0),
    "concatenate": lambda x: np.concatenate([x, X]),
    "reshape": lambda x: np.reshape(x, (4,)),
    "transpose": np.transpose,
}


@pytest.mark.parametrize("name", WORKING)
def test_a_function_of_numpy_is_the_tape_s(name):
    x = gg.tensor(X, requires_grad=True)
    found = WORKING[name](x)
    assert isinstance(found, gg.Tensor)
    np.testing.assert_allclose(found.numpy(), WORKING[name](X), rtol=1e-14)
    assert gg.gradcheck(WORKING[name], (x,))


@pytest.mark.parametrize("compare", [np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal])
def test_comparisons(compare):
    np.testing.assert_array_equal(compare(X, gg.tensor(X.T)).numpy(), compare(X, X.T))


def test_sizes_are_plain_numbers():
    x = gg.tensor(X, requires_grad=True)
    assert (np.shape(x), np.ndim(x), np.size(x)) == ((2, 2), 2, 4)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (np.arctan, ArgumentError, "np.arctan does not work on tensors: use .* gg.sin"),
        (np.add.reduce, ArgumentError, "np.add.reduce does not work on tensors"),
        (lambda x: np.sin(x, out=X.copy()), ArgumentError, "np.sin got out= together with a tensor"),
        (lambda x: np.sum(x, dtype=float), ArgumentError, "np.sum got options that it does not have for tensors"),
        (np.var, GraphError, "np.var would lose the gradient of a tensor: use .* or detach"),
        (np.linalg.det, GraphError, "np.linalg.det would lose the gradient"),
        (lambda x: np.stack([x, x]), GraphError, "np.stack would lose the gradient"),
        (lambda x: np.dot(x.reshape(1, 2, 2), x), ArgumentError, "np.dot got tensors with 3 and 2 axes"),
        (lambda x: float(x), ArgumentError, "use gg.sin for math.sin"),
    ],
)
def test_what_would_lose_the_gradient_is_refused_in_one_sentence(call, error, message):
    with pytest.raises(error, match=message) as caught:
        call(gg.tensor(X, requires_grad=True))
    assert "\n" not in str(caught.value)


def test_an_array_is_not_changed_into_a_tensor_in_place():
    array = X.copy()
    with pytest.raises(ArgumentError, match=r"np\.add got out="):
        array += gg.tensor(X)


def test_other_functions_read_a_tensor_off_the_tape():
    x = gg.tensor(X)
    assert np.allclose(x, X)
    np.testing.assert_array_equal(np.stack([x, x]), np.stack([X, X]))
    assert np.median(x) == np.median(X)
