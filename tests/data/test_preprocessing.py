"""Preprocessing: statistics of the fitted rows alone, exact JSON, errors that name column and row."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from gpugrad.data import Preprocessing
from gpugrad.data.preprocessing import MAX_CATEGORIES, mean_and_scale
from gpugrad.errors import DataError


def text(*values):
    return np.array(values, dtype=object)


# Hundredths: scikit-learn treats a spread within rounding as zero, this package only equal numbers.
numbers = hnp.arrays(np.float64, 6, elements=st.integers(-(10**8), 10**8).map(lambda n: n / 100))
any_numbers = hnp.arrays(np.float64, 6, elements=st.floats(-1e300, 1e300))
texts = st.lists(st.sampled_from(["a", "b", "10", "9", "ä", "B"]), min_size=6, max_size=6).map(lambda c: text(*c))
names = st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=4, unique=True)


@st.composite
def tables(draw, numbers=numbers):
    return {name: draw(st.one_of(numbers, texts)) for name in draw(names)}


@settings(max_examples=80, deadline=None)
@given(columns=tables())
def test_features_are_those_of_scikit_learn(columns):
    fitted = Preprocessing.fit(columns)
    x = fitted.transform(columns)
    assert x.dtype == np.float32
    assert x.flags.c_contiguous
    assert x.shape == (6, fitted.n_features) == (6, len(fitted.feature_names))
    start = 0
    for values in columns.values():
        column = values.reshape(-1, 1)
        if values.dtype == object:
            expected = OneHotEncoder(sparse_output=False).fit_transform(column)
        elif values.min() == values.max():
            expected = np.zeros((6, 1))  # centred, with scale 1
        else:
            expected = StandardScaler().fit_transform(column)
        np.testing.assert_allclose(x[:, start : start + expected.shape[1]], expected, rtol=1e-5, atol=1e-5)
        start += expected.shape[1]
    assert start == fitted.n_features


@settings(max_examples=80, deadline=None)
@given(columns=tables(any_numbers), y=any_numbers, labelled=st.booleans())
def test_json_brings_the_same_bits_back(columns, y, labelled):
    fitted = Preprocessing.fit(columns, target="y" if labelled else None, y=y if labelled else None)
    stored = json.loads(json.dumps(fitted.to_json(), allow_nan=False))
    again = Preprocessing.from_json(stored)
    assert again == fitted
    np.testing.assert_array_equal(again.transform(columns), fitted.transform(columns))
    standard = np.linspace(-1, 1, 7)
    assert again.inverse_target(standard).tobytes() == fitted.inverse_target(standard).tobytes()


@settings(max_examples=50, deadline=None)
@given(columns=tables(), factor=st.floats(-100, 100))
def test_statistics_come_from_the_training_part_only(columns, factor):
    fitted = Preprocessing.fit(columns)
    others = {n: v if v.dtype == object else v * factor + 1 for n, v in columns.items()}
    before = fitted.to_json()
    fitted.transform(others)
    assert fitted.to_json() == before
    mixed = {name: np.concatenate([columns[name], others[name]]) for name in columns}
    np.testing.assert_array_equal(fitted.transform(mixed)[:6], fitted.transform(columns))


@settings(max_examples=100, deadline=None)
@given(values=hnp.arrays(np.float64, st.integers(1, 20), elements=st.floats(-1e300, 1e300)))
def test_scale_is_positive_and_finite_at_every_magnitude(values):
    mean, scale = mean_and_scale("a", values)
    assert np.isfinite(mean)
    assert 0 < scale < np.inf
    if values.min() == values.max():
        assert (mean, scale) == (values[0], 1.0)
    elif scale != 1:
        assert np.abs((values - mean) / scale).max() <= np.sqrt(len(values)) * 1.001


def test_a_spread_beyond_float64_is_refused():
    with pytest.raises(DataError, match="column 'a' has numbers too far apart"):
        Preprocessing.fit({"a": np.array([1.7e308, 1.7e308, -1.7e308])})


def test_feature_names_and_order():
    columns = {"age": np.array([1.0, 3.0]), "job": text("b", "a"), "on": np.array([True, False])}
    fitted = Preprocessing.fit(columns, target="y")
    assert fitted.feature_names == ("age", "job=a", "job=b", "on=False", "on=True")
    assert fitted.categorical == ("job", "on")
    expected = np.array([[-1, 0, 1, 0, 1], [1, 1, 0, 1, 0]], np.float32)
    np.testing.assert_array_equal(fitted.transform(columns), expected)
    shuffled = {"y": text("?", "?"), "on": text("True", "False"), "age": columns["age"], "job": columns["job"]}
    np.testing.assert_array_equal(fitted.transform(shuffled), expected)


def test_a_constant_column_is_centred():
    fitted = Preprocessing.fit({"a": np.full(7, 0.1)})  # the computed deviation is not 0
    np.testing.assert_array_equal(fitted.transform({"a": np.array([0.1, 1.1])}), np.array([[0], [1]], np.float32))


def test_the_target_returns_in_its_units():
    y = np.array([2e9, 2e9 + 10, 2e9 + 4])
    fitted = Preprocessing.fit({"a": np.arange(3.0)}, target="when", y=y)
    standard = fitted.transform_target(y)
    assert standard.dtype == np.float32
    assert standard.shape == (3, 1)
    np.testing.assert_allclose([standard.mean(), standard.std()], [0, 1], atol=1e-6)
    np.testing.assert_allclose(fitted.inverse_target(standard)[:, 0], y, rtol=0, atol=1e-5)
    classes = Preprocessing.fit({"a": np.arange(3.0)}, target="y")
    assert (classes.target_mean, classes.target_scale) == (0, 1)


FITTED = Preprocessing.fit({"age": np.array([20.0, 40.0]), "job": text("cook", "nurse")}, target="y")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"age": np.ones(1)}, "lacks the column job: the model was trained on age, job"),
        ({}, "lacks the columns age, job"),
        ({"age": np.ones(1), "job": text("cook"), "id": np.ones(1)}, "has the columns id, which training did not have"),
        ({"age": np.ones(2), "job": text("cook")}, "column 'job' has 1 row: expected 2"),
        (
            {"age": np.ones(2), "job": text("cook", "king")},
            "column 'job' has 'king' in data row 2, which did not occur in training: expected one of cook, nurse",
        ),
        (
            {"age": text("20", "old"), "job": text("cook", "cook")},
            "column 'age' has 'old' in data row 2: expected a number",
        ),
        ({"age": np.array([True]), "job": text("cook")}, "column 'age' has 'True' in data row 1: expected a number"),
        ({"age": text("20", "NA"), "job": text("cook", "cook")}, "column 'age' has no value in data row 2"),
        ({"age": np.array([1, np.nan]), "job": text("cook", "cook")}, "column 'age' has no value in data row 2"),
        ({"age": np.array([np.inf]), "job": text("cook")}, "column 'age' is infinite in data row 1"),
        ({"age": np.array([1.0, 1e300]), "job": text("cook", "cook")}, r"'age' has 1e\+300 in data row 2: .* 30 ± 10"),
    ],
)
def test_what_training_did_not_see_is_named(columns, message):
    with pytest.raises(DataError, match=message):
        FITTED.transform(columns)


def test_a_column_of_identifiers_is_refused():
    ids = text(*(f"id{i}" for i in range(MAX_CATEGORIES + 1)))
    with pytest.raises(DataError, match="column 'a' has 1001 different texts, such as 'id999'"):
        Preprocessing.fit({"a": ids})
    assert Preprocessing.fit({"a": ids[1:]}).n_features == MAX_CATEGORIES


@pytest.mark.parametrize("change", [{"mean": [1.0]}, {"scale": None}, {"mean": ["x", 0]}, {"target_mean": "x"}])
def test_a_damaged_json_is_refused(change):
    with pytest.raises(DataError, match="stored preprocessing is damaged"):
        Preprocessing.from_json(FITTED.to_json() | change)
    for key in FITTED.to_json().keys() - {"forms", "target_form"}:  # which files of earlier versions lack
        stored = FITTED.to_json()
        del stored[key]
        with pytest.raises(DataError, match=f"damaged .*{key}"):
            Preprocessing.from_json(stored)
