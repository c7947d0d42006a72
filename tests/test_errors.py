"""How messages quote what others wrote: short, on one line, without control characters."""

import numpy as np
import pytest

from gpugrad import MLPRegressor, nn
from gpugrad.errors import a_or_an, counted, reason, shown


def test_the_reason_of_an_error_is_one_short_line():
    assert reason(ValueError("\n bad magic.\nTry again.")) == "bad magic"
    assert reason(KeyError()) == "KeyError"
    assert reason("\x1b[31mred\x07") == "?[31mred?"
    assert len(reason("x" * 1000)) == 120


def test_a_long_text_is_shown_without_its_middle():
    assert shown("it's") == '"it\'s"'
    assert shown("a\nb\x1b") == r"'a\nb\x1b'"
    long = shown("begin" + "x" * 1000 + "end")
    assert (long[:6], long[-4:], len(long)) == ("'begin", "end'", 60)


def test_a_number_has_its_noun_in_the_right_form():
    assert [counted(n, "row") for n in (0, 1, 2)] == ["0 rows", "1 row", "2 rows"]
    assert [counted(n, "class", "classes") for n in (1, 10)] == ["1 class", "10 classes"]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (list, "a list"),
        (object, "an object"),
        (np.ndarray, "an ndarray"),
        (nn.MLP, "an MLP"),
        (MLPRegressor, "an MLPRegressor"),
        (nn.MSELoss, "an MSELoss"),
        (nn.L1Loss, "an L1Loss"),
        (nn.ReLU, "a ReLU"),
        (type("Unknown", (), {}), "an Unknown"),
        (type("UserDict", (), {}), "a UserDict"),
        (type("OneHotEncoder", (), {}), "a OneHotEncoder"),
    ],
)
def test_a_type_has_the_article_that_it_is_read_with(kind, words):
    assert a_or_an(kind) == words
