"""Figures of a run: the curves of its history, the confusion matrix of its test."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..engine.files import write_whole
from ..errors import GpugradError, counted
from .theme import apply_theme

# Okabe & Ito's colours: distinct for colour-blind readers and in grey.
TRAIN, VALIDATION, RATE = "#0072B2", "#D55E00", "#009E73"

MAX_NAMED = 30  # up to this many classes a confusion matrix has room for counts and names
MAX_NAME = 24  # characters shown of a class name


def plot_history(history: Any, path: str | Path | None = None) -> Any:
    """Draw loss, score and learning rate of a History against the epoch; return the figure, save it to `path`."""
    figure_class = figure_type()
    score = next((name for name in history[0] if name.startswith("validation_") and name != "validation_loss"), None)
    panels = ["loss", *([score] if score else []), "lr"]
    figure = figure_class(figsize=(4.2 * len(panels), 3.4), layout="constrained")
    epochs = history["epoch"]
    marker = "o" if len(epochs) == 1 else ""  # a line of one point is invisible
    for axes, panel in zip(figure.subplots(1, len(panels)), panels, strict=True):
        if panel == "loss":
            axes.plot(epochs, history["train_loss"], color=TRAIN, marker=marker, label="training")
            if "validation_loss" in history[0]:
                axes.plot(epochs, history["validation_loss"], "--", color=VALIDATION, marker=marker, label="validation")
            axes.legend(frameon=False)
            axes.set_ylabel("loss")
        elif panel == "lr":
            axes.plot(epochs, history["lr"], color=RATE, marker=marker)
            axes.set_ylabel("learning rate")
            axes.set_ylim(bottom=0)
        else:
            axes.plot(epochs, history[panel], "--", color=VALIDATION, marker=marker)
            axes.set_ylabel(panel.replace("_", " "))
        axes.set_xlabel("epoch")
        if len(epochs) == 1:
            axes.set_xticks(epochs)
        else:
            axes.xaxis.get_major_locator().set_params(integer=True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.3)
    return _saved(figure, path)


def plot_confusion(matrix: np.ndarray, classes: Sequence[str], path: str | Path | None = None) -> Any:
    """Draw the number of rows per true class (down) and predicted class (across); return the figure."""
    figure_class = figure_type()
    matrix = np.asarray(matrix)
    n = len(classes)
    names = [_short(name) for name in classes]
    longest = max(map(len, names))
    side = float(np.clip(0.5 * n + 2 + 0.1 * longest, 4, 14))
    figure = figure_class(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    where = ""
    if n <= MAX_NAMED:
        for (i, j), count in np.ndenumerate(matrix):
            if count:
                axes.text(
                    j,
                    i,
                    str(count),
                    ha="center",
                    va="center",
                    color="white" if shares[i, j] > 0.5 else "black",
                    fontsize=8,
                )
        rotated = {"rotation": 45, "ha": "right"} if longest > 3 else {}
        axes.set_xticks(range(n), names, parse_math=False, **rotated)
        axes.set_yticks(range(n), names, parse_math=False)
    else:
        where = " (index in the sorted classes)"
    right = np.trace(matrix) / max(matrix.sum(), 1)
    axes.set(
        xlabel=f"predicted class{where}",
        ylabel=f"true class{where}",
        title=f"{right:.2%} of {counted(matrix.sum(), 'test row')} correct",
    )
    return _saved(figure, path)


def available() -> bool:
    """Return whether Matplotlib is installed."""
    import importlib.util

    return importlib.util.find_spec("matplotlib") is not None


def _short(name: str) -> str:
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"


def figure_type() -> Any:
    """Return Matplotlib's Figure; raise GpugradError if Matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure  # not pyplot: no windows, no global state
    except ImportError:
        raise GpugradError('pictures need matplotlib, which is not installed: pip install "gpugrad[plot]"') from None
    return Figure


def _saved(figure: Any, path: str | Path | None) -> Any:
    apply_theme(figure)
    if path is not None:
        content = io.BytesIO()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing")  # a box replaces a character that the font lacks
            figure.savefig(content, format="png", dpi=120)
        write_whole(path, content.getvalue())
    return figure
