"""Usable data are accepted in every form; other data are refused with a reason."""

from __future__ import annotations

import numpy as np
import pytest

from gpugrad.errors import ArgumentError, DataError
from gpugrad.training.checks import check_features, check_labels, check_targets, check_weights, class_weights


class Table:
    """Convert to an array on request, as pandas does."""

    def __init__(self, values):
        self.values = np.asarray(values)

    def __array__(self, dtype=None, copy=None):
        return self.values if dtype is None else self.values.astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32", "float64"])
def test_stored_dtypes_are_kept_without_a_copy(dtype):
    x = np.ones((3, 2), dtype)
    assert check_features(x) is x


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "uint16", "bool", ">f4", "longdouble"])
def test_other_numbers_are_converted(dtype):
    x = check_features(np.array([[0, 1], [1, 0]], dtype))
    assert x.dtype in (np.float32, np.float64)
    assert x.dtype.isnative
    assert x.tolist() == [[0, 1], [1, 0]]


def test_lists_tables_and_strided_arrays():
    assert check_features([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
    assert check_features(Table([[1.0, 2.0]])).tolist() == [[1, 2]]
    strided = check_features(np.arange(12.0).reshape(3, 4)[:, ::2])
    assert strided.flags.c_contiguous
    assert strided.tolist() == [[0, 2], [4, 6], [8, 10]]


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((0, 2)), "at least one row and one feature"),
        (np.zeros((2, 0)), "at least one row and one feature"),
        (np.zeros(3), r"shape \(3,\), expected \(rows, features\)"),
        (np.zeros((2, 2, 2)), "flatten or reshape"),
        (np.array([["a"]]), "dtype <U1, expected numbers"),
        (np.array([[1j]]), "complex128, expected numbers"),
        (np.array([[None, 1.0]], object), "dtype object"),
        ([[1.0, np.nan]], r"holds nan at \(0, 1\)"),
        ([[1.0], [np.inf]], r"holds inf at \(1, 0\)"),
        ([[1.0, 2.0], [3.0]], "equally long"),
    ],
)
def test_features_that_are_refused(x, message):
    with pytest.raises(DataError, match=message):
        check_features(x)


@pytest.mark.parametrize("dtype", ["int64", "int8", "uint8", "uint64", "int32"])
def test_labels_of_any_integer_type(dtype):
    y = check_labels(np.array([0, 2, 1], dtype), 3, 3)
    assert y.dtype == np.int32
    assert y.tolist() == [0, 2, 1]


def test_labels_of_other_forms():
    assert check_labels([True, False], 2, 2).tolist() == [1, 0]
    assert check_labels([[1], [0]], 2, 2).tolist() == [1, 0]
    assert check_labels(Table([1, 0]), 2, 2).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0, 1], r"y has shape \(2,\), expected \(3,\)"),
        ([0, 1, 3], r"label 3 in row 2, expected 0 … 2"),
        ([0, -1, 3], "label -1 in row 1"),
        (np.array([0, 1, 2**63], np.uint64), f"label {2**63} in row 2"),
        (
            [0.0, 1.0, 2.0],
            "float64, expected integer class labels: encode them as 0 … 2, or pass loss='mse' for numbers",
        ),
        ([[0, 1]] * 3, "shape"),
    ],
)
def test_labels_that_are_refused(y, message):
    with pytest.raises(DataError, match=message):
        check_labels(y, 3, 3)


def test_targets():
    assert check_targets([1, 2, 3], 3, 1).tolist() == [[1], [2], [3]]
    assert check_targets([1, 2, 3], 3, 1).dtype == np.float32
    assert check_targets(np.zeros((3, 2)), 3, 2).dtype == np.float64
    for y, message in (
        ([1.0, 2.0], "one row per row of x, one column per model output"),
        ([[1.0, 2.0]] * 3, r"expected \(3, 1\)"),
        (["1", "2", "3"], "numbers"),
        ([0.0, np.nan, 1.0], r"nan at \(1, 0\)"),
    ):
        with pytest.raises(DataError, match=message):
            check_targets(y, 3, 1)


def test_weights():
    assert check_weights([1, 0], 2).tolist() == [1, 0]
    for weight, message in (
        ([1.0], r"shape \(1,\), expected \(2,\): one weight per row of x"),
        ([1.0, -1.0], "no negative"),
        ([0.0, 0.0], "at least one positive"),
        ([1.0, np.nan], "finite"),
        (["a", "b"], "expected numbers"),
        ([[1.0], [2.0]], "shape"),
    ):
        with pytest.raises(DataError, match=message):
            check_weights(weight, 2)


def test_class_weights():
    labels = np.array([0, 0, 0, 1, 2, 2], np.int32)
    np.testing.assert_allclose(class_weights("balanced", labels, 3), [2 / 3] * 3 + [2] + [1] * 2)
    np.testing.assert_array_equal(class_weights({1: 4.0}, labels, 3), [1, 1, 1, 4, 1, 1])
    np.testing.assert_array_equal(class_weights({np.int64(1): 4.0}, labels, 3), [1, 1, 1, 4, 1, 1])
    np.testing.assert_array_equal(class_weights([1, 2, 3], labels, 3), [1, 1, 1, 2, 3, 3])
    assert class_weights("balanced", labels, 4).shape == (6,)  # a class without rows
    for weight, message in (
        ("even", "expected 'balanced'"),
        ({3: 1.0}, "names the class 3"),
        ({"a": 1.0, 7: 2.0}, "names the class 'a'"),
        ([1.0, 2.0], r"class_weight has shape \(2,\), expected \(3,\)"),
        ({0: -1.0}, "no negative"),
    ):
        with pytest.raises((ArgumentError, DataError), match=message):
            class_weights(weight, labels, 3)


def test_labels_of_a_model_with_one_output():
    with pytest.raises(DataError, match=r"holds the label 2 in row 1 and the model has one output.*loss='bce'"):
        check_labels([0, 2], 2, 1)


def test_the_shape_in_a_message_is_the_one_given():
    with pytest.raises(DataError, match=r"y has shape \(5,\), expected \(5, 3\)"):
        check_targets(np.ones(5), 5, 3)


@pytest.mark.parametrize("value", [1e300, -1e39, np.longdouble(3.5e38)])
def test_numbers_beyond_the_dtype_of_the_model_are_refused(value):
    x = np.ones((4, 3), np.longdouble)
    x[2, 1] = value
    assert check_features(x)[2, 1] == np.float64(value)
    with pytest.raises(
        DataError, match=r"x holds .* at \(2, 1\), expected numbers up to 3.4e\+38, the largest of float32"
    ):
        check_features(x, dtype=np.float32)
    with pytest.raises(DataError, match=r"y holds .* at \(2, 1\), expected numbers up to 3.4e\+38"):
        check_targets(x.astype(np.float64), 4, 3, dtype=np.float32)
    largest = float(np.finfo(np.float32).max)
    assert check_features(np.full((2, 2), largest), dtype=np.float32).dtype == np.float64


@pytest.mark.parametrize(
    ("within", "good", "bad"),
    [((0.0, 1.0), [0, 0.3, 1], [-1, 2, -0.001]), ((0.0, np.inf), [0, 7.5, 1e9], [-1, -1e-9])],
)
def test_targets_outside_the_range_of_a_loss_are_refused(within, good, bad):
    assert check_targets(np.array(good, np.float32), len(good), 1, within=within).shape == (len(good), 1)
    for value in bad:
        with pytest.raises(DataError, match=r"y holds .* in row 1, expected targets in \[0, (1|inf)\] for this loss"):
            check_targets(np.array([0.5, value]), 2, 1, within=within)
