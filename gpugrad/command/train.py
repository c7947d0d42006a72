"""`gpugrad train`: train, test and write the files of a run."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from .. import data, nn, optim
from ..data.target import TASKS
from ..engine import random
from ..engine.device import Device
from ..engine.device import device as get_device
from ..engine.files import check_writable_file, only_writer
from ..engine.precision import check_precision_for
from ..errors import ArgumentError, counted
from ..kernels.activation import ACTIVATIONS
from ..kernels.dense.rounding import PRECISIONS
from ..training import plots
from ..training.callbacks import Callback, Training
from ..training.checkpoint import read_header
from ..training.profiling import WARM_STEPS, ProfileTraining
from ..training.progress import on_terminal, short_scores
from ..training.theme import theme
from ..training.trainer import Trainer
from .options import (
    DATA,
    INTERRUPTED,
    NETWORK,
    RUN,
    TRAINING,
    Dark,
    DataDir,
    DeviceName,
    Json,
    Target,
    ToolchainName,
    completing,
    finish,
    is_explicit,
    layer_sizes,
    listed,
    names,
    option,
    printer,
)
from .settings import Settings, check_same_data, resumed_settings
from .trained import CHECKPOINT, MODEL, Majority, file_digest, scores_of, sentence

Log = Callable[..., None]

SECONDS_PER_LINE = 1.0
OF_THE_COMMAND = ("as_json", "resume", "overwrite", "out", "profile", "dark")  # options that are no settings of a run


def train(
    context: typer.Context,
    dataset: Annotated[
        str,
        typer.Argument(
            help="digits, mnist, fashion-mnist, or a .csv, .tsv, .npz or .parquet file.",
            autocompletion=completing(data.NAMES),
        ),
    ],
    hidden: Annotated[str, option(NETWORK, "Sizes of the hidden layers; 0 for none.")] = "256,128",
    activation: Annotated[str, option(NETWORK, f"{listed(ACTIVATIONS)}.", choices=ACTIVATIONS)] = "relu",
    dropout: Annotated[float, option(NETWORK, "Probability of dropping a hidden unit, in [0, 1).")] = 0.0,
    optimizer: Annotated[
        str,
        option(TRAINING, f"{listed(optim.NAMES)}.", choices=optim.NAMES),
    ] = "adam",
    lr: Annotated[
        float | None,
        option(TRAINING, "Learning rate, the peak of one-cycle and warmup; default: depends on the optimizer."),
    ] = None,
    schedule: Annotated[
        str, option(TRAINING, f"{listed(optim.SCHEDULE_NAMES)}.", choices=optim.SCHEDULE_NAMES)
    ] = "one-cycle",
    epochs: Annotated[int, option(TRAINING, "Passes over the training data.")] = 20,
    batch_size: Annotated[int, option(TRAINING, "Rows per batch.")] = 64,
    weight_decay: Annotated[float, option(TRAINING, "Weight decay of the optimizer.")] = 0.0,
    clip_norm: Annotated[float | None, option(TRAINING, "Upper limit of the gradient's norm; default: none.")] = None,
    label_smoothing: Annotated[float, option(TRAINING, "Share of each label that is spread over all classes.")] = 0.0,
    balanced: Annotated[bool, option(TRAINING, "Give every class the same total weight.", "--balanced")] = False,
    early_stopping: Annotated[
        int, option(TRAINING, "Stop after this many epochs without improvement and keep the best weights; 0: never.")
    ] = 0,
    precision: Annotated[
        str,
        option(
            TRAINING,
            "Precision of matrix products: float32, or tf32 or bfloat16 for a GPU's tensor cores.",
            choices=PRECISIONS,
        ),
    ] = "float32",
    seed: Annotated[int, option(TRAINING, "Seed of weights, splits, shuffling and dropout.")] = 0,
    target: Target = None,
    task: Annotated[
        str,
        option(DATA, "classification, regression or auto (decided from the target's values).", choices=TASKS),
    ] = "auto",
    categorical: Annotated[
        str | None, option(DATA, "Columns of a table to read as categories although they hold numbers: zip,floor.")
    ] = None,
    validation: Annotated[float, option(DATA, "Share of the training rows held out for validation; 0: none.")] = 0.1,
    data_dir: DataDir = None,
    device: DeviceName = "auto",
    toolchain: ToolchainName = None,
    out: Annotated[Path | None, option(RUN, "Folder for model, checkpoint, history and pictures.")] = None,
    resume: Annotated[
        bool, option(RUN, "Continue from the checkpoint in --out, with its settings.", "--resume")
    ] = False,
    overwrite: Annotated[bool, option(RUN, "Replace the run in --out, if there is one.", "--overwrite")] = False,
    dark: Dark = False,
    profile: Annotated[
        Path | None,
        option(RUN, "Print the time of each operation of a step, and write a Chrome trace of some steps to this file."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Train a network on a data set and test it.

    Example: gpugrad train digits --hidden 128 --epochs 10 --out runs/digits
    """
    given = {k: v for k, v in context.params.items() if k not in OF_THE_COMMAND}
    settings = Settings(**{**given, "hidden": layer_sizes(hidden), "categorical": tuple(names(categorical) or ())})
    if overwrite and (resume or out is None):
        raise ArgumentError("--overwrite replaces the run in --out: name the folder, and leave out --resume")
    if resume:
        settings = resumed_settings(settings, {k for k in given if is_explicit(context, k)}, out)
    if dark and out is None:
        raise ArgumentError("--dark has no effect without --out, which writes the pictures: leave it out")
    with theme("dark" if dark else "light"):
        result = run(settings, out=out, resume=resume, overwrite=overwrite, profile=profile, log=printer(as_json))
    finish(result, as_json)
    if interrupted(result["stopped"]):
        raise typer.Exit(INTERRUPTED)


