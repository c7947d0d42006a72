"""The command gpugrad: its options and what it prints. The work is in `runs` and `info`."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .errors import ArgumentError, GpugradError

app = typer.Typer(
    name="gpugrad",
    help="Train multilayer perceptrons with handwritten CUDA kernels, and the same on a machine with no GPU.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    cls=TyperGroup,
)

Json = Annotated[bool, typer.Option("--json", help="Make the last line of standard output one JSON object.")]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="Folder that holds the data set's files [env: GPUGRAD_DATA].")
]
DeviceName = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, emulator or simulator.")]
ToolchainName = Annotated[
    str | None, typer.Option("--toolchain", help="Which kernels: numba or numpy on the CPU, cupy or numba on a GPU.")
]


@app.command()
def train(
    context: typer.Context,
    dataset: Annotated[str, typer.Argument(help="digits, mnist, fashion-mnist, or a .csv, .npz or .parquet file.")],
    target: Annotated[str | None, typer.Option(help="The column of a file to predict.")] = None,
    hidden: Annotated[str, typer.Option(help="Sizes of the hidden layers, such as 256,128; 0 for none.")] = "256,128",
    activation: Annotated[str, typer.Option(help="relu, leaky_relu, tanh, sigmoid, gelu, silu or identity.")] = "relu",
    dropout: Annotated[float, typer.Option(help="Probability of dropping a hidden unit, in [0, 1).")] = 0.0,
    optimizer: Annotated[
        str,
        typer.Option(help="sgd, momentum, nesterov, adagrad-norm, adagrad, rmsprop, adadelta, adam or adamw."),
    ] = "adam",
    lr: Annotated[
        float | None,
        typer.Option(
            help="Learning rate, the peak of one-cycle and warmup; one that suits the optimizer if not given."
        ),
    ] = None,
    schedule: Annotated[
        str, typer.Option(help="constant, step, exponential, cosine, one-cycle, warmup or plateau.")
    ] = "one-cycle",
    epochs: Annotated[int, typer.Option(help="Passes over the training data.")] = 20,
    batch_size: Annotated[int, typer.Option(help="Rows of a minibatch.")] = 64,
    weight_decay: Annotated[float, typer.Option(help="Weight decay of the optimizer.")] = 0.0,
    clip_norm: Annotated[float | None, typer.Option(help="Limit of the gradient's norm.")] = None,
    label_smoothing: Annotated[float, typer.Option(help="Share of each label spread over all classes.")] = 0.0,
    balanced: Annotated[bool, typer.Option(help="Weigh rare classes as much as frequent ones.")] = False,
    validation: Annotated[float, typer.Option(help="Share of the training rows held out to validate on.")] = 0.1,
    early_stopping: Annotated[
        int, typer.Option(help="Stop after this many epochs without progress, with the best weights; 0: never.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Of weights, splits, shuffling and dropout.")] = 0,
    device: DeviceName = "auto",
    toolchain: ToolchainName = None,
    out: Annotated[Path | None, typer.Option(help="Folder for model, checkpoint, history and pictures.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in --out.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Train a network on a data set and test it."""
    from . import runs

    given = {k: v for k, v in context.params.items() if k not in ("as_json", "resume", "out")}
    explicit = {k for k in given if _explicit(context, k)}
    settings = runs.Settings(**{**given, "hidden": _sizes(hidden)})
    if resume:
        settings = runs.resumed_settings(settings, explicit, out)
    result = runs.train(settings, out=out, resume=resume, say=_speaker(as_json))
    _finish(result, as_json)


@app.command()
def evaluate(
    model: Annotated[Path, typer.Argument(help="A model file, or the --out folder of a training.")],
    dataset: Annotated[str, typer.Argument(help="digits, mnist, fashion-mnist (their test parts), or a file.")],
    target: Annotated[str | None, typer.Option(help="The column of a file that holds the labels.")] = None,
    device: DeviceName = "auto",
    toolchain: ToolchainName = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Test a trained model on labelled data."""
    from . import runs

    result = runs.evaluate(
        model, dataset, target=target, device=device, toolchain=toolchain, data_dir=data_dir, say=_speaker(as_json)
    )
    _finish(result, as_json)


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="A model file, or the --out folder of a training.")],
    file: Annotated[Path, typer.Argument(help="A .csv, .npz or .parquet file with the columns of training.")],
    out: Annotated[Path | None, typer.Option(help="CSV file to write; standard output if not given.")] = None,
    device: DeviceName = "auto",
    toolchain: ToolchainName = None,
    as_json: Json = False,
) -> None:
    """Write the label and the probability of each class for every row of a file."""
    from . import runs

    if as_json and out is None:
        raise ArgumentError("--json needs --out FILE for the predictions: both would go to standard output")
    table, result = runs.predict(model, file, device=device, toolchain=toolchain)
    if out is None:
        sys.stdout.write(table)
    else:
        from .files import write_whole

        write_whole(out, table)
        _speaker(as_json)(f"{result['rows']} predictions written to {out}")
        _finish(result, as_json)


@app.command()
def info(as_json: Json = False) -> None:
    """List devices, toolchains and versions, and what would add the missing ones."""
    from . import info as information

    report = information.collect()
    if not as_json:
        information.show(report)
    _finish(report, as_json)


def _explicit(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _sizes(hidden: str) -> tuple[int, ...]:
    """The sizes of the hidden layers from "256,128"."""
    try:
        sizes = tuple(int(part) for part in hidden.split(",")) if hidden.strip() not in ("", "0") else ()
    except ValueError:
        sizes = (0,)
    if any(size < 1 for size in sizes):
        raise ArgumentError(
            f"--hidden is {hidden!r}, expected sizes of at least 1, such as 256,128, or 0 for no hidden layer"
        )
    return sizes


def _speaker(as_json: bool) -> Any:
    """How a run reports to a person: on standard output, or on standard error beside --json."""
    from rich.console import Console

    console = Console(stderr=as_json, highlight=False, markup=False, soft_wrap=True)
    return console.print


def _finish(result: Any, as_json: bool) -> None:
    if as_json:
        if dataclasses.is_dataclass(result) and not isinstance(result, type):
            result = dataclasses.asdict(result)
        print(json.dumps(result))


def main() -> None:
    """Run the command; a foreseen error is one sentence on standard error and exit code 1."""
    try:
        app()
    except GpugradError as error:
        sys.stderr.write(f"gpugrad: {error}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.stderr.write("gpugrad: interrupted\n")
        sys.exit(130)
