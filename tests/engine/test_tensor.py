"""Tensor and the tape: attributes of a tensor, backward() on a graph, and errors."""

import gc
import sys
import weakref

import numpy as np
import pytest

import gpugrad as gg
from gpugrad.errors import ArgumentError, DeviceError, GraphError


def leaf(values=(1.0, 2.0, 3.0), dtype=np.float64, **options):
    return gg.tensor(np.array(values, dtype), requires_grad=True, **options)


# ---- attributes ----


def test_dtypes_and_shapes():
    assert gg.tensor([1.0, 2.0]).dtype == np.float32
    assert gg.tensor(3.5).shape == ()
    assert gg.tensor([1, 2]).dtype == np.int64
    assert gg.tensor([True]).dtype == np.bool_
    assert gg.tensor(np.zeros(2)).dtype == np.float64
    assert gg.tensor(np.zeros(2), np.float32).dtype == np.float32
    x = gg.tensor([[1, 2, 3], [4, 5, 6]])
    assert (x.shape, x.ndim, x.size, len(x)) == ((2, 3), 2, 6, 2)


def test_values_are_copied_in_and_out():
    source = np.array([1.0, 2.0])
    x = gg.tensor(source)
    source[0] = 9
    x.numpy()[1] = 9
    y = gg.tensor(x)
    y[0] = 5
    assert x.tolist() == [1, 2]


def test_to_python_numbers():
    assert float(gg.tensor([[2.5]])) == 2.5
    assert int(gg.tensor(3)) == 3
    assert bool(gg.tensor([True]))
    assert gg.tensor([[1, 2]]).tolist() == [[1, 2]]
    assert isinstance(gg.tensor([2.5]).item(), float)
    with pytest.raises(
        ArgumentError, match=r"item\(\) takes a tensor with one element, this one has shape \(2,\): use numpy"
    ):
        gg.tensor([1, 2]).item()
    with pytest.raises(ArgumentError, match="one element"):
        bool(gg.tensor([1, 2]) == gg.tensor([1, 2]))


def test_to_numpy():
    np.testing.assert_array_equal(np.asarray(gg.tensor([1, 2])), [1, 2])
    assert np.asarray(gg.tensor([1, 2]), np.float32).dtype == np.float32
    with pytest.raises(GraphError, match=r"NumPy would lose it: call detach\(\) or numpy\(\) first"):
        np.asarray(leaf())


def test_a_tensor_with_no_axes_has_no_length():
    for function in (len, list):
        with pytest.raises(TypeError, match="no axes"):
            function(gg.tensor(1.0))


def test_data_that_make_no_tensor():
    with pytest.raises(ArgumentError, match="rows of different lengths, expected equal ones"):
        gg.tensor([[1, 2], [3]])
    for data in ("text", None, 1j, np.array(["a"]), [object()]):
        with pytest.raises(ArgumentError, match=r"data of dtype .*, expected numbers: convert them first"):
            gg.tensor(data)


def test_repr():
    assert repr(gg.tensor([1.0, 2.0])) == "tensor([1., 2.])"
    assert repr(gg.tensor([1, 2])) == "tensor([1, 2], dtype=int64)"
    assert repr(leaf([1.0], np.float32)) == "tensor([1.], requires_grad=True)"
    assert repr(leaf([1.0], np.float32) * 2) == "tensor([2.], grad_fn=<multiply>)"


def test_integers_cannot_require_a_gradient():
    with pytest.raises(GraphError, match="dtype int64 cannot require a gradient: convert it to float32 first"):
        gg.tensor([1, 2], requires_grad=True)
    x = gg.tensor([True])
    with pytest.raises(GraphError, match="dtype bool cannot require a gradient"):
        x.requires_grad = True
    x = gg.tensor([1, 2]).astype(np.float32)
    x.requires_grad = True
    assert x.requires_grad


def test_devices():
    other = gg.device("cpu", "numpy")
    x = leaf()
    moved = x.to(other)
    assert (moved.device, moved.requires_grad, moved.tolist()) == (other, True, x.tolist())
    assert x.to("cpu") is x
    assert not (x * 2).to(other).requires_grad  # off the tape
    with pytest.raises(
        DeviceError, match=r"tensors live on device\('cpu', toolchain='numba'\) and on .*'numpy'.*\.to\(\)"
    ):
        x + moved
    with pytest.raises(DeviceError, match="move one of them"):
        (x * 2).backward(gg.tensor(np.ones(3), device=other))
    with pytest.raises(DeviceError, match="move one of them"):
        x.detach()[:] = moved.detach()


