"""The command gpugrad: its subcommands put together, and how it ends."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import kernels
from ..engine.version import __version__
from ..errors import GpugradError
from .bench.app import app as bench
from .check import check
from .descend import descend
from .evaluate import evaluate
from .export import export
from .info import info
from .names import names
from .options import INTERRUPTED
from .predict import predict
from .train import train

app = typer.Typer(
    name="gpugrad",
    help="Train multilayer perceptrons with handwritten CUDA kernels, and the same on a machine with no GPU.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(bench, name="bench")
for command in (export, descend, train, evaluate, predict, check, info, names):
    app.command()(command)

# Typer has no public name for it: older releases have the one of click, newer ones a copy of that.
UsageError: Any = typer.BadParameter.__bases__[0]


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


def _tell_of_another_checkout() -> None:
    """Say so where the current folder is a checkout, and not the one that runs."""
    here = Path("kernels")
    if (here / "contract.py").exists() and Path("gpugrad").exists() and here.resolve() != kernels.FOLDER.resolve():
        sys.stderr.write(f"gpugrad: runs from {kernels.FOLDER.parent}, not from this checkout: use python -m gpugrad\n")


def main() -> None:
    """Run the command; a foreseen error is one sentence on standard error.

    The exit code is 0; 1 after an error; 2 for options that cannot be read; 130 after an interrupt (Ctrl-C).
    """
    logging.getLogger("gpugrad").addHandler(logging.NullHandler())  # `say` reports what the trainer would log
    _tell_of_another_checkout()
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