def run(
    settings: Settings,
    *,
    out: Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    profile: Path | None = None,
    log: Log = print,
) -> dict[str, Any]:
    """Train and test a network, write the files of the run, and return the result of --json.

    Parameters
    ----------
    settings : Settings
        The options of the command.
    out : Path, optional
        Folder for model, checkpoint, history and pictures.
    resume : bool, default False
        Continue from the checkpoint in ``out``.
    overwrite : bool, default False
        Replace the run in ``out``, if there is one.
    profile : Path, optional
        File for a Chrome trace of some steps; their table is printed.
    log : callable, default print
        Prints a line.

    Returns
    -------
    dict
        Settings, scores and times.
    """
    settings.check()
    if profile is not None:
        check_writable_file(profile)
    device = get_device(settings.device, settings.toolchain)
    check_precision_for(settings.precision, device)
    with contextlib.nullcontext() if out is None else only_writer(out):
        if out is not None and not (resume or overwrite) and any((out / name).exists() for name in (MODEL, CHECKPOINT)):
            raise ArgumentError(
                f"{out} has a run already: pass --resume to continue it, --overwrite to replace it, or another folder"
            )
        dataset = data.load(
            settings.dataset,
            data_dir=settings.data_dir,
            target=settings.target,
            task=settings.task,
            categorical=settings.categorical,
            seed=settings.seed,
        )
        settings.check_task(classification=dataset.classes is not None)
        if resume and out is not None:
            check_same_data(dataset, out)
        return _run(settings, dataset, device, out, resume, profile, log)


class _Epochs(Callback):
    """Print a line per epoch where no progress bar is shown, at most one a second; count the epochs."""

    def __init__(self, goal: int, log: Log) -> None:
        self._goal, self._log = goal, None if on_terminal() else log
        self._next = time.perf_counter() + SECONDS_PER_LINE
        self.count = 0

    def on_epoch_end(self, trainer: Training, record: dict[str, Any]) -> None:
        self.count += 1
        if self._log is not None and time.perf_counter() >= self._next:
            number = f"{record['epoch']:>{len(str(self._goal))}}"
            self._log(f"epoch   {number}/{self._goal}: {short_scores(record)}")
            self._next = time.perf_counter() + SECONDS_PER_LINE


