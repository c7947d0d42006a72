"""Parameters, and the flat buffers that they become views of."""

import copy
import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gpugrad as gg
from gpugrad.engine.parameter import ALIGNED_ELEMENTS, FlatParameters, Parameter
from gpugrad.errors import ArgumentError, DeviceError, GraphError, RecordingError

OTHER = gg.device("cpu", "numpy")  # a second device that every machine has


def parameters(*shapes, dtype=np.float32):
    rng = np.random.default_rng(0)
    return [Parameter(rng.normal(size=shape).astype(dtype)) for shape in shapes]


def gaps(flat, array):
    """Return the gaps between the parameters in a buffer."""
    inside = np.zeros(array.size, bool)
    for p in flat.parameters:
        start = (p.data.__array_interface__["data"][0] - flat.values.__array_interface__["data"][0]) // p.data.itemsize
        inside[start : start + p.size] = True
    return array[~inside]


def test_dtypes():
    assert Parameter([1.0, 2.0]).dtype == np.float32
    assert Parameter(np.ones(2)).dtype == np.float64
    assert Parameter([1.0]).requires_grad
    assert Parameter([1.0]).is_leaf
    assert not Parameter([1, 2], requires_grad=False).requires_grad
    with pytest.raises(GraphError, match="int64"):
        Parameter([1, 2])


def test_the_values_are_copied():
    source = np.ones(3, np.float32)
    p = Parameter(source)
    source[0] = 5
    assert p.tolist() == [1, 1, 1]


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))])
def test_a_copy_has_the_values_alone(clone):
    (p,) = parameters((2, 3))
    p.to_device(OTHER)
    flat = FlatParameters([[p]])
    p.sum().backward()
    twin = clone(p)
    assert np.array_equal(twin.numpy(), p.numpy())
    assert twin.device is OTHER
    assert twin.requires_grad
    assert twin.grad is None
    assert not np.shares_memory(twin.data, flat.values)


def test_copies_of_shared_parameters_stay_shared():
    (p,) = parameters((2,))
    first, second = copy.deepcopy([p, p])
    assert first is second


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from([(), (1,), (3, 5), (32,), (33,), (7, 1, 2), (0, 4)]), min_size=1), min_size=1))
def test_parameters_become_aligned_views_of_one_buffer(shapes):
    groups = [parameters(*group) for group in shapes]
    before = [p.numpy() for group in groups for p in group]
    flat = FlatParameters(groups)
    base = flat.values.__array_interface__["data"][0]
    for p, old in zip(flat.parameters, before, strict=True):
        assert np.array_equal(p.data, old)
        assert p.shape == old.shape
        assert p.data.flags.c_contiguous
        assert p.size == 0 or np.shares_memory(p.data, flat.values)
        assert p.size == 0 or np.shares_memory(p._grad, flat.gradients)
        assert p.size == 0 or (p.data.__array_interface__["data"][0] - base) % (4 * ALIGNED_ELEMENTS) == 0
        assert p.version is flat.version
    assert not gaps(flat, flat.values).any()
    # The groups cover the buffer, one after the other.
    assert flat.slices[0].start == 0
    assert flat.slices[-1].stop == flat.values.size == flat.gradients.size
    assert all(a.stop == b.start for a, b in itertools.pairwise(flat.slices))
    # download and write are each other's inverse.
    host = flat.download(flat.values)
    assert np.array_equal(host, np.concatenate([old.ravel() for old in before]))
    flat.write(flat.values, host * 2)
    assert all(np.array_equal(p.data, 2 * old) for p, old in zip(flat.parameters, before, strict=True))
    assert not gaps(flat, flat.values).any()


def test_backward_writes_into_the_flat_gradient():
    w, b = parameters((3, 5), (5,))
    flat = FlatParameters([[w, b]])
    x = gg.tensor(np.ones((4, 3), np.float32))
    gg.functional.dense(x, w, b).sum().backward()
    assert np.array_equal(flat.download(flat.gradients), np.full(20, 4, np.float32))
    assert np.shares_memory(w.grad.data, flat.gradients)


