"""A model written by `gpugrad train`, and its scores."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import data, nn
from ..engine.device import device as get_device
from ..errors import CheckpointError
from ..training.checkpoint import damaged, load_model
from ..training.trainer import Trainer

MODEL, CHECKPOINT = "model.safetensors", "checkpoint.safetensors"


@dataclass(frozen=True)
class Trained:
    """A model written by `gpugrad train`, ready on a device."""

    trainer: Trainer
    classes: tuple[str, ...] | None
    preprocessing: data.Preprocessing | None
    n_features: int
    settings: dict[str, Any]  # of the run
    file_digest: str | None  # of the file that it was trained on


def load_trained(path: Path, device: str, toolchain: str | None) -> Trained:
    """Read a model file, or the one in a folder; raise CheckpointError if `gpugrad train` did not write it."""
    file = path / MODEL if path.is_dir() else path
    model, header = load_model(file)
    try:
        classes = None if header["classes"] is None else tuple(header["classes"])
        stored = header["preprocessing"]
        settings = dict(header["settings"])
        settings["seed"] = int(settings["seed"])
        n_features = header["model"]["config"]["in_features"]
    except (KeyError, TypeError, ValueError, OverflowError):
        raise CheckpointError(f"{file} was not written by gpugrad train: use it with gg.load_model") from None
    try:
        preprocessing = None if stored is None else data.Preprocessing.from_json(stored)
    except Exception as error:  # values of wrong kinds can raise anything
        raise damaged(file, f"its preprocessing: {error!r}") from None
    loss = nn.MSELoss() if classes is None else nn.CrossEntropyLoss()
    trainer = Trainer(model, loss=loss, device=get_device(device, toolchain))
    return Trained(trainer, classes, preprocessing, n_features, settings, header.get("file_digest"))


def file_digest(dataset: str) -> str | None:
    """Return the SHA-256 of a data set that is a file, or None."""
    if not Path(dataset).is_file():
        return None
    with open(dataset, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Majority:
    """The majority class, and the accuracy of always predicting it."""

    name: str
    accuracy: float

    @classmethod
    def of(cls, known: np.ndarray, tested: np.ndarray, classes: Sequence[str]) -> Majority:
        """Return the majority class of `known` labels, and its share of the tested ones."""
        label = int(np.bincount(known, minlength=len(classes)).argmax())
        return cls(classes[label], float((tested == label).mean()))


def scores_of(
    trainer: Trainer, x: np.ndarray, y: np.ndarray, preprocessing: data.Preprocessing | None
) -> dict[str, float]:
    """Return the scores of `Trainer.evaluate` and, for regression, `rmse` in the target's units."""
    scores = trainer.evaluate(x, y)
    if "r2" in scores:  # the loss is the mean squared error of standardized targets
        scores["rmse"] = math.sqrt(scores["loss"]) * (preprocessing.target_scale if preprocessing else 1.0)
    return scores


def sentence(part: str, scores: dict[str, float], majority: Majority | None = None) -> str:
    """Format scores: "test    loss 0.1234, accuracy 0.9876", with the majority class's where it is at least 0.5."""
    text = f"{part:<8}" + ", ".join(
        f"{name} {value:#.4g}" if name == "rmse" else f"{name} {value:.4f}" for name, value in scores.items()
    )
    if majority is None or majority.accuracy < 0.5:
        return text
    return f"{text} (majority class {majority.name!r}: {majority.accuracy:.4f})"