def _run(
    settings: Settings,
    dataset: data.Dataset,
    device: Device,
    out: Path | None,
    resume: bool,
    profile: Path | None,
    log: Log,
) -> dict[str, Any]:
    """Train, test and write, as `run` describes."""
    trainer = _make_trainer(settings, dataset, device)
    _describe(settings, dataset, trainer, log)
    if resume and out is not None:
        _tell_of_stretching(settings, trainer, out, log)
    header, epochs = _header(settings, dataset), _Epochs(settings.epochs, log)
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
            callbacks=[epochs, profiling] if profile else [epochs],
            scale=dataset.scale,
            checkpoint=None if out is None else out / CHECKPOINT,
            checkpoint_header=header,
            resume=out / CHECKPOINT if resume and out is not None else None,
        )
    seconds = time.perf_counter() - start
    scores = scores_of(trainer, dataset.x_test, dataset.y_test, dataset.preprocessing)
    if resume and not epochs.count and not history.stopped:
        log(f"{out} has {counted(trainer.epoch, 'epoch')} already: pass more by --epochs to train on")
    if history.stopped:
        was_interrupted = interrupted(history.stopped)
        remedy = "; continue with --resume" if was_interrupted and out and (out / CHECKPOINT).exists() else ""
        log(f"{'' if was_interrupted else 'stopped: '}{history.stopped}{remedy}")
    majority = None if dataset.classes is None else Majority.of(dataset.y_train, dataset.y_test, dataset.classes)
    log(sentence("test", scores, majority) + f" after {counted(trainer.epoch, 'epoch')} in {seconds:.1f} s")
    result = _result(settings, dataset, trainer, scores, seconds)
    if majority is not None:
        result["majority_class_accuracy"] = majority.accuracy
    if profile is not None:
        result["profile"] = _report(profiling, profile, log)
    if out is not None:
        trainer.save(out / MODEL, **header, result=result)
        _write_history(trainer, dataset, out)
        written = (MODEL, CHECKPOINT, "history.json", "history.csv", "history.png", "confusion.png")
        log(f"wrote {', '.join(name for name in written if (out / name).exists())} to {out}")
    return result


def _make_trainer(settings: Settings, dataset: data.Dataset, device: Device) -> Trainer:
    random.manual_seed(settings.seed)
    model = nn.MLP(
        dataset.n_features,
        settings.hidden,
        dataset.n_outputs,
        activation=settings.activation,
        dropout=settings.dropout,
        seed=settings.seed,
    )
    is_number = dataset.classes is None
    loss = nn.MSELoss() if is_number else nn.CrossEntropyLoss(label_smoothing=settings.label_smoothing)
    decay = {"weight_decay": settings.weight_decay} if settings.weight_decay else {}
    rate = optim.RULES[settings.optimizer].peak_lr if settings.lr is None else settings.lr
    optimizer = optim.make(settings.optimizer, model.parameters(), lr=rate, **decay)
    return Trainer(
        model,
        loss=loss,
        optimizer=optimizer,
        schedule=None if settings.schedule == "constant" else optim.make_schedule(settings.schedule, optimizer),
        device=device,
        seed=settings.seed,
        clip_norm=settings.clip_norm,
        precision=settings.precision,
    )


def _describe(settings: Settings, dataset: data.Dataset, trainer: Trainer, log: Log) -> None:
    task = "regression" if dataset.classes is None else counted(dataset.n_classes, "class", "classes")
    held = 0
    if settings.validation:
        share, seed = settings.validation, settings.seed
        held = len(data.hold_out_rows(dataset.y_train, dataset.classes, share=share, seed=seed)[1])
    validated = f"{held} to validate, " if held else ""
    rows = f"{counted(len(dataset.x_train) - held, 'row')} to train, {validated}{len(dataset.x_test)} to test"
    layers = "-".join(map(str, (dataset.n_features, *settings.hidden, dataset.n_outputs)))
    log(f"data    {dataset.name}: {rows}, {counted(dataset.n_features, 'feature')}, {task}")
    for note in dataset.notes:
        log(f"        {note}")
    log(f"model   {layers} {settings.activation}, {counted(_size(trainer), 'parameter')}")
    _ = trainer.device.kernels  # loads the compiler: without one the next line names NumPy
    log(f"device  {trainer.device.name}, toolchain {trainer.device.toolchain} ({trainer.device.reason})")