# ---- gradients of graphs ----


def test_shared_use_adds():
    x = leaf()
    (x * x + x + 3 * x).sum().backward()
    assert x.grad.tolist() == [2 * v + 4 for v in (1, 2, 3)]


def test_both_operands_the_same():
    for function, expected in (
        (lambda x: x * x, [2, 4, 6]), (lambda x: x - x, [0, 0, 0]), (lambda x: x / x, [0, 0, 0]),
        (lambda x: x + x, [2, 2, 2]), (lambda x: gg.maximum(x, x), [1, 1, 1]),
    ):  # fmt: skip
        x = leaf()
        function(x).sum().backward()
        np.testing.assert_allclose(x.grad.numpy(), expected, atol=1e-15)


def test_diamonds_take_time_linear_in_their_number():
    x = leaf([1.0])
    y = x
    for _ in range(60):  # 2**60 paths
        y = y * 0.5 + y * 0.5
    y.backward()
    assert x.grad.tolist() == [1]


def test_an_early_node_waits_for_all_its_uses():
    x = leaf([2.0])
    y = x**2  # used at depth 1 and, along a longer path, at depth 4
    z = ((y + 1) * 3).exp().log() + y
    z.backward()
    np.testing.assert_allclose(x.grad.numpy(), [16], rtol=1e-14)


def test_deep_graphs_need_no_recursion():
    x = leaf([1.0])
    y = x
    depth = 5000
    assert depth > sys.getrecursionlimit()
    for _ in range(depth):
        y = y + 1
    y.backward()
    assert x.grad.tolist() == [1]


@pytest.mark.slow
def test_a_deep_graph_that_is_never_run_is_freed():
    x = leaf([1.0])
    y = x
    for _ in range(50_000):
        y = y + 1
    start = weakref.ref(x)
    del x, y
    gc.collect()
    assert start() is None


def test_gradients_accumulate_until_zero_grad():
    x = leaf()
    assert x.grad is None
    for passes in (1, 2, 3):
        (x * 2).sum().backward()
        assert x.grad.tolist() == [2 * passes] * 3
    x.zero_grad()
    assert x.grad is None
    (x * 5).sum().backward()
    assert x.grad.tolist() == [5] * 3
    x.grad = None
    assert x.grad is None
    with pytest.raises(ArgumentError, match="grad can only be set to None"):
        x.grad = gg.tensor([1.0])


def test_the_gradient_given_is_not_changed():
    x, start = leaf(), gg.tensor(np.ones(3))
    for _ in range(2):
        (x + 0).backward(start)
        x.backward(start)
    assert start.tolist() == [1, 1, 1]
    assert x.grad.tolist() == [4, 4, 4]


def test_constants_get_no_gradient():
    x, c = leaf(), gg.tensor(np.ones(3))
    y = x * c
    y.sum().backward()
    assert c.grad is None
    assert not (c * 2).requires_grad


def test_gradient_argument():
    x = leaf()
    (x * x).backward(gg.tensor(np.array([1.0, 0.0, 10.0])))
    assert x.grad.tolist() == [2, 0, 60]
    x.zero_grad()
    (x * x).backward(gg.tensor([1.0, 1.0, 1.0]))  # float32 for float64: converted
    assert x.grad.dtype == np.float64
    with pytest.raises(GraphError, match=r"gradient has shape \(2,\), expected \(3,\)"):
        (x * x).backward(gg.tensor([1.0, 1.0]))


def test_backward_of_one_element_in_any_shape():
    x = leaf([[3.0]])
    (x * x).backward()
    assert x.grad.tolist() == [[6]]
    x = leaf(2.0)
    x.backward()
    assert x.grad.item() == 1


def test_backward_needs_a_scalar():
    with pytest.raises(
        GraphError, match=r"shape \(3,\): only a scalar has an implied gradient, so reduce it with .sum\(\)"
    ):
        leaf().backward()


def test_backward_of_a_constant():
    with pytest.raises(GraphError, match="requires no gradient: set requires_grad=True on its inputs"):
        gg.tensor([1.0]).sum().backward()


