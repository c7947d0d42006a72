"""Pictures of a training: the curves of its history, the confusion matrix of its test."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .errors import GpugradError
from .files import write_whole
from .history import History

# Okabe & Ito's colours, distinct for colour-blind readers and in grey.
TRAIN, VALIDATION, RATE = "#0072B2", "#D55E00", "#009E73"


def plot_history(history: History, path: str | Path | None = None) -> Any:
    """Loss, score and learning rate against the epoch; returns the figure, saves it to `path`."""
    figure_class = _figure_class()
    score = next((name for name in history[0] if name.startswith("validation_") and name != "validation_loss"), None)
    panels = ["loss", *([score] if score else []), "lr"]
    figure = figure_class(figsize=(4.2 * len(panels), 3.4), layout="constrained")
    epochs = history["epoch"]
    for axes, panel in zip(figure.subplots(1, len(panels)), panels, strict=True):
        if panel == "loss":
            axes.plot(epochs, history["train_loss"], color=TRAIN, label="training")
            if "validation_loss" in history[0]:
                axes.plot(epochs, history["validation_loss"], color=VALIDATION, label="validation", linestyle="--")
            axes.legend(frameon=False)
            axes.set_ylabel("loss")
        elif panel == "lr":
            axes.plot(epochs, history["lr"], color=RATE)
            axes.set_ylabel("learning rate")
            axes.set_ylim(bottom=0)
        else:
            axes.plot(epochs, history[panel], color=VALIDATION, linestyle="--")
            axes.set_ylabel(panel.replace("_", " "))
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.3)
    return _saved(figure, path)


def plot_confusion(matrix: np.ndarray, classes: Sequence[str], path: str | Path | None = None) -> Any:
    """Rows of each true class (down) that were given each label (across); returns the figure, saves it to `path`."""
    figure_class = _figure_class()
    matrix = np.asarray(matrix)
    n = len(classes)
    side = float(np.clip(0.5 * n + 2, 4, 14))
    figure = figure_class(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if n <= 30:
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
        long = max(len(name) for name in classes) > 3
        axes.set_xticks(range(n), classes, rotation=45 if long else 0, ha="right" if long else "center")
        axes.set_yticks(range(n), classes)
    right = np.trace(matrix) / max(matrix.sum(), 1)
    axes.set(xlabel="predicted class", ylabel="true class", title=f"{right:.2%} of {matrix.sum()} test rows right")
    return _saved(figure, path)


def available() -> bool:
    """Whether pictures can be drawn here."""
    import importlib.util

    return importlib.util.find_spec("matplotlib") is not None


def _figure_class() -> Any:
    try:
        from matplotlib.figure import Figure  # not pyplot: no windows, no global state
    except ImportError:
        raise GpugradError('pictures need matplotlib, which is not installed: pip install "gpugrad[plot]"') from None
    return Figure


def _saved(figure: Any, path: str | Path | None) -> Any:
    if path is not None:
        content = io.BytesIO()
        figure.savefig(content, format="png", dpi=120)
        write_whole(path, content.getvalue())
    return figure
