import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpugrad import kernels
from gpugrad.errors import ArgumentError
from gpugrad.kernels.gather import DATA

each_toolchain = pytest.mark.parametrize("toolchain", ["reference", "numba_cpu"])


def gathered(toolchain, data, rows, dtype=np.float32, **scalars):
    fill = np.nan if np.dtype(dtype).kind == "f" else -1
    out = np.full((len(rows), *data.shape[1:]), fill, dtype)
    kernels.load(toolchain).gather(data, np.asarray(rows, np.int32), out, **scalars)
    return out


@each_toolchain
@settings(max_examples=100, deadline=None)
@given(
    dtype=st.sampled_from(DATA),
    out_dtype=st.sampled_from([np.float32, np.float64]),
    shape=st.tuples(st.integers(1, 9)) | st.tuples(*[st.integers(1, 9)] * 2) | st.tuples(*[st.integers(1, 5)] * 3),
    scale=st.sampled_from([1.0, -1.0, 1 / 255]),
    seed=st.integers(0, 2**32),
    batch=st.integers(0, 12),
)
def test_each_row_is_cast_and_then_scaled(toolchain, dtype, out_dtype, shape, scale, seed, batch):
    rng = np.random.default_rng(seed)
    data = (rng.integers(0, 256, shape) if dtype.kind in "ui" else rng.normal(size=shape)).astype(dtype)
    rows = rng.integers(0, shape[0], batch)
    out = gathered(toolchain, data, rows, out_dtype, scale=scale)
    assert out.shape == (batch, *shape[1:])
    for place, row in enumerate(rows):
        np.testing.assert_array_equal(out[place], data[row].astype(out_dtype) * out_dtype(scale))


@each_toolchain
@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
def test_labels_stay_integers(toolchain, dtype):
    largest = np.iinfo(dtype).max  # 2³¹ − 1 is not a float32
    out = gathered(toolchain, np.array([0, 7, largest], dtype), [2, 0, 1, 2], np.int32)
    assert out.dtype == np.int32
    assert out.tolist() == [largest, 0, 7, largest]


@each_toolchain
@pytest.mark.parametrize("out_dtype", [np.float32, np.float64])
def test_every_half_precision_number_is_read_right(toolchain, out_dtype):
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16).reshape(2, -1)
    out = gathered(toolchain, halves, [1, 0], out_dtype)
    expected = halves[::-1].astype(out_dtype)
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(np.signbit(out), np.signbit(expected))


@each_toolchain
def test_a_double_is_rounded_once(toolchain):
    data = np.array([[0.1, 1e300, -1e-300]])
    assert gathered(toolchain, data, [0], np.float64).tolist() == data.tolist()
    assert gathered(toolchain, data, [0]).tolist() == [[float(np.float32(0.1)), np.inf, 0]]


@each_toolchain
def test_indices_outside_the_data_read_its_ends(toolchain):
    data = np.arange(12, dtype=np.float32).reshape(4, 3)
    out = gathered(toolchain, data, [-1, 4, -(2**31), 2**31 - 1])
    np.testing.assert_array_equal(out, data[[0, 3, 0, 3]])


@each_toolchain
def test_rows_without_columns(toolchain):
    assert gathered(toolchain, np.empty((3, 0), np.uint8), [1, 2]).shape == (2, 0)


@each_toolchain
@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 50), batch=st.integers(1, 20), seed=st.integers(0, 2**32))
def test_an_epoch_visits_every_row_once(toolchain, n, batch, seed):
    launchers = kernels.load(toolchain)
    order = np.random.default_rng(seed).permutation(n).astype(np.int32)
    cursor, seen = np.zeros(1, np.int32), []
    for start in range(0, n, batch):
        rows = np.full(min(batch, n - start), -1, np.int32)  # the last minibatch is smaller
        launchers.next_rows(order, cursor, rows)
        seen += rows.tolist()
    assert seen == order.tolist()
    assert cursor[0] == n


@each_toolchain
def test_positions_past_the_end_wrap(toolchain):
    order, cursor, rows = np.array([5, 6, 7], np.int32), np.array([2], np.int32), np.empty(8, np.int32)
    kernels.load(toolchain).next_rows(order, cursor, rows)
    assert rows.tolist() == [7, 5, 6, 7, 5, 6, 7, 5]
    assert cursor[0] == 10


@each_toolchain
def test_positions_near_the_largest_cursor(toolchain):
    order, cursor, rows = np.arange(10, dtype=np.int32), np.array([2**31 - 2], np.int32), np.empty(1, np.int32)
    kernels.load(toolchain).next_rows(order, cursor, rows)
    assert rows[0] == (2**31 - 2) % 10


@pytest.mark.parametrize(
    ("change", "scale", "message"),
    [
        ({"data": np.ones((4, 3), np.int64)}, 1.0, "data has dtype int64"),
        ({"data": np.ones((3, 4), np.float32).T}, 1.0, "data is not C-contiguous"),
        ({"data": np.ones((0, 3), np.float32)}, 1.0, "data has no rows"),
        ({"data": np.ones((), np.float32)}, 1.0, r"data has shape \(\)"),
        ({"rows": np.zeros(2, np.int64)}, 1.0, "rows has dtype int64, expected int32"),
        ({"rows": np.zeros((2, 1), np.int32)}, 1.0, "rows has shape"),
        ({"out": np.ones((2, 4), np.float32)}, 1.0, r"out has shape \(2, 4\), expected \(2, 3\)"),
        ({"out": np.ones((2, 3), np.float16)}, 1.0, "out has dtype float16"),
        ({"out": np.ones((2, 3), np.int32)}, 1.0, "out has dtype int32 with data of float32"),
        ({"out": np.ones((2, 3), np.int32), "data": np.ones((4, 3), np.uint8)}, 0.5, "expected integers and scale 1"),
        ({}, np.inf, "scale is inf"),
        ({}, np.nan, "scale is nan"),
    ],
)
def test_bad_arguments_are_refused(change, scale, message):
    arrays = {
        "data": np.ones((4, 3), np.float32),
        "rows": np.zeros(2, np.int32),
        "out": np.ones((2, 3), np.float32),
    }
    with pytest.raises(ArgumentError, match=message):
        kernels.load("reference").gather(*{**arrays, **change}.values(), scale=scale)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"order": np.empty(0, np.int32)}, "order is empty"),
        ({"order": np.zeros(3, np.int64)}, "order has dtype int64"),
        ({"cursor": np.zeros(2, np.int32)}, "cursor has shape"),
        ({"rows": np.zeros(2, np.float32)}, "rows has dtype float32"),
    ],
)
def test_bad_arguments_of_next_rows_are_refused(change, message):
    arrays = {"order": np.zeros(3, np.int32), "cursor": np.zeros(1, np.int32), "rows": np.zeros(2, np.int32)}
    with pytest.raises(ArgumentError, match=message):
        kernels.load("reference").next_rows(*{**arrays, **change}.values())
