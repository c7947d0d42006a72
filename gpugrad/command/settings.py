"""The settings of a run from the command line."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path

from .. import optim
from ..data.dataset import Dataset
from ..data.preprocessing import Preprocessing, first_difference
from ..engine.random import check_seed
from ..errors import ArgumentError, CheckpointError, choose
from ..kernels.activation import ACTIVATIONS
from ..training.checkpoint import damaged, read_file, read_header
from .trained import CHECKPOINT


@dataclass(frozen=True)
class Settings:
    """The options of `gpugrad train`; the command's help explains them."""

    dataset: str
    target: str | None = None
    task: str = "auto"
    categorical: tuple[str, ...] = ()
    hidden: tuple[int, ...] = (256, 128)
    activation: str = "relu"
    dropout: float = 0.0
    optimizer: str = "adam"
    lr: float | None = None
    schedule: str = "one-cycle"
    epochs: int = 20
    batch_size: int = 64
    weight_decay: float = 0.0
    clip_norm: float | None = None
    label_smoothing: float = 0.0
    balanced: bool = False
    validation: float = 0.1
    early_stopping: int = 0
    precision: str = "float32"
    seed: int = 0
    device: str = "auto"
    toolchain: str | None = None
    data_dir: Path | None = None

    def check(self) -> None:
        """Raise ArgumentError for an invalid setting, before any data is read."""
        choose("activation", self.activation, ACTIVATIONS)
        choose("optimizer", self.optimizer, optim.NAMES)
        choose("schedule", self.schedule, optim.SCHEDULE_NAMES)
        check_seed(self.seed)
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ArgumentError(f"{option_of(name)} is {getattr(self, name)}, expected at least 1")
        for name in ("lr", "clip_norm"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ArgumentError(f"{option_of(name)} is {value}, expected a positive number")
        if not 0 <= self.weight_decay < math.inf:
            raise ArgumentError(f"--weight-decay is {self.weight_decay}, expected a number of at least 0")
        for name in ("dropout", "validation", "label_smoothing"):
            if not 0 <= getattr(self, name) < 1:
                raise ArgumentError(f"{option_of(name)} is {getattr(self, name)}, expected a share in [0, 1)")
        if self.early_stopping < 0:
            raise ArgumentError(f"--early-stopping is {self.early_stopping}, expected epochs, or 0 for never")

    def check_task(self, *, classification: bool) -> None:
        """Raise ArgumentError for a setting that does not fit the data."""
        for name in ("balanced", "label_smoothing"):
            if getattr(self, name) and not classification:
                raise ArgumentError(f"{option_of(name)} needs classes, but this target is a number: leave it out")


def option_of(name: str) -> str:
    """Return the option of a setting: "--batch-size" for "batch_size"."""
    return "--" + name.replace("_", "-")


# The settings that may change on resume; all others come from the checkpoint.
RESUMABLE = ("dataset", "epochs", "device", "toolchain", "data_dir")


def resumed_settings(settings: Settings, explicit: set[str], out: Path | None) -> Settings:
    """Return the settings of the checkpoint in `out`, updated by the explicit `RESUMABLE` ones.

    Raise ArgumentError if another explicit setting differs from the checkpoint's.
    """
    if out is None:
        raise ArgumentError("--resume needs --out DIR, the folder with the checkpoint to continue from")
    _, header = read_file(out / CHECKPOINT)
    try:
        stored = dict(header["settings"])
    except (KeyError, TypeError, ValueError):
        raise CheckpointError(
            f"{out / CHECKPOINT} was not written by gpugrad train: resume it with Trainer.fit(resume=…)"
        ) from None
    known = {field.name for field in dataclasses.fields(Settings)}
    try:
        stored["hidden"] = tuple(stored["hidden"])
        stored["categorical"] = tuple(stored.get("categorical", ()))  # a run of an earlier gpugrad has none
        stored["data_dir"] = Path(stored["data_dir"]) if stored["data_dir"] else None
        kept = Settings(**{k: v for k, v in stored.items() if k in known})
        same = Path(settings.dataset).name == Path(kept.dataset).name
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(out / CHECKPOINT, f"its settings: {error!r}") from None
    if not same:
        raise ArgumentError(f"the run in {out} is on {kept.dataset}, not on {settings.dataset}: choose another folder")
    for name in sorted(explicit - set(RESUMABLE)):
        given, before = getattr(settings, name), getattr(kept, name)
        if given != before:
            shown = (
                ",".join(map(str, before)) if isinstance(before, tuple) else "the default" if before is None else before
            )
            raise ArgumentError(
                f"{option_of(name)} cannot change on resume, and the run in {out} has {shown}: "
                "leave it out, or start a new run without --resume"
            )
    return dataclasses.replace(kept, **{k: getattr(settings, k) for k in explicit if k in RESUMABLE})


def check_same_data(dataset: Dataset, out: Path) -> None:
    """Raise CheckpointError, naming the first difference, unless the run in `out` was trained on such data."""
    file = out / CHECKPOINT
    header = read_header(file)
    try:
        classes, stored = header["classes"], header["preprocessing"]
        difference = first_difference("class", classes or (), dataset.classes or ())
        if stored and dataset.preprocessing and not difference:
            difference = Preprocessing.from_json(stored).difference(dataset.preprocessing)
    except Exception as error:  # values of wrong kinds can raise anything
        raise damaged(file, f"its description of the data: {error!r}") from None
    if difference:
        raise CheckpointError(
            f"{dataset.name} is not what the run in {out} was trained on: {difference}; continue with the same data, "
            "or start a new run without --resume"
        )
