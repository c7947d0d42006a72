"""The command gpugrad: its options and what it prints. The work is in `runs` and `info`."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ..engine.files import to_json, write_whole
from ..engine.version import __version__
from ..errors import ArgumentError, GpugradError
from .bench.app import app as bench
from .bench.options import layer_sizes
from .descend import descend
from .export import export

app = typer.Typer(
    name="gpugrad",
    help="Train multilayer perceptrons with handwritten CUDA kernels, and the same on a machine with no GPU.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(bench, name="bench")
app.command()(export)
app.command()(descend)

# Typer has no public name for it: older releases have the one of click, newer ones a copy of that.
UsageError: Any = typer.BadParameter.__bases__[0]
INTERRUPTED = 130  # the exit code that shells give to Ctrl-C


def _option(panel: str, words: str, *names: str) -> Any:
    return typer.Option(*names, help=words, rich_help_panel=panel)


NETWORK, TRAINING, DATA, RUN = "Network", "Training", "Data", "Run"
Target = Annotated[str | None, _option(DATA, "The column of a file that is to be predicted.")]
DataDir = Annotated[
    Path | None, _option(DATA, "Folder with the files of mnist or fashion-mnist; GPUGRAD_DATA if not given.")
]
DeviceName = Annotated[str, _option(RUN, "auto, cpu, cuda, cuda:1, emulator or simulator.")]
ToolchainName = Annotated[str | None, _option(RUN, "Kernels to use: numba or numpy on a CPU, cupy or numba on a GPU.")]
Json = Annotated[bool, _option(RUN, "Make the last line of standard output one JSON object.", "--json")]


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"gpugrad {__version__}")
        raise typer.Exit()


@app.callback(invoke_without_command=True)
def gpugrad(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def train(
    context: typer.Context,
    dataset: Annotated[str, typer.Argument(help="digits, mnist, fashion-mnist, or a .csv, .npz or .parquet file.")],
    hidden: Annotated[str, _option(NETWORK, "Sizes of the hidden layers; 0 for none.")] = "256,128",
    activation: Annotated[str, _option(NETWORK, "relu, leaky_relu, tanh, sigmoid, gelu, silu or identity.")] = "relu",
    dropout: Annotated[float, _option(NETWORK, "Probability of dropping a hidden unit, in [0, 1).")] = 0.0,
    optimizer: Annotated[
        str,
        _option(TRAINING, "sgd, momentum, nesterov, adagrad-norm, adagrad, rmsprop, adadelta, adam or adamw."),
    ] = "adam",
    lr: Annotated[
        float | None,
        _option(
            TRAINING, "Learning rate, the peak of one-cycle and warmup; if not given, one that suits the optimizer."
        ),
    ] = None,
    schedule: Annotated[
        str, _option(TRAINING, "constant, step, exponential, cosine, one-cycle, warmup or plateau.")
    ] = "one-cycle",
    epochs: Annotated[int, _option(TRAINING, "Passes over the training data.")] = 20,
    batch_size: Annotated[int, _option(TRAINING, "Rows of a minibatch.")] = 64,
    weight_decay: Annotated[float, _option(TRAINING, "Weight decay of the optimizer.")] = 0.0,
    clip_norm: Annotated[float | None, _option(TRAINING, "Limit of the gradient's norm; none if not given.")] = None,
    label_smoothing: Annotated[float, _option(TRAINING, "Share of each label spread over all classes.")] = 0.0,
    balanced: Annotated[bool, _option(TRAINING, "Weigh rare classes as much as frequent ones.", "--balanced")] = False,
    early_stopping: Annotated[
        int, _option(TRAINING, "Stop after this many epochs without progress, with the best weights; 0: never.")
    ] = 0,
    precision: Annotated[
        str, _option(TRAINING, "Of matrix products: float32, or tf32 or bfloat16, which a GPU's tensor cores multiply.")
    ] = "float32",
    seed: Annotated[int, _option(TRAINING, "Seed of weights, splits, shuffling and dropout.")] = 0,
    target: Target = None,
    task: Annotated[
        str, _option(DATA, "classification, regression or auto, which goes by the values of the target.")
    ] = "auto",
    validation: Annotated[float, _option(DATA, "Share of the training rows held out to validate on; 0: none.")] = 0.1,
    data_dir: DataDir = None,
    device: DeviceName = "auto",
    toolchain: ToolchainName = None,
    out: Annotated[Path | None, _option(RUN, "Folder for model, checkpoint, history and pictures.")] = None,
    resume: Annotated[
        bool, _option(RUN, "Go on from the checkpoint in --out, with the settings it was made with.", "--resume")
    ] = False,
    profile: Annotated[
        Path | None,
        _option(RUN, "Show what each operation of a step takes, and write a Chrome trace of some steps to this file."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Train a network on a data set and test it."""
    from . import runs

    given = {k: v for k, v in context.params.items() if k not in ("as_json", "resume", "out", "profile")}
    settings = runs.Settings(**{**given, "hidden": layer_sizes(hidden)})
    if resume:
        settings = runs.resumed_settings(settings, {k for k in given if _explicit(context, k)}, out)
    result = runs.train(settings, out=out, resume=resume, profile=profile, say=_speaker(as_json))
    _finish(result, as_json)
    if runs.interrupted(result["stopped"]):
        raise typer.Exit(INTERRUPTED)