def test_retain_grad():
    x = leaf()
    y = x * 2
    z = y * 3
    y.retain_grad()
    (z + y).sum().backward()
    assert y.grad.tolist() == [4, 4, 4]
    assert z.grad is None
    with pytest.raises(GraphError, match=r"retain_grad\(\) of a tensor that requires no gradient"):
        x.detach().retain_grad()


def test_requires_grad_can_be_taken_back_on_a_leaf_only():
    x = leaf()
    y = x * 2
    with pytest.raises(GraphError, match=r"only a leaf can stop requiring a gradient: use detach\(\)"):
        y.requires_grad = False
    x.requires_grad = False
    assert not (x * 2).requires_grad


# ---- off the tape ----


def test_no_grad_as_block_and_as_decorator():
    x = leaf()
    with gg.no_grad():
        y = x * 2
        with gg.no_grad():
            pass
        assert not (x * 2).requires_grad  # leaving the inner block does not end the outer one
    assert not y.requires_grad
    assert y.is_leaf

    @gg.no_grad()
    def double(x):
        return x * 2

    assert not double(x).requires_grad
    assert not double(x).requires_grad
    assert (x * 2).requires_grad


def test_no_grad_ends_with_an_exception():
    with pytest.raises(RuntimeError, match="inside"), gg.no_grad():
        raise RuntimeError("inside")
    assert (leaf() * 2).requires_grad


def test_detach_shares_memory_and_cuts_the_graph():
    x = leaf()
    y = x.detach()
    assert not y.requires_grad
    (x * y).sum().backward()
    assert x.grad.tolist() == [1, 2, 3]
    y[0] = 7
    assert x.tolist() == [7, 2, 3]


# ---- several passes over one graph ----


def test_a_second_pass_needs_retain_graph():
    x = leaf()
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [4, 8, 12]
    with pytest.raises(
        GraphError, match=r"freed by an earlier backward\(\).*again, or call backward\(retain_graph=True\)"
    ):
        y.backward()
    assert x.grad.tolist() == [4, 8, 12]


def test_a_freed_part_of_another_graph():
    x = leaf()
    shared = x * x
    shared.sum().backward()
    with pytest.raises(GraphError, match="the graph behind multiply was freed"):
        (shared + 1).sum().backward()
    assert x.grad.tolist() == [2, 4, 6]  # nothing was added before the error


def test_backward_frees_what_it_saved():
    """Arrays that an operation keeps for its gradient are freed with the pass, even while its result exists."""
    x, w = leaf([[1.0, 2.0]]), leaf([[3.0], [4.0]])
    h = x * 2
    saved = weakref.ref(h.data)
    y = gg.functional.dense(h, w, activation="gelu")
    loss = y.sum()
    del h
    assert saved() is not None
    loss.backward(retain_graph=True)
    assert saved() is not None
    loss.backward()
    assert saved() is None
    assert y.shape == (1, 1)


def test_a_graph_that_is_dropped_is_freed_without_the_collector():
    x = leaf()
    gc.disable()
    try:
        h = x.exp()
        y = gg.softmax(h).max() + gg.relu(h).sum()
        watched = [weakref.ref(h), weakref.ref(h.data), weakref.ref(y)]
        del h, y
        assert [w() for w in watched] == [None, None, None]
    finally:
        gc.enable()


# ---- changes in place ----


def test_setitem():
    x = gg.tensor(np.zeros((2, 3)))
    x[0] = 1
    x[1, :2] = gg.tensor([5, 6])
    x[gg.tensor([1]), 2] = np.array([7.0])
    assert x.tolist() == [[1, 1, 1], [5, 6, 7]]
    x[x > 5] = 0
    assert x.tolist() == [[1, 1, 1], [5, 0, 0]]
    x[0] = [2, 3, 4]
    assert x.tolist()[0] == [2, 3, 4]


def test_a_tensor_on_the_tape_is_changed_under_no_grad_only():
    x = leaf()
    for tensor in (x, x * 2):
        with pytest.raises(GraphError, match=r"cannot be changed in place: do it under no_grad\(\)"):
            tensor[0] = 1
    with gg.no_grad():
        x[0] = 9
    assert x.tolist() == [9, 2, 3]


