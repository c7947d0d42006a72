"""Figures: drawn without a warning for all class names, with nothing cut off."""

from __future__ import annotations

import numpy as np
import pytest

from gpugrad.training import plots
from gpugrad.training.history import History
from gpugrad.training.progress import short_scores

pytest.importorskip("matplotlib")

RECORD = {"epoch": 1, "steps": 9, "train_loss": 0.5, "lr": 0.1, "validation_loss": 0.25, "validation_accuracy": 0.75}


@pytest.mark.filterwarnings("ignore:Glyph")  # of the boxes that this test takes; drawing gives none
@pytest.mark.parametrize(
    "classes",
    [("a", "b"), ("$1$0", "$5_{"), ("x" * 300, "y" * 300), ("汉字", "größe"), tuple(f"class {i}" for i in range(300))],
    ids=["short", "dollars", "long", "other scripts", "many"],
)
def test_confusion_matrix_of_any_class_names(classes, tmp_path):
    n = len(classes)
    figure = plots.plot_confusion(np.eye(n, dtype=int) * 3, classes, tmp_path / "confusion.png")
    assert (tmp_path / "confusion.png").read_bytes().startswith(b"\x89PNG")
    axes = figure.axes[0]
    figure.draw_without_rendering()
    assert axes.get_title() == f"100.00% of {3 * n} test rows correct"
    if n <= plots.MAX_NAMED:
        for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
            box = label.get_window_extent()
            assert min(box.x0, box.y0) >= 0
        assert [label.get_text()[:20] for label in axes.get_xticklabels()] == [name[:20] for name in classes]


def test_curves_of_a_single_epoch_are_seen(tmp_path):
    figure = plots.plot_history(History([RECORD]), tmp_path / "history.png")
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "validation accuracy", "learning rate"]
    for axes in figure.axes:
        for line in axes.lines:
            assert line.get_marker() == "o"
            assert list(line.get_xdata()) == [1]


def test_scores_beside_the_bar_are_short():
    assert short_scores(RECORD) == "loss 0.5000, validation 0.2500, accuracy 0.7500"
    assert short_scores({"train_loss": 1.0, "seconds": 3.0}) == "loss 1.0000"