def test_a_parameter_twice_in_a_group_counts_once():
    a, b = parameters((3,), (2,))
    assert [id(p) for p in FlatParameters([[a, b, a]]).parameters] == [id(a), id(b)]


def test_what_does_not_fit_together():
    a, b = parameters((3,), (2,))
    with pytest.raises(ArgumentError, match=r"shape \(3,\) is in parameter groups 0 and 1"):
        FlatParameters([[a, b], [a]])
    with pytest.raises(ArgumentError, match=r"parameter 1 of shape \(4,\) has dtype float64, parameter 0 has float32"):
        FlatParameters([[a, *parameters((4,), dtype=np.float64)]])
    with pytest.raises(ArgumentError, match="no parameters"):
        FlatParameters([])
    b.to_device(OTHER)
    with pytest.raises(DeviceError, match=r"parameter 1 of shape \(2,\) is on"):
        FlatParameters([[a, b]])
    with pytest.raises(RecordingError, match="before the step"):
        gg.record(lambda: FlatParameters([[a]]))()


def test_moving_one_parameter_moves_its_companions():
    a, b = parameters((3,), (2,))
    flat = FlatParameters([[a, b]])
    (a.sum() + b.sum()).backward()
    values = flat.download(flat.values)
    a.to_device(OTHER)
    b.to_device(OTHER)  # already there
    assert flat.device is a.device is b.device is OTHER
    assert a.grad is None
    assert b.grad is None
    assert np.array_equal(flat.download(flat.values), values)
    assert np.shares_memory(b.data, flat.values)
    b.sum().backward()
    assert np.shares_memory(b.grad.data, flat.gradients)


def test_moving_a_parameter_alone():
    (p,) = parameters((3,))
    values = p.numpy()
    p.sum().backward()
    p.to_device(OTHER)
    assert p.device is OTHER
    assert p.grad is None
    assert np.array_equal(p.numpy(), values)


def test_a_later_flat_buffer_takes_over():
    a, b, c = parameters((3,), (2,), (4,))
    first = FlatParameters([[a, b, c]])
    (a.sum() + 2 * b.sum()).backward()
    values = [p.numpy() for p in (a, b, c)]
    second = FlatParameters([[a], [b]])
    assert first.stale
    assert not second.stale
    for p, old in zip((a, b, c), values, strict=True):
        assert np.array_equal(p.numpy(), old)
    assert a.grad.tolist() == [1, 1, 1]
    assert b.grad.tolist() == [2, 2]
    assert np.shares_memory(a.grad.data, second.gradients)
    # c, which was left out, has its own memory.
    c.to_device(OTHER)
    assert a.device is not OTHER
    first.to(OTHER)
    assert a.device is not OTHER


def test_a_graph_from_before_the_move_is_refused():
    w, x = parameters((3, 2), (4, 3))
    loss = (x @ w).sum()
    FlatParameters([[w]])
    with pytest.raises(GraphError, match="changed in place"):
        loss.backward()


def test_a_recording_notices_that_its_parameters_moved():
    (w,) = parameters((3, 2))
    x = gg.tensor(np.ones((1, 3), np.float32))
    forward = gg.record(lambda x: x @ w)
    forward(x)
    flat = FlatParameters([[w]])
    flat.write(flat.values, np.ones(6, np.float32))
    assert forward(x).tolist() == [[3, 3]]
    assert forward(x).tolist() == [[3, 3]]
    assert forward.recordings == 2


def test_a_pickle_of_an_earlier_version_holds_names():
    from gpugrad.engine.parameter import _rebuild

    parameter = _rebuild(np.ones(2, np.float32), "cpu", "numpy", False)
    assert parameter.device is gg.device("cpu", "numpy")
    assert not parameter.requires_grad
    assert (parameter.numpy() == 1).all()