def test_a_value_written_in_place_keeps_no_gradient():
    x, target = leaf(), gg.tensor(np.zeros(3))
    with pytest.raises(GraphError, match=r"would lose the gradient that it requires: detach\(\) it first"):
        target[:] = x * 2
    target[:] = (x * 2).detach()
    assert target.tolist() == [2, 4, 6]


def change(tensor):
    with gg.no_grad():
        tensor[0] = 5.0


USES = {
    "multiply": lambda x: x * gg.tensor(np.ones(3), requires_grad=True),
    "divide": lambda x: 1 / x,
    "power": lambda x: x**2,
    "exp": gg.exp,
    "log": gg.log,
    "sqrt": gg.sqrt,
    "sin": gg.sin,
    "clip": lambda x: x.clip(0, 2),
    "maximum": lambda x: gg.maximum(x, 2),
    "max": lambda x: x.max(),
    "matmul": lambda x: x @ x,
    "gelu": gg.functional.gelu,
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
@pytest.mark.parametrize("way", ["itself", "detached", "a view", "a view of a view"])
def test_a_saved_input_that_changed(use, way):
    x = leaf()
    y = use(x).sum()
    change(
        {"itself": x, "detached": x.detach(), "a view": x.reshape(3, 1), "a view of a view": x.detach().reshape(-1)}[
            way
        ]
    )
    with pytest.raises(
        GraphError, match=r"an array of shape .* needs for its gradient was changed in place .*run the forward"
    ):
        y.backward()
    assert x.grad is None


@pytest.mark.parametrize(
    "use",
    [gg.exp, gg.sqrt, gg.tanh, gg.sigmoid, gg.relu, gg.softmax, gg.log_softmax, lambda x: 2 / x],
    ids=["exp", "sqrt", "tanh", "sigmoid", "relu", "softmax", "log_softmax", "divide"],
)
def test_a_saved_result_that_changed(use):
    y = use(leaf())
    change(y)
    with pytest.raises(GraphError, match="changed in place"):
        y.sum().backward()


def test_a_saved_index_or_condition_that_changed():
    for use in (lambda x, i: x[i], lambda x, i: gg.where(i, x, 0)):
        x, i = leaf(), gg.tensor(np.array([0, 1, 1]))
        y = use(x, i).sum()
        i[0] = 2
        with pytest.raises(GraphError, match="changed in place"):
            y.backward()


@pytest.mark.parametrize(
    "use", [lambda x: x + 1, lambda x: 3 - x, lambda x: -x, lambda x: x.sum(), lambda x: x.mean(), lambda x: x[1:],
            lambda x: x.reshape(3, 1), lambda x: x.T, lambda x: gg.concatenate([x, x]), lambda x: x.astype(np.float32)]
)  # fmt: skip
def test_what_is_not_saved_may_change(use):
    x = leaf()
    y = use(x).sum()
    change(x)
    y.backward()
    unchanged = leaf()
    use(unchanged).sum().backward()
    assert x.grad.tolist() == unchanged.grad.tolist()


def test_a_change_after_the_pass_is_fine():
    x = leaf()
    for _ in range(3):  # gradient descent
        (x * x).sum().backward()
        with gg.no_grad():
            x[:] = x - 0.5 * x.grad
        x.zero_grad()
    assert x.tolist() == [0, 0, 0]


def test_a_number_is_formatted_and_rounded_like_one():
    loss = gg.tensor(0.123456)
    assert f"{loss:.3f}" == "0.123"
    assert round(loss, 2) == 0.12
    assert f"{gg.tensor([1.0, 2.0])}" == "tensor([1., 2.])"
    with pytest.raises(ArgumentError, match=r"item\(\) takes a tensor with one element"):
        f"{gg.tensor([1.0, 2.0]):.3f}"


def test_the_truth_of_several_elements_is_ambiguous():
    assert gg.tensor(1.0)
    with pytest.raises(ArgumentError, match=r"truth value of a tensor of shape \(2,\) is ambiguous.*reduce it"):
        bool(gg.tensor([1.0, 2.0]))


@pytest.mark.parametrize("other", [None, "text", b"text"])
def test_a_tensor_equals_nothing_that_is_no_number(other):
    x = gg.tensor([1.0, 2.0], device="cpu")
    assert ((x == other), (other == x), (x != other), (other != x)) == (False, False, True, True)
    assert x in [None, x]