@app.command()
def evaluate(
    model: Annotated[Path, typer.Argument(help="A model file, or the --out folder of a training.")],
    dataset: Annotated[
        str, typer.Argument(help="digits, mnist, fashion-mnist (their test parts), or a file (all rows).")
    ],
    target: Target = None,
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
    out: Annotated[Path | None, _option(RUN, "CSV file to write; standard output if not given.")] = None,
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
        write_whole(out, table)
        _speaker(as_json)(f"{result['rows']} predictions written to {out}")
        _finish(result, as_json)


@app.command()
def check(
    device: Annotated[
        str | None, _option(RUN, "cpu, cuda, emulator or simulator; all that this machine has if not given.")
    ] = None,
    toolchain: ToolchainName = None,
    quick: Annotated[bool, _option(RUN, "Leave out the examples that are much work.")] = False,
    only_compile: Annotated[
        bool,
        _option(RUN, "Compile every CUDA kernel for seven architectures instead, with no GPU.", "--compile"),
    ] = False,
    as_json: Json = False,
) -> None:
    """Compare every kernel with its reference; the exit code is 1 if one is wrong."""
    from ..engine import check as checks
    from ..engine import compilation

    if only_compile:
        with _status("compiling …"):
            compiled, assembled = compilation.compile_all(), compilation.assemble_all()
        if not as_json:
            compilation.show(compiled, assembled)
        _finish(compilation.as_records(compiled, assembled), as_json)
        if any(entry.problem for entry in (*compiled, *assembled)):
            raise typer.Exit(1)
        return
    with _status("checking …") as status:
        findings = checks.check(
            checks.available_devices(device, toolchain),
            lambda finding: status.update(f"{finding.kernel} on {finding.device}, {finding.toolchain} …"),
            most_work=checks.QUICK_WORK if quick else float("inf"),
        )
    if not as_json:
        checks.show(findings)
    _finish(checks.summary(findings), as_json)
    if not all(finding.passed for finding in findings):
        raise typer.Exit(1)


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


def _speaker(as_json: bool) -> Any:
    """How a run reports to a person: on standard output, or on standard error beside --json."""
    from rich.console import Console

    console = Console(stderr=as_json, highlight=False, markup=False, soft_wrap=True)
    return console.print


def _status(words: str) -> Any:
    """A line on a terminal that says what is being done."""
    from rich.console import Console

    return Console(stderr=True, highlight=False).status(words)


def _finish(result: Any, as_json: bool) -> None:
    if as_json:
        print(to_json(result))


def main() -> None:
    """Run the command; a foreseen error is one sentence on standard error.

    The exit code is 0; 1 after an error; 2 for options that cannot be read; 130 after an interrupt (Ctrl-C).
    """
    logging.getLogger("gpugrad").addHandler(logging.NullHandler())  # `say` reports what the trainer would log
    try:
        code, words = app(prog_name="gpugrad", standalone_mode=False) or 0, ""
    except UsageError as error:
        command = error.ctx.command_path if error.ctx else "gpugrad"
        code, words = 2, f"{error.format_message().rstrip('.?')}: see {command} --help"
    except GpugradError as error:
        code, words = 1, str(error)
    except MemoryError as error:
        code, words = 1, f"out of memory ({error}): choose smaller --hidden sizes or fewer rows"
    except OSError as error:
        if error.filename is None:
            raise
        code, words = 1, f"cannot use {error.filename}: {error.strerror}: choose a file or folder that you may use"
    except (KeyboardInterrupt, typer.Abort):
        code, words = INTERRUPTED, ""
    if code == INTERRUPTED:
        words = "interrupted"
    if words:
        sys.stderr.write(f"gpugrad: {words}\n")
    sys.exit(code)