def _tell_of_stretching(settings: Settings, trainer: Trainer, out: Path, log: Log) -> None:
    """Say it if a schedule that spans the run gets another number of epochs: its rates are others from here on."""
    before = read_header(out / CHECKPOINT)["settings"]["epochs"]
    if settings.epochs != before and trainer.schedule is not None and trainer.schedule.needs_length:
        log(
            f"resume  schedule {settings.schedule} now spans {counted(settings.epochs, 'epoch')}, not {before}: the "
            "rates differ from those of one uninterrupted run"
        )


def _size(trainer: Trainer) -> int:
    return sum(p.size for p in trainer.model.parameters())


def _header(settings: Settings, dataset: data.Dataset) -> dict[str, Any]:
    """Return the metadata of a checkpoint and a model, for --resume, evaluate, predict and export."""
    folder = str(settings.data_dir.resolve()) if settings.data_dir else None
    return {
        "dataset": dataset.name,
        "classes": dataset.classes,
        "preprocessing": dataset.preprocessing.to_json() if dataset.preprocessing else None,
        "settings": {**dataclasses.asdict(settings), "data_dir": folder},
        "file_digest": file_digest(settings.dataset),
    }


def _result(
    settings: Settings, dataset: data.Dataset, trainer: Trainer, scores: dict[str, float], seconds: float
) -> dict[str, Any]:
    history = trainer.history
    result = {
        "dataset": dataset.name,
        "device": trainer.device.name,
        "toolchain": trainer.device.toolchain,
        "precision": trainer.precision,
        "epochs": trainer.epoch,
        "steps": trainer.steps,
        "seconds": seconds,
        "samples_per_second": float(np.median(history["samples_per_second"])) if len(history) else None,
        "train_loss": history[-1]["train_loss"] if len(history) else None,
        "test_loss": scores["loss"],
        "test_accuracy": scores.get("accuracy"),
        "parameters": _size(trainer),
        "seed": settings.seed,
        "stopped": history.stopped,
    }
    if dataset.classes is None:
        result |= {"test_r2": scores["r2"], "test_rmse": scores["rmse"]}
    return result


def _write_history(trainer: Trainer, dataset: data.Dataset, out: Path) -> None:
    history = trainer.history
    history.to_json(out / "history.json")
    history.to_csv(out / "history.csv")
    for picture in ("history.png", "confusion.png"):  # remove those of an earlier run
        (out / picture).unlink(missing_ok=True)
    if plots.available() and len(history):
        history.plot(out / "history.png")
        if dataset.classes is not None:
            matrix = _confusion(trainer, dataset.x_test, dataset.y_test, dataset.n_classes)
            plots.plot_confusion(matrix, dataset.classes, out / "confusion.png")


def _report(profiling: ProfileTraining, path: Path, log: Log) -> dict[str, Any] | None:
    """Print the profile and write its trace; return the result of --json."""
    found = profiling.profile
    if found is None or not found.launches:
        log(f"no profile: it begins after the first {WARM_STEPS} steps, so train for more epochs")
        return None
    record = found.record()
    steps, whole = counted(record["steps"], "step"), counted(record["whole_steps"], "whole step")
    log(f"profile: {steps}, launch by launch, and {whole}; medians")
    log(found.table())
    found.write_trace(path)
    log(f"wrote a trace to {path}, for Perfetto or chrome://tracing")
    return record


def _confusion(trainer: Trainer, x: np.ndarray, y: np.ndarray, n_classes: int) -> np.ndarray:
    from sklearn.metrics import confusion_matrix

    return confusion_matrix(y, trainer.predict(x), labels=range(n_classes))


def interrupted(stopped: str | None) -> bool:
    """Return whether the reason in `stopped` is an interrupt by the user."""
    return stopped is not None and stopped.startswith("interrupted")
