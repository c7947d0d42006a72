"""What the commands train, evaluate and predict do, from settings to files."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import data, nn, optim
from ..engine import random
from ..engine.device import device as get_device
from ..engine.files import check_writable, remove_partial
from ..engine.precision import check_precision_for
from ..errors import ArgumentError, CheckpointError, DataError, choose
from ..kernels.activation import ACTIVATIONS
from ..training import plots
from ..training.checkpoint import load_model, read_file
from ..training.profiling import WARM_STEPS, ProfileTraining
from ..training.trainer import Trainer

MODEL, CHECKPOINT = "model.safetensors", "checkpoint.safetensors"

Say = Callable[..., None]


@dataclass(frozen=True)
class Settings:
    """The options of `gpugrad train`, as the command's help explains them."""

    dataset: str
    target: str | None = None
    task: str = "auto"
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
        """Raise ArgumentError for a setting that no training can have, before any data is read."""
        choose("activation", self.activation, ACTIVATIONS)
        choose("optimizer", self.optimizer, optim.NAMES)
        choose("schedule", self.schedule, optim.SCHEDULE_NAMES)
        random.check_seed(self.seed)
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ArgumentError(f"{_option(name)} is {getattr(self, name)}, expected at least 1")
        for name in ("lr", "clip_norm"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ArgumentError(f"{_option(name)} is {value}, expected a positive number")
        if not 0 <= self.weight_decay < math.inf:
            raise ArgumentError(f"--weight-decay is {self.weight_decay}, expected a number of at least 0")
        for name in ("dropout", "validation", "label_smoothing"):
            if not 0 <= getattr(self, name) < 1:
                raise ArgumentError(f"{_option(name)} is {getattr(self, name)}, expected a share in [0, 1)")
        if self.early_stopping < 0:
            raise ArgumentError(f"--early-stopping is {self.early_stopping}, expected epochs to wait, or 0 for never")


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def interrupted(stopped: str | None) -> bool:
    """Whether a training that says why it `stopped` was interrupted by its user."""
    return stopped is not None and stopped.startswith("interrupted")


# What a resumed training may have anew; all other settings are those of its checkpoint.
RESUMABLE = ("dataset", "epochs", "device", "toolchain", "data_dir")


def resumed_settings(settings: Settings, explicit: set[str], out: Path | None) -> Settings:
    """The settings of the training that wrote the checkpoint in `out`, with what `RESUMABLE` allows to be given anew.

    explicit: the names of the settings that were given. Raises ArgumentError for one that may not change.
    """
    if out is None:
        raise ArgumentError("--resume needs --out DIR, the folder that holds the checkpoint to go on from")
    _, header = read_file(out / CHECKPOINT)
    try:
        stored = dict(header["settings"])
    except (KeyError, TypeError, ValueError):
        raise CheckpointError(
            f"{out / CHECKPOINT} was not written by gpugrad train: resume it with Trainer.fit(resume=…)"
        ) from None
    stored["hidden"] = tuple(stored["hidden"])
    stored["data_dir"] = Path(stored["data_dir"]) if stored["data_dir"] else None
    known = {field.name for field in dataclasses.fields(Settings)}
    kept = Settings(**{k: v for k, v in stored.items() if k in known})
    if Path(settings.dataset).name != Path(kept.dataset).name:
        raise ArgumentError(
            f"the training in {out} is one on {kept.dataset}, not on {settings.dataset}: choose another folder"
        )
    for name in sorted(explicit - set(RESUMABLE)):
        given, before = getattr(settings, name), getattr(kept, name)
        if given != before:
            shown = ",".join(map(str, before)) if name == "hidden" else before
            raise ArgumentError(
                f"{_option(name)} cannot change when a training is resumed, and the one in {out} has {shown}: "
                "leave it out, or train anew without --resume"
            )
    return dataclasses.replace(kept, **{k: getattr(settings, k) for k in explicit if k in RESUMABLE})


def train(
    settings: Settings,
    *,
    out: Path | None = None,
    resume: bool = False,
    profile: Path | None = None,
    say: Say = print,
) -> dict[str, Any]:
    """Train, test, and leave model, checkpoint, history and pictures in `out`; returns what --json prints.

    profile: a file for a Chrome trace of some of the steps; their table is said.
    """
    settings.check()
    if profile is not None:
        check_writable(profile.parent)
    device = get_device(settings.device, settings.toolchain)
    check_precision_for(settings.precision, device)
    dataset = data.load(
        settings.dataset, data_dir=settings.data_dir, target=settings.target, task=settings.task, seed=settings.seed
    )
    classification = dataset.classes is not None
    for name in ("balanced", "label_smoothing"):
        if getattr(settings, name) and not classification:
            raise ArgumentError(f"{_option(name)} needs classes, and this target is a number: leave it out")
    if out is not None:
        remove_partial(out)
    random.manual_seed(settings.seed)
    model = nn.MLP(
        dataset.n_features,
        settings.hidden,
        dataset.n_outputs,
        activation=settings.activation,
        dropout=settings.dropout,
        seed=settings.seed,
    )
    loss = nn.CrossEntropyLoss(label_smoothing=settings.label_smoothing) if classification else nn.MSELoss()
    decay = {"weight_decay": settings.weight_decay} if settings.weight_decay else {}
    rate = optim.RULES[settings.optimizer].peak_lr if settings.lr is None else settings.lr
    optimizer = optim.make(settings.optimizer, model.parameters(), lr=rate, **decay)
    schedule = None if settings.schedule == "constant" else optim.make_schedule(settings.schedule, optimizer)
    trainer = Trainer(
        model,
        loss=loss,
        optimizer=optimizer,
        schedule=schedule,
        device=device,
        seed=settings.seed,
        clip_norm=settings.clip_norm,
        precision=settings.precision,
    )
    parameters = sum(p.size for p in model.parameters())
    what = f"{dataset.n_classes} classes" if classification else "one number to predict"
    rows = f"{len(dataset.x_train)} rows to train, {len(dataset.x_test)} to test"
    layers = "-".join(map(str, (dataset.n_features, *settings.hidden, dataset.n_outputs)))
    say(f"data    {dataset.name}: {rows}, {dataset.n_features} features, {what}")
    say(f"model   {layers} {settings.activation}, {parameters} parameters")
    say(f"device  {device.name}, toolchain {device.toolchain} ({device.reason})")
    header = {
        "dataset": dataset.name,
        "classes": dataset.classes,
        "scale": dataset.scale,
        "preprocessing": dataset.preprocessing.to_json() if dataset.preprocessing else None,
        "settings": {
            **dataclasses.asdict(settings),
            "data_dir": str(settings.data_dir.resolve()) if settings.data_dir else None,
        },
    }
    start = time.perf_counter()
    with ProfileTraining() as profiling:
        history = trainer.fit(
            dataset.x_train,
            dataset.y_train,
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            validation_split=settings.validation,
            class_weight="balanced" if settings.balanced else None,
            early_stopping=settings.early_stopping or None,
            callbacks=[profiling] if profile else [],
            scale=dataset.scale,
            checkpoint=None if out is None else out / CHECKPOINT,
            checkpoint_header=header,
            resume=out / CHECKPOINT if resume and out is not None else None,
        )
    seconds = time.perf_counter() - start
    scores = _scores(trainer, dataset.x_test, dataset.y_test, dataset.scale, dataset.preprocessing)
    if history.stopped:
        more = "; --resume goes on" if interrupted(history.stopped) and out and (out / CHECKPOINT).exists() else ""
        say(f"stopped {history.stopped}{more}")
    result = {
        "dataset": dataset.name,
        "device": device.name,
        "toolchain": device.toolchain,
        "precision": trainer.precision,
        "epochs": trainer.epoch,
        "steps": trainer.steps,
        "seconds": seconds,
        "samples_per_second": float(np.median(history["samples_per_second"])) if len(history) else None,
        "train_loss": history[-1]["train_loss"] if len(history) else None,
        "test_loss": scores["loss"],
        "test_accuracy": scores.get("accuracy"),
        "parameters": parameters,
        "seed": settings.seed,
        "stopped": history.stopped,
    }
    if not classification:
        result |= {"test_r2": scores["r2"], "test_rmse": scores["rmse"]}
    say(_sentence("test", scores) + f" after {trainer.epoch} epochs in {seconds:.1f} s")
    if profile is not None:
        result["profile"] = _report(profiling, profile, say)
    if out is not None:
        trainer.save(out / MODEL, **header, result=result)
        history.to_json(out / "history.json")
        history.to_csv(out / "history.csv")
        for picture in ("history.png", "confusion.png"):  # none of an earlier training stays beside this one
            (out / picture).unlink(missing_ok=True)
        if plots.available() and len(history):
            history.plot(out / "history.png")
            if dataset.classes is not None:
                matrix = _confusion(trainer, dataset.x_test, dataset.y_test, dataset.scale, dataset.n_classes)
                plots.plot_confusion(matrix, dataset.classes, out / "confusion.png")
        written = (MODEL, CHECKPOINT, "history.json", "history.csv", "history.png", "confusion.png")
        say(f"written {', '.join(name for name in written if (out / name).exists())} in {out}")
    return result


def _report(profiling: ProfileTraining, path: Path, say: Say) -> dict[str, Any] | None:
    """Say what was profiled and write its trace; returns what --json prints."""
    found = profiling.profile
    if found is None or not found.launches:
        say(f"profile none: it begins after the first {WARM_STEPS} steps, so train for more epochs")
        return None
    record = found.record()
    say(f"profile of {record['steps']} steps, launch by launch, beside {record['whole_steps']} whole ones; medians")
    say(found.table())
    found.write_trace(path)
    say(f"written a trace to {path}, for Perfetto or chrome://tracing")
    return record


def _scores(
    trainer: Trainer, x: np.ndarray, y: np.ndarray, scale: float, preprocessing: data.Preprocessing | None
) -> dict[str, float]:
    """What `Trainer.evaluate` says; for regression also `rmse`, the root of the mean squared error in target units."""
    scores = trainer.evaluate(x, y, scale=scale)
    if "r2" in scores:  # the loss is the mean squared error of standardised targets
        scores["rmse"] = math.sqrt(scores["loss"]) * (preprocessing.target_scale if preprocessing else 1.0)
    return scores


def _sentence(part: str, scores: dict[str, float]) -> str:
    return f"{part:<8}" + ", ".join(
        f"{name} {value:#.4g}" if name == "rmse" else f"{name} {value:.4f}" for name, value in scores.items()
    )


def _confusion(trainer: Trainer, x: np.ndarray, y: np.ndarray, scale: float, n_classes: int) -> np.ndarray:
    from sklearn.metrics import confusion_matrix

    return confusion_matrix(y, trainer.predict(x, scale=scale), labels=range(n_classes))


# ---- trained models ----


@dataclass(frozen=True)
class Trained:
    """A model as `gpugrad train` left it, ready on a device."""

    trainer: Trainer
    classes: tuple[str, ...] | None
    scale: float
    preprocessing: data.Preprocessing | None
    n_features: int
    seed: int  # of the training, which split the digits


def load_trained(path: Path, device: str, toolchain: str | None) -> Trained:
    """Read a model file, or the one in a folder. Raises CheckpointError for what `gpugrad train` did not write."""
    file = path / MODEL if path.is_dir() else path
    model, header = load_model(file)
    try:
        classes = None if header["classes"] is None else tuple(header["classes"])
        scale = float(header["scale"])
        stored = header["preprocessing"]
        seed = int(header["settings"]["seed"])
    except (KeyError, TypeError, ValueError):
        raise CheckpointError(f"{file} was not written by gpugrad train: use it with gg.load_model") from None
    preprocessing = None if stored is None else data.Preprocessing.from_json(stored)
    loss = nn.MSELoss() if classes is None else nn.CrossEntropyLoss()
    trainer = Trainer(model, loss=loss, device=get_device(device, toolchain))
    return Trained(trainer, classes, scale, preprocessing, header["model"]["config"]["in_features"], seed)


def evaluate(
    model: Path,
    dataset: str,
    *,
    target: str | None = None,
    device: str = "auto",
    toolchain: str | None = None,
    data_dir: Path | None = None,
    say: Say = print,
) -> dict[str, Any]:
    """Test a model on the test part of a named data set, or on all rows of a file; returns what --json prints."""
    trained = load_trained(model, device, toolchain)
    if Path(dataset).suffix.lower() in data.SUFFIXES:
        x, y = data.load_labelled(
            dataset, trained.preprocessing, trained.classes, n_features=trained.n_features, target=target
        )
    else:
        named = data.load(dataset, data_dir=data_dir, target=target, seed=trained.seed)
        if named.classes != trained.classes:
            raise ArgumentError(
                f"{dataset} has other classes than {model} was trained on: evaluate it on data of its own kind"
            )
        if named.n_features != trained.n_features:
            raise DataError(
                f"{dataset} has {named.n_features} features, {model} was trained on {trained.n_features}: evaluate it "
                "on data of its own kind"
            )
        x, y = named.x_test, named.y_test
    scores = _scores(trained.trainer, x, y, trained.scale, trained.preprocessing)
    say(_sentence("test", scores) + f" on {len(x)} rows of {dataset}")
    if trained.classes is not None:
        from sklearn.metrics import classification_report

        predicted = trained.trainer.predict(x, scale=trained.scale)
        labels = list(range(len(trained.classes)))
        say(classification_report(y, predicted, labels=labels, target_names=trained.classes, digits=4, zero_division=0))
    place = trained.trainer.device
    return {
        "model": str(model),
        "dataset": dataset,
        "device": place.name,
        "toolchain": place.toolchain,
        "rows": len(x),
        **scores,
    }


def predict(
    model: Path, file: Path, *, device: str = "auto", toolchain: str | None = None
) -> tuple[str, dict[str, Any]]:
    """Predict every row of a file: (CSV text, what --json prints).

    The columns are `label` and a `probability_…` for each class; for regression `prediction`, in the target's units.
    """
    trained = load_trained(model, device, toolchain)
    x = data.load_features(file, trained.preprocessing, n_features=trained.n_features)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if trained.classes is None:
        values = trained.trainer.predict(x, scale=trained.scale)
        if trained.preprocessing is not None:
            values = trained.preprocessing.inverse_target(values)
        writer.writerow(["prediction"])
        writer.writerows(values.tolist())
    else:
        probabilities = trained.trainer.predict_proba(x, scale=trained.scale)
        writer.writerow(["label", *(f"probability_{name}" for name in trained.classes)])
        for label, row in zip(probabilities.argmax(axis=1), probabilities, strict=True):
            writer.writerow([trained.classes[label], *(f"{value:.9g}" for value in row)])
    place = trained.trainer.device
    return text.getvalue(), {
        "model": str(model),
        "file": str(file),
        "rows": len(x),
        "device": place.name,
        "toolchain": place.toolchain,
    }
