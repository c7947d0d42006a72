"""Dark pictures: everything that is drawn is read on dark paper, and data keep their colours."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from gpugrad.errors import ArgumentError
from gpugrad.lab.view import BLACK, BLUE, COLOURS, DEEP
from gpugrad.training import plots
from gpugrad.training.history import History
from gpugrad.training.theme import apply_theme, dark, theme

pytest.importorskip("matplotlib")

from matplotlib.colors import to_hex, to_rgb
from matplotlib.text import Text

RECORDS = [
    {"epoch": i, "steps": 9, "train_loss": 1 / i, "lr": 0.1, "validation_loss": 1 / i, "validation_accuracy": 0.7}
    for i in range(1, 4)
]


def luminance(colour):
    """Return the relative luminance of WCAG 2."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(a, b):
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


PAPER = to_hex(dark("white"))


def texts(figure):
    figure.draw_without_rendering()
    return [text for text in figure.findobj(Text) if text.get_text()]


@pytest.mark.parametrize(
    "draw", [lambda: plots.plot_history(History(RECORDS)), lambda: plots.plot_confusion(np.eye(4), "abcd")]
)
def test_words_are_read_on_both_papers(draw):
    light = draw()
    with theme("dark"):
        figure = draw()
    assert to_hex(figure.get_facecolor()) == PAPER
    assert [text.get_text() for text in texts(figure)] == [text.get_text() for text in texts(light)]
    for text in texts(figure):
        if text.axes is None or text not in text.axes.texts:  # not a count on its own square
            assert contrast(text.get_color(), PAPER) > 10, text
    for text in texts(light):
        if text.axes is None or text not in text.axes.texts:
            assert contrast(text.get_color(), "white") > 10, text


def test_a_count_is_read_on_its_square():
    with theme("dark"):
        axes = plots.plot_confusion(np.array([[9, 1], [4, 6]]), "ab").axes[0]
    image = axes.images[0]
    colours = image.cmap(image.norm(image.get_array()))
    for text in axes.texts:
        column, row = (round(number) for number in text.get_position())
        assert contrast(text.get_color(), colours[row, column]) > 4.5, text.get_text()


def test_lines_have_contrast_on_both_papers_and_stay_different():
    for colour in COLOURS:
        assert contrast(dark(colour), PAPER) > 4, colour
    assert [to_hex(dark(colour)).upper() for colour in COLOURS if colour not in (BLACK, BLUE)] == [
        colour for colour in COLOURS if colour not in (BLACK, BLUE)
    ]
    below = dark(DEEP)  # the deepest of the contours under the lines
    assert min(contrast(dark(colour), below) for colour in COLOURS) > 2.4
    assert contrast(dark(BLACK), PAPER) > 15
    for one, other in itertools.combinations(COLOURS, 2):
        assert np.abs(dark(one) - dark(other)).max() > 0.15, (one, other)


def test_a_figure_is_recoloured_once_with_its_ticks_and_only_in_the_block():
    from matplotlib.figure import Figure

    figure = Figure()
    axes = figure.subplots()
    axes.plot([1, 2], color="black")
    axes.grid(alpha=0.3)
    apply_theme(figure)
    assert axes.lines[0].get_color() == "black"
    with theme("dark"), theme("light"):
        apply_theme(figure)
    assert axes.lines[0].get_color() == "black"
    with theme("dark"):
        for _ in range(2):
            apply_theme(figure)
            assert luminance(axes.lines[0].get_color()) > 0.8
    axes.plot([0, 1000], [0, 1000], color="black")
    figure.draw_without_rendering()  # makes more ticks
    assert all(contrast(label.get_color(), PAPER) > 10 for label in (*axes.get_xticklabels(), *axes.get_yticklabels()))
    assert {line.get_alpha() for line in axes.get_xgridlines()} == {0.3}


def test_another_theme_is_refused():
    with pytest.raises(ArgumentError, match="did you mean 'dark'"), theme("darc"):
        pass
