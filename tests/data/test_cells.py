"""Columns of text: numbers as people write them are numbers, and a typing error among them is named."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpugrad.data.cells import Cells, as_numbers, as_text
from gpugrad.errors import DataError


def column(*cells):
    return Cells.of("a", np.array(cells, object))


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["1", "-2.5", " 3e2 ", "+4"], [1, -2.5, 300, 4]),
        (["$1.23", "-$4", "$-5", "6", "$ 7"], [1.23, -4, -5, 6, 7]),
        (["1,23 €", "4 €", "€5"], [1.23, 4, 5]),
        (["£1,234.50", "£99"], [1234.5, 99]),
        (["12.5%", "7 %", "-100%", "0.5"], [0.125, 0.07, -1, 0.5]),
        (["12,5\u00a0%", "0,1%"], [0.125, 0.001]),
        (["−1.5", "2", "–3"], [-1.5, 2, -3]),
        (["1,5", "0,25", "-3"], [1.5, 0.25, -3]),
        (["1.234,5", "1.234"], [1234.5, 1234]),
        (["1,234.5", "1,234"], [1234.5, 1234]),
        (["1,234,567", "1,234", "5"], [1234567, 1234, 5]),
        (["0,850", "1,234"], [0.85, 1.234]),
        (["1'234.5", "12’000"], [1234.5, 12000]),
        (["1 234,5", "1\u202f234"], [1234.5, 1234]),
        (["$1.234", "$5.678"], [1.234, 5.678]),
        ([".5", "5."], [0.5, 5]),
    ],
)
def test_numbers_as_people_write_them(cells, numbers):
    found = column(*cells).numbers()
    assert found.dtype == np.float64
    assert found.tolist() == numbers


@pytest.mark.parametrize(
    "cells",
    [
        ["1", "x"],
        ["1_000"],
        ["1,23,456", "1"],
        ["1.2.3"],
        ["1,5", "1.5"],
        ["--5"],
        ["$"],
        ["-"],
        ["2024-01-05"],
        ["10-20"],
        ["5 kg"],
        ["12:30"],
        ["1 2"],
        ["5%%"],
        ["A1"],
    ],
)
def test_what_is_text(cells):
    assert column(*cells).numbers() is None


@settings(max_examples=100, deadline=None)
@given(
    values=st.lists(st.decimals(-(10**9), 10**9, places=2), min_size=1, max_size=8),
    mark=st.sampled_from([".,", ",.", ".'", ", ", ". "]),
    before=st.sampled_from(["", "$", "€ "]),
    after=st.sampled_from(["", "%", " €"]),
)
def test_a_number_written_with_groups_and_signs_is_itself(values, mark, before, after):
    point, group = mark
    table = str.maketrans({".": point, ",": group, "-": "−"})
    cells = [f"{'-' * (value < 0)}{before}{abs(value):,.2f}".translate(table) + after for value in values]
    if before and after == " €":
        cells = [cell.removesuffix(after) for cell in cells]
    expected = [float(value / 100 if after == "%" else value) for value in values]
    np.testing.assert_array_equal(column(*cells).numbers(), expected)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            ["1", "1,234"],
            "column 'a' has '1,234' in data row 2, which may be 1234 or 1.234: write these numbers without",
        ),
        (["1.234", "5,678"], "column 'a' has '5,678' in data row 2, which may be 5678 or 5.678"),
        (["$1", "2", "€3"], "column 'a' has '€3' in data row 3: expected one currency"),
    ],
)
def test_numbers_that_mean_two_things_are_refused(cells, message):
    with pytest.raises(DataError, match=message):
        column(*cells).numbers()


TEN = [f"{i}.5" for i in range(10)]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([*TEN, "o3"], "column 'a' has 'o3' in data row 11: expected a number, as in 10 of 11 rows"),
        ([*TEN[:5], "n.a.", *TEN[5:]], "'n.a.' in data row 6: expected a number"),
        (["0", "1"] * 20 + ["o"] + ["1"] * 5, "'o' in data row 41: expected a number, as in 45 of 46 rows"),
        ([*TEN, *["unknown"] * 90], "'unknown' in data row 11: expected a number, as in 10 of 100 rows"),
        ([f"${x}" for x in TEN] + ["free"], "'free' in data row 11"),
        ([*(f"{i},5" for i in range(10)), "1.5"], "'1.5' in data row 11"),
        (["1", "NA", "2", "?"], "column 'a' has no value in data row 2"),
        (["$1", "nan"], "column 'a' has no value in data row 2"),
        (["$1", "$2"], r"column 'a' has '\$1' in data row 1, a number as text: write the column as numbers"),
    ],
)
def test_text_that_was_meant_as_numbers_is_refused(cells, message):
    with pytest.raises(DataError, match=message) as error:
        column(*cells).refuse_numbers()
    assert len(str(error.value)) < 200


@pytest.mark.parametrize(
    "cells",
    [
        [*TEN[:9], "o3"],  # nine numbers
        [*TEN, "p", "q"],  # two others in twelve
        ["2", "3", "4", "5more"] * 9,
        ["NA", "yes"],
        ["01", "02"] * 9,  # digits that a file with types holds as text
    ],
)
def test_text_that_may_be_categories_passes(cells):
    column(*cells).refuse_numbers()


def test_without_a_remedy_only_missing_values_are_refused():
    column(*TEN, "o3").refuse_numbers(None)
    with pytest.raises(DataError, match="no value in data row 11"):
        column(*TEN, "NA").refuse_numbers(None)


def test_booleans_have_one_spelling():
    assert column("TRUE", " true", "False", "FALSE ", "Truer").texts().tolist() == [
        *("True", "True", "False", "False", "Truer")
    ]
    assert as_text(np.array(["true", "x"])).tolist() == ["True", "x"]
    assert as_text(np.array([True, False])).tolist() == ["True", "False"]


def test_rows_are_those_of_the_first_such_cell():
    cells = column("x", "1", "", "x", "")
    with pytest.raises(DataError, match="no value in data row 3"):
        cells.texts()
    assert column("1", "x", "y").first_text() == (1, "x")
    assert as_numbers("a", np.array(["1", "x"], object)) is None
