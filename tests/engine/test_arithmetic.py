"""The tape's own operations: values as NumPy's, gradients as finite differences, over shapes that hypothesis draws."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, basic_indices, mutually_broadcastable_shapes

import gpugrad as gg
from gpugrad.engine import arithmetic
from gpugrad.errors import ArgumentError, DeviceError

SHAPES = array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
FULL_SHAPES = array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=3)
PAIRS = mutually_broadcastable_shapes(num_shapes=2, max_dims=3, min_side=0, max_side=3).map(lambda s: s.input_shapes)
SEEDS = st.integers(0, 2**16)
few = settings(max_examples=60, deadline=None)


def draw(seed, *shapes, low=-2.0, high=2.0):
    """Float64 leaves of these shapes. Their values are far apart, so that no step of 1e-6 makes or breaks a tie."""
    rng = np.random.default_rng(seed)
    sizes = [math.prod(shape) for shape in shapes]
    # n + 1 values in an even count: 0 is never one of them.
    values = rng.permutation(np.linspace(low, high, sum(sizes) + 2 - sum(sizes) % 2))[: sum(sizes)]
    parts = np.split(values, np.cumsum(sizes)[:-1])
    return [gg.tensor(part.reshape(shape), requires_grad=True) for part, shape in zip(parts, shapes, strict=True)]


# name -> (NumPy's function, low, high): the range on which it is smooth, or has its kinks between the values drawn
UNARY = {
    "negative": (np.negative, -2, 2),
    "exp": (np.exp, -2, 2),
    "log": (np.log, 0.2, 3),
    "sqrt": (np.sqrt, 0.2, 3),
    "abs": (np.abs, -2, 2),
    "sin": (np.sin, -2, 2),
    "cos": (np.cos, -2, 2),
}
BINARY = {
    "add": (np.add, -2, 2),
    "subtract": (np.subtract, -2, 2),
    "multiply": (np.multiply, -2, 2),
    "divide": (np.divide, 0.3, 2),
    "power": (np.power, 0.3, 2),
    "maximum": (np.maximum, -2, 2),
    "minimum": (np.minimum, -2, 2),
}
REDUCTIONS = {"sum": np.sum, "mean": np.mean, "max": np.max, "min": np.min}
TESTED_BELOW = {  # or in test_creation.py
    "clip", "where", "softmax", "log_softmax", "reshape", "transpose", "concatenate", "getitem", "astype", "matmul",
    "broadcast_to", "stack",
}  # fmt: skip
NOT_DIFFERENTIABLE = {"argmax", "compare", "setitem"}


def test_every_operation_is_tested():
    """A new public function of arithmetic/ fails here until it is in one of the lists above, and tested."""
    assert set(arithmetic.__all__) == {*UNARY, *BINARY, *REDUCTIONS, *TESTED_BELOW, *NOT_DIFFERENTIABLE}


# ---- elementwise ----


@pytest.mark.parametrize("name", UNARY)
@given(shape=SHAPES, seed=SEEDS)
@few
def test_unary(name, shape, seed):
    expected, low, high = UNARY[name]
    function = getattr(arithmetic, name)
    (x,) = draw(seed, shape, low=low, high=high)
    np.testing.assert_array_equal(function(x).numpy(), expected(x.numpy()))
    assert gg.gradcheck(function, x)


@pytest.mark.parametrize("name", BINARY)
@given(shapes=PAIRS, seed=SEEDS)
@few
def test_binary_broadcasts(name, shapes, seed):
    expected, low, high = BINARY[name]
    function = getattr(arithmetic, name)
    a, b = draw(seed, *shapes, low=low, high=high)
    np.testing.assert_array_equal(function(a, b).numpy(), expected(a.numpy(), b.numpy()))
    assert gg.gradcheck(function, [a, b])


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize(
    "other", [1.5, 2, [0.5, 0.7, 0.9], np.array([[0.5], [0.7]])], ids=["float", "int", "list", "array"]
)
def test_binary_with_a_constant_on_either_side(name, other):
    expected, low, high = BINARY[name]
    function = getattr(arithmetic, name)
    (x,) = draw(0, (2, 3), low=low, high=high)
    constant = np.asarray(other, np.float32) if isinstance(other, list) else other
    np.testing.assert_allclose(function(x, other).numpy(), expected(x.numpy(), constant), rtol=1e-14)
    np.testing.assert_allclose(function(other, x).numpy(), expected(constant, x.numpy()), rtol=1e-14)
    assert gg.gradcheck(lambda x: function(x, other), x)
    assert gg.gradcheck(lambda x: function(other, x), x)


def test_operators_are_the_functions():
    a, b = draw(1, (2, 2), (2, 2), low=0.3)
    x, y = a.numpy(), b.numpy()
    results = {
        "a + b": a + b, "a - b": a - b, "a * b": a * b, "a / b": a / b, "a ** b": a**b, "a @ b": a @ b, "-a": -a,
        "abs(a - b)": abs(a - b), "1 + a": 1 + a, "1 - a": 1 - a, "2 * a": 2 * a, "1 / a": 1 / a, "2 ** a": 2**a,
        "a < b": a < b, "a <= b": a <= b, "a > b": a > b, "a >= b": a >= b, "a == b": a == b, "a != b": a != b,
        "1 < a": 1 < a, "a.T": a.T,  # noqa: SIM300
    }  # fmt: skip
    for expression, result in results.items():
        np.testing.assert_allclose(result.numpy(), eval(expression, {"a": x, "b": y}), rtol=1e-13, err_msg=expression)
    np.testing.assert_array_equal((x * b).numpy(), x * y)  # NumPy lets the tensor decide
    np.testing.assert_allclose((x @ b).numpy(), x @ y)
    np.testing.assert_allclose((np.float64(2) * b).numpy(), 2 * y)


def test_comparisons_are_off_the_tape():
    a, b = draw(2, (3,), (3,))
    for result in (a < b, a == b, a != 0.5):
        assert result.dtype == np.bool_
        assert not result.requires_grad
    assert gg.tensor([1, 2]).__eq__(gg.tensor([1, 2])).tolist() == [True, True]


def test_shapes_that_do_not_broadcast():
    a, b = draw(3, (2, 3), (4,))
    for operation in (lambda: a + b, lambda: gg.where(True, a, b), lambda: a < b):
        with pytest.raises(
            ArgumentError, match=r"\(2, 3\) and \(4,\).*do not broadcast: expected sizes that are equal or 1"
        ):
            operation()


def test_a_python_number_does_not_widen_float32():
    x = gg.tensor([1.0, 2.0], requires_grad=True)
    y = ((2 * x + 1.5) ** 2 / 3 - 1).clip(-10, 10).mean() + gg.maximum(x, 0.5).sum() + (2**x).sum()
    assert y.dtype == np.float32
    y.backward()
    assert x.grad.dtype == np.float32


def test_mixed_dtypes_give_each_operand_a_gradient_in_its_own():
    a = gg.tensor([1.0, 2.0], np.float32, requires_grad=True)
    b = gg.tensor([3.0, 4.0], np.float64, requires_grad=True)
    y = gg.relu(a) * b  # relu's kernel takes one dtype: it must get its float32 back
    assert y.dtype == np.float64
    y.sum().backward()
    assert (a.grad.dtype, b.grad.dtype) == (np.float32, np.float64)
    assert (a.grad.tolist(), b.grad.tolist()) == ([3, 4], [1, 2])


# ---- edges of the elementwise operations ----


def gradients(function, *values):
    inputs = [gg.tensor(np.array(v, np.float64), requires_grad=True) for v in values]
    function(*inputs).sum().backward()
    return [x.grad.tolist() for x in inputs]


def test_ties_share_the_gradient():
    assert gradients(gg.maximum, [1, 2, 3], [1, 3, 2]) == [[0.5, 0, 1], [0.5, 1, 0]]
    assert gradients(gg.minimum, [1, 2, 3], [1, 3, 2]) == [[0.5, 1, 0], [0.5, 0, 1]]
    assert gradients(lambda x: gg.maximum(x, 1), [0, 1, 2]) == [[0, 0.5, 1]]
    assert gradients(lambda x: x.max(axis=1), [[1, 3, 3], [2, 2, 2]]) == [[[0, 0.5, 0.5], [1 / 3] * 3]]
    assert gradients(lambda x: x.min(), [1, 1, 2]) == [[0.5, 0.5, 0]]


def test_power_at_zero():
    assert gradients(lambda x: x**0, [0, 2]) == [[0, 0]]
    assert gradients(lambda x: x**1, [0, 2]) == [[1, 1]]
    assert gradients(lambda x: x**2, [0, -3]) == [[0, -6]]
    assert gradients(lambda x: x**3, [0, -3]) == [[0, 27]]
    assert gradients(arithmetic.power, [0, 0, 0, 2], [0, 1, 2, 0]) == [[0, 1, 0, 0], [0, 0, 0, math.log(2)]]
    assert gradients(lambda x: 0**x, [1, 2]) == [[0, 0]]


def test_abs_at_zero():
    assert gradients(arithmetic.abs, [-1, 0, 2]) == [[-1, 0, 1]]


@given(shape=SHAPES, seed=SEEDS, low=st.sampled_from([None, -0.51]), high=st.sampled_from([0.73]))
@few
def test_clip(shape, seed, low, high):
    (x,) = draw(seed, shape)
    for limits in ((low, high), (-high, None)):
        np.testing.assert_array_equal(x.clip(*limits).numpy(), np.clip(x.numpy(), *limits))
        assert gg.gradcheck(lambda x, limits=limits: gg.clip(x, *limits), x)


def test_clip_at_its_limits():
    assert gradients(lambda x: gg.clip(x, 0, 1), [-1, 0, 0.5, 1, 2]) == [[0, 1, 1, 1, 0]]
    assert gg.clip(gg.tensor([-3, 5]), 0).tolist() == [0, 5]
    assert gg.clip(gg.tensor([-3, 5]), 0).dtype == np.int64
    assert gg.clip(3.0, 0, 1).item() == 1
    with pytest.raises(ArgumentError, match="clip needs low, high or both: pass at least one limit"):
        gg.tensor([1.0]).clip()


@given(
    shapes=mutually_broadcastable_shapes(num_shapes=3, max_dims=3, min_side=0, max_side=3).map(
        lambda s: s.input_shapes
    ),
    seed=SEEDS,
)
@few
def test_where_broadcasts(shapes, seed):
    c, a, b = draw(seed, *shapes)
    condition = c.detach() > 0
    np.testing.assert_array_equal(gg.where(condition, a, b).numpy(), np.where(condition.numpy(), a.numpy(), b.numpy()))
    assert gg.gradcheck(lambda a, b: gg.where(condition, a, b), [a, b])


def test_where_with_constants_and_the_same_tensor_twice():
    condition = [True, False, True]
    assert gradients(lambda x: gg.where(condition, x, x), [1, 2, 3]) == [[1, 1, 1]]
    assert gradients(lambda x: gg.where(condition, x, 0), [1, 2, 3]) == [[1, 0, 1]]
    assert gradients(lambda x: gg.where(condition, [7, 8, 9], x), [1, 2, 3]) == [[0, 1, 0]]
    assert gg.where(gg.tensor([2, 0]), 1, 0).tolist() == [1, 0]
    assert gg.where(True, 1.5, gg.tensor([2.0, 3.0])).tolist() == [1.5, 1.5]
    # Elements that were not chosen get 0, even where the incoming gradient is infinite.
    x = gg.tensor([1.0, 2.0], requires_grad=True)
    gg.where([True, False], x, 0.0).backward(gg.tensor([math.inf, math.inf]))
    assert x.grad.tolist() == [math.inf, 0]


# ---- reductions ----


@st.composite
def reduced(draw):
    """A shape, and an axis argument for it: None, one axis, or a tuple, counted from either end."""
    shape = draw(array_shapes(min_dims=0, max_dims=3, min_side=1, max_side=3))
    axes = st.integers(-len(shape), len(shape) - 1) if shape else st.nothing()
    several = st.lists(axes, unique_by=lambda axis: axis % len(shape), max_size=len(shape)).map(tuple)
    return shape, draw(st.none() | axes | several)


@pytest.mark.parametrize("name", REDUCTIONS)
@given(case=reduced(), keepdims=st.booleans(), seed=SEEDS)
@few
def test_reductions(name, case, keepdims, seed):
    shape, axis = case
    (x,) = draw(seed, shape)
    result = getattr(x, name)(axis=axis, keepdims=keepdims)
    np.testing.assert_allclose(result.numpy(), REDUCTIONS[name](x.numpy(), axis=axis, keepdims=keepdims), rtol=1e-14)
    assert gg.gradcheck(lambda x: getattr(arithmetic, name)(x, axis, keepdims), x)


def test_sums_of_nothing_and_of_integers():
    (x,) = draw(4, (0, 3))
    assert x.sum(axis=0).tolist() == [0, 0, 0]
    assert gg.gradcheck(lambda x: x.sum(axis=0), x)
    right = gg.tensor([1, 2, 3]) == gg.tensor([1, 0, 3])
    assert right.sum().item() == 2
    assert right.mean().item() == pytest.approx(2 / 3)
    assert gg.tensor(np.full(300, 200, np.uint8)).sum().item() == 60000


@pytest.mark.parametrize("name", ["mean", "max", "min", "argmax", "softmax"])
def test_nothing_to_reduce(name):
    x = gg.tensor(np.zeros((3, 0)))
    with pytest.raises(ArgumentError, match=r"over no elements: the tensor has shape \(3, 0\), expected at least one"):
        getattr(x, name)(axis=1)


@pytest.mark.parametrize("axis", [2, -3, (0, 0)])
def test_an_axis_that_is_not_there(axis):
    x = gg.tensor(np.zeros((2, 3)))
    with pytest.raises(ArgumentError, match="for a tensor with 2 axes: expected different integers from -2 to 1"):
        x.sum(axis=axis)


def test_argmax():
    x = np.random.default_rng(0).integers(0, 4, (3, 4, 5))  # with ties: the first one counts
    for axis in (0, 1, 2, -1, -3):
        np.testing.assert_array_equal(gg.argmax(gg.tensor(x), axis).numpy(), x.argmax(axis))
    assert gg.tensor([1.0, 3.0, 2.0]).argmax().item() == 1


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@given(shape=FULL_SHAPES, seed=SEEDS, data=st.data())
@few
def test_softmax(name, shape, seed, data):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    (x,) = draw(seed, shape)
    powers = np.exp(x.numpy())
    expected = powers / powers.sum(axis=axis, keepdims=True)
    np.testing.assert_allclose(
        getattr(x, name)(axis).numpy(), np.log(expected) if name == "log_softmax" else expected, rtol=1e-12, atol=1e-15
    )
    assert gg.gradcheck(lambda x: getattr(gg, name)(x, axis), x)


def test_softmax_far_from_zero():
    x = gg.tensor([[1e4, 0.0, -1e4]])
    assert gg.softmax(x).tolist() == [[1, 0, 0]]
    assert gg.log_softmax(x).tolist() == [[0, -1e4, -2e4]]


# ---- shapes ----


@given(shape=SHAPES, seed=SEEDS, data=st.data())
@few
def test_transpose_and_reshape(shape, seed, data):
    (x,) = draw(seed, shape)
    order = data.draw(st.permutations(range(len(shape))))
    order = [axis - data.draw(st.sampled_from([0, len(shape)])) for axis in order]
    np.testing.assert_array_equal(x.transpose(*order).numpy(), x.numpy().transpose(*order))
    np.testing.assert_array_equal(x.T.numpy(), x.numpy().T)
    np.testing.assert_array_equal(x.reshape(shape[::-1]).numpy(), x.numpy().reshape(shape[::-1]))
    assert gg.gradcheck(lambda x: x.transpose(order), x)
    assert gg.gradcheck(lambda x: x.reshape(*shape[::-1]), x)


def test_reshape_forms_and_errors():
    x = gg.tensor(np.arange(6.0))
    assert x.reshape(2, -1).shape == x.reshape((2, 3)).shape == x.reshape([np.int64(2), 3]).shape == (2, 3)
    assert x.reshape(-1).shape == (6,)
    for wrong in ((4, 2), (-1, -1), (np.int64(5),)):
        with pytest.raises(ArgumentError, match=r"cannot reshape a tensor of shape \(6,\).*whose product is 6"):
            x.reshape(*wrong)
    with pytest.raises(ArgumentError, match=r"transpose got the axes \(0,\), expected each of \(0, 1\) once"):
        x.reshape(2, 3).transpose(0)


@given(shape=FULL_SHAPES, seed=SEEDS, data=st.data())
@few
def test_concatenate(shape, seed, data):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    lengths = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=3))
    shapes = [tuple(n if i == axis % len(shape) else size for i, size in enumerate(shape)) for n in lengths]
    tensors = draw(seed, *shapes)
    np.testing.assert_array_equal(
        gg.concatenate(tensors, axis).numpy(), np.concatenate([t.numpy() for t in tensors], axis)
    )
    assert gg.gradcheck(lambda *tensors: gg.concatenate(tensors, axis), tensors)


def test_concatenate_forms_and_errors():
    x = gg.tensor([1.0, 2.0], requires_grad=True)
    y = gg.concatenate([x, [5.0], x])
    assert y.tolist() == [1, 2, 5, 1, 2]
    y.backward(gg.tensor([1.0, 2.0, 3.0, 4.0, 5.0]))
    assert x.grad.tolist() == [5, 7]
    with pytest.raises(ArgumentError, match="concatenate got no tensors, expected at least one"):
        gg.concatenate([])
    with pytest.raises(ArgumentError, match=r"cannot concatenate shapes .* their other sizes must be equal"):
        gg.concatenate([gg.tensor(np.zeros((2, 3))), gg.tensor(np.zeros((2, 4)))])


@given(shapes=PAIRS, seed=SEEDS)
@few
def test_broadcast_to(shapes, seed):
    target = np.broadcast_shapes(*shapes)
    (x,) = draw(seed, shapes[0])
    np.testing.assert_array_equal(arithmetic.broadcast_to(x, target).numpy(), np.broadcast_to(x.numpy(), target))
    assert gg.gradcheck(lambda x: arithmetic.broadcast_to(x, target), x)


def test_broadcast_to_a_shape_that_does_not_fit():
    with pytest.raises(ArgumentError, match="do not broadcast"):
        arithmetic.broadcast_to(gg.tensor([1.0, 2.0]), (3,))
    with pytest.raises(ArgumentError, match="cannot be stretched"):
        arithmetic.broadcast_to(gg.tensor([[1.0], [2.0]]), (1,))


def test_astype():
    x = gg.tensor([1.7, -2.2], np.float64, requires_grad=True)
    y = x.astype(np.float32)
    assert y.dtype == np.float32
    (y * y).sum().backward()
    assert x.grad.dtype == np.float64
    np.testing.assert_allclose(x.grad.numpy(), [3.4, -4.4], rtol=1e-7)
    assert gg.gradcheck(lambda x: x.astype(np.float64) ** 2, x)
    assert x.astype(np.int64).tolist() == [1, -2]
    assert not x.astype(np.int64).requires_grad


# ---- indexing ----


@given(shape=array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4), seed=SEEDS, data=st.data())
@settings(max_examples=60, deadline=None)
def test_basic_indices(shape, seed, data):
    """Integers, slices with steps of either sign, an ellipsis and None, in any combination."""
    index = data.draw(basic_indices(shape, allow_ellipsis=True, allow_newaxis=True))
    (x,) = draw(seed, shape)
    np.testing.assert_array_equal(x[index].numpy(), x.numpy()[index])
    assert gg.gradcheck(lambda x: x[index], x)


ADVANCED = {
    "list": [0, 2],
    "repeats": np.array([1, 1, -1, 1]),
    "matrix": np.array([[0, 1], [2, 2]]),
    "empty": np.array([], np.int64),
    "mask": np.array([True, False, True]),
    "two arrays": (np.array([0, 0, 2]), np.array([1, 1, 3])),
    "open mesh": np.ix_([0, 2, 2], [3, 0]),
    "array and slice": (slice(None, None, -1), np.array([1, 1, 2])),
    "array, none and ellipsis": (np.array([0, 0]), None, ...),
    "mask of all axes": np.arange(12).reshape(3, 4) % 3 == 0,
    "integer and array": (1, np.array([0, 0, 3])),
}


@pytest.mark.parametrize("index", ADVANCED.values(), ids=ADVANCED)
def test_advanced_indices(index):
    (x,) = draw(5, (3, 4))
    np.testing.assert_array_equal(x[index].numpy(), x.numpy()[index])
    assert gg.gradcheck(lambda x: x[index], x)
    if isinstance(index, np.ndarray):  # a tensor as the index
        np.testing.assert_array_equal(x[gg.tensor(index)].numpy(), x.numpy()[index])
        assert gg.gradcheck(lambda x: x[gg.tensor(index)], x)


def test_an_element_picked_twice_gets_both_gradients():
    assert gradients(lambda x: x[[0, 0, 2]] * np.array([1.0, 2.0, 4.0]), [1, 2, 3]) == [[3, 0, 4]]


def test_a_result_of_indexing_is_a_copy():
    x = gg.tensor([1.0, 2.0])
    x[:][0] = 9
    assert x.tolist() == [1, 2]


def test_iteration_ends():
    assert [row.tolist() for row in gg.tensor([[1, 2], [3, 4]])] == [[1, 2], [3, 4]]


# ---- products ----


@st.composite
def products(draw):
    """Two shapes that @ accepts: vectors, matrices, stacks that broadcast; sizes may be 0."""
    m, k, n = (draw(st.integers(0, 3)) for _ in range(3))
    stacks = draw(mutually_broadcastable_shapes(num_shapes=2, max_dims=2, max_side=2)).input_shapes
    a = draw(st.sampled_from([(k,), (m, k), (*stacks[0], m, k)]))
    b = draw(st.sampled_from([(k,), (k, n), (*stacks[1], k, n)]))
    return a, b


@given(shapes=products(), seed=SEEDS)
@settings(max_examples=60, deadline=None)
def test_matmul(shapes, seed):
    a, b = draw(seed, *shapes)
    result = a @ b
    expected = a.numpy() @ b.numpy()
    assert result.shape == expected.shape
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-13, atol=1e-14)
    assert gg.gradcheck(arithmetic.matmul, [a, b])


def test_matmul_of_a_tensor_with_itself():
    (a,) = draw(6, (3, 3))
    assert gg.gradcheck(lambda a: a @ a, a)
    assert gg.gradcheck(lambda a: a.T @ a, a)


def test_matmul_errors():
    a = gg.tensor(np.zeros((2, 3)))
    with pytest.raises(
        ArgumentError, match=r"cannot multiply shapes \(2, 3\) @ \(2, 3\): the inner sizes 3 and 2 differ"
    ):
        a @ a
    for wrong in (2.0, gg.tensor(2.0)):
        with pytest.raises(ArgumentError, match=r"@ takes tensors with at least one axis: use \* to scale by a number"):
            a @ wrong
    with pytest.raises(ArgumentError, match="do not broadcast"):
        gg.tensor(np.zeros((2, 1, 3))) @ gg.tensor(np.zeros((3, 3, 1)))
    with pytest.raises(ArgumentError, match=r"dtype int64, expected float32 or float64: convert it with astype"):
        gg.tensor([[1]]) @ gg.tensor([[1]])


def test_operands_on_two_devices():
    a, b = gg.tensor([[1.0]]), gg.tensor([[1.0]], device=gg.device("cpu", "numpy"))
    index = gg.tensor([0], device=gg.device("cpu", "numpy"))
    for operation in (
        lambda: a + b, lambda: a @ b, lambda: gg.where(True, a, b), lambda: gg.concatenate([a, b]), lambda: a[index],
    ):  # fmt: skip
        with pytest.raises(DeviceError, match=r"tensors live on .* and on .*: move one of them with .to\(\)"):
            operation()


@pytest.mark.parametrize("reduce", [gg.sum, gg.mean, gg.max, gg.min, gg.argmax, gg.softmax, gg.log_softmax])
@pytest.mark.parametrize("axis", ["rows", 1.5, gg.ones(2, 2)], ids=["text", "fraction", "tensor"])
def test_an_axis_that_is_no_integer_is_refused(reduce, axis):
    with pytest.raises(ArgumentError, match=r"axis is .* for a tensor with 2 axes: expected different integers"):
        reduce(gg.ones(2, 3), axis)


@pytest.mark.parametrize("join", [gg.stack, gg.concatenate])
def test_a_generator_of_tensors_is_joined_and_one_tensor_refused(join):
    rows = [gg.ones(2), gg.zeros(2)]
    assert (join(row for row in rows).numpy() == join(rows).numpy()).all()
    for wrong in (gg.ones(2, 2), None, 3, "ab"):
        with pytest.raises(ArgumentError, match=r"got an? .*, expected a list: write gg\.\w+\(\[a, b\]\)"):
            join(wrong)
