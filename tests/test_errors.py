"""How messages quote what others wrote: short, on one line, without control characters."""

from gpugrad.errors import reason, shown


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
