"""The target column and the split: classes, their indices, and the rows of the test part."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpugrad.data.split import keep_seen, split_rows
from gpugrad.data.target import encode_labels, encode_quantity, encode_target
from gpugrad.errors import ArgumentError, DataError


def text(*values):
    return np.array(values, dtype=object)


@pytest.mark.parametrize(
    ("values", "classes", "y"),
    [
        (text("b", "a", "b"), ("a", "b"), [1, 0, 1]),
        (text("10", "9", "9"), ("9", "10"), [1, 0, 0]),
        (text("1.0", "01", "2"), ("1", "2"), [0, 0, 1]),
        (text("1", "2", "x"), ("1", "2", "x"), [0, 1, 2]),
        (text("1_0", "10"), ("10", "1_0"), [1, 0]),
        (np.array([1.0, -3.0, 1.0]), ("-3", "1"), [1, 0, 1]),
        (np.array([7, 5], np.uint8), ("5", "7"), [1, 0]),
        (np.array([True, False]), ("False", "True"), [1, 0]),
        (np.array([b"no", b"yes"]), ("no", "yes"), [0, 1]),
        (np.arange(20), tuple(map(str, range(20))), list(range(20))),
    ],
)
def test_what_auto_takes_for_classes(values, classes, y):
    target = encode_target("y", values)
    assert (target.task, target.classes, target.y.tolist()) == ("classification", classes, y)
    assert target.y.dtype == np.int32
    np.testing.assert_array_equal(encode_labels("y", values, classes), target.y)


LONG = [2**62, 2**62 + 1, -(2**61)]


@pytest.mark.parametrize(
    "values", [np.array(LONG), text(*map(str, LONG)), text("+" + str(LONG[0]), *map(str, LONG[1:]))]
)
def test_few_long_integers_are_classes_and_exact(values):
    target = encode_target("y", values)
    assert target.classes == tuple(map(str, sorted(LONG)))
    assert target.y.tolist() == [1, 2, 0]
    np.testing.assert_array_equal(encode_labels("y", np.array(LONG), target.classes), target.y)


@pytest.mark.parametrize(
    "values",
    [text("1", "2.5"), np.array([0.5, 1]), np.arange(21), np.array([1e17, 2e17]), np.arange(2**60, 2**60 + 3000, 100)],
)
def test_what_auto_takes_for_a_quantity(values):
    target = encode_target("y", values)
    assert (target.task, target.classes) == ("regression", None)
    assert target.y.dtype == np.float64
    np.testing.assert_array_equal(target.y, values.astype(float))


def test_the_task_can_be_said():
    assert encode_target("y", np.array([1, 2]), "regression").y.tolist() == [1, 2]
    assert encode_target("y", np.arange(30), "classification").classes == tuple(map(str, range(30)))
    assert encode_target("y", np.array([1.5, 0.5]), "classification").classes == ("0.5", "1.5")
    big = text("9007199254740993", "9007199254740992")  # one number in float64
    assert encode_target("y", big, "classification").y.tolist() in ([1, 0], [0, 1])


@pytest.mark.parametrize(
    ("values", "task", "message"),
    [
        (text("a", "a"), "auto", "the target 'y' has one class only, 'a'"),
        (np.array([3, 3]), "auto", "the target 'y' has one class only, '3'"),
        (np.array([2.5, 2.5]), "auto", "the target 'y' is 2.5 in every row"),
        (np.array([3, 3]), "regression", "the target 'y' is 3 in every row"),
        (text("1", "two"), "regression", "the target 'y' has 'two' in data row 2: expected numbers"),
        (np.array([1, np.nan]), "auto", "column 'y' has no value in data row 2"),
        (text("1", "NA"), "auto", "column 'y' has no value in data row 2"),
        (np.array([1, np.inf]), "regression", "column 'y' is infinite in data row 2"),
    ],
)
def test_a_target_that_teaches_nothing_is_refused(values, task, message):
    with pytest.raises(DataError, match=message):
        encode_target("y", values, task)


def test_labels_outside_the_classes_are_named():
    with pytest.raises(DataError, match="has the label '7' in data row 2: expected one of the classes 1, 2"):
        encode_labels("y", np.array([1, 7]), ("1", "2"))
    assert encode_labels("y", text("01", "02"), ("01", "02", "x")).tolist() == [0, 1]
    with pytest.raises(DataError, match="has 'x' in data row 1: expected numbers"):
        encode_quantity("y", text("x"))


def test_a_typing_error_makes_no_classes_of_a_quantity():
    cells = [*(f"{i}.5" for i in range(40)), "o3"]
    message = (
        "column 'y' has 'o3' in data row 41: expected a number, as in 40 of 41 rows.* choose --task classification"
    )
    for task in ("auto", "regression"):
        with pytest.raises(DataError, match=message):
            encode_target("y", text(*cells), task)
    assert len(encode_target("y", text(*cells), "classification").classes) == 41


def test_numbers_with_signs_are_quantities():
    assert encode_target("y", text("$1,234.50", "$2", "$3.25")).y.tolist() == [1234.5, 2, 3.25]
    assert encode_target("y", text("$1", "$2", "$1")).classes == ("$1", "$2")


def test_booleans_in_any_spelling_are_two_classes():
    target = encode_target("y", text("TRUE", "false", "True", "FALSE"))
    assert (target.classes, target.y.tolist()) == (("False", "True"), [1, 0, 1, 0])
    assert encode_labels("y", np.array([True, False]), target.classes).tolist() == [1, 0]
    assert encode_labels("y", text("true"), ("FALSE", "TRUE")).tolist() == [1]  # of an earlier gpugrad


def test_an_unknown_task_is_refused():
    with pytest.raises(ArgumentError, match="did you mean 'classification'"):
        encode_target("y", np.arange(3), "classificator")


@settings(max_examples=100, deadline=None)
@given(
    counts=st.lists(st.integers(2, 9), min_size=2, max_size=6),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**40),
)
def test_every_row_is_in_one_part_and_every_class_in_training(counts, fraction, seed):
    codes = np.repeat(np.arange(len(counts)), counts).astype(np.int32)
    classes = tuple(map(str, range(len(counts))))
    train, test = split_rows(len(codes), codes, classes, test_fraction=fraction, seed=seed)
    train, test, _ = keep_seen(train, test, {"y": codes})
    assert sorted([*train, *test]) == list(range(len(codes)))
    assert len(test)
    assert set(codes[train]) == set(range(len(counts)))
    again = split_rows(len(codes), codes, classes, test_fraction=fraction, seed=seed)
    np.testing.assert_array_equal(keep_seen(*again, {"y": codes})[0], train)


def test_the_split_is_stratified_and_as_large_as_asked():
    codes = np.repeat([0, 1], [80, 20]).astype(np.int32)
    _, test = split_rows(100, codes, ("a", "b"), test_fraction=0.2, seed=3)
    assert np.bincount(codes[test]).tolist() == [16, 4]
    train, test = split_rows(11, None, None, test_fraction=0.2, seed=3)
    assert (len(train), len(test)) == (8, 3)
    assert [len(part) for part in split_rows(2, None, None, test_fraction=0.99, seed=0)] == [1, 1]


def test_too_few_rows_are_refused():
    with pytest.raises(DataError, match="has 1 row: expected at least 2"):
        split_rows(1, None, None, test_fraction=0.2, seed=0)
    with pytest.raises(DataError, match="the class 'rare' has a single row"):
        split_rows(3, np.array([0, 1, 0]), ("often", "rare"), test_fraction=0.2, seed=0)


def test_rows_with_a_new_category_train():
    colour, size = text("r", "g", "r", "b", "r"), text("s", "s", "l", "s", "s")
    train, test, note = keep_seen(np.array([0, 1]), np.array([2, 3, 4]), {"colour": colour, "size": size})
    assert train.tolist() == [0, 1, 2, 3]
    assert test.tolist() == [4]
    assert note == "2 of 3 test rows train instead: they have values in 'colour', 'size' that no other training row has"
    assert keep_seen(np.array([0, 1]), np.array([4]), {"colour": colour, "size": size})[2] is None
    with pytest.raises(DataError, match="every test row has a text in 'colour', 'size' that no training row has"):
        keep_seen(np.array([0, 1]), np.array([2, 3]), {"colour": colour, "size": size})
