"""The `gpugrad` command: its subcommands, error messages and exit codes."""

from __future__ import annotations

import filecmp
import logging
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .. import kernels
from ..engine.version import __version__
from ..errors import GpugradError, reason
from .bench.app import app as bench
from .check import check
from .descend import descend
from .evaluate import evaluate
from .export import export
from .info import info
from .names import names
from .options import INTERRUPTED, refuse_empty_paths
from .output import open_output
from .predict import predict
from .train import train

COMMANDS = (train, evaluate, predict, export, descend, check, bench, info, names)  # the order of --help


class _InOrder(TyperGroup):
    """The commands, listed in their order: Typer lists groups such as `bench` last."""

    def list_commands(self, ctx: Any) -> list[str]:
        names = [getattr(command, "__name__", "bench") for command in COMMANDS]
        return sorted(super().list_commands(ctx), key=names.index)


app = typer.Typer(
    name="gpugrad",
    cls=_InOrder,
    help="Train multilayer perceptrons with handwritten CUDA kernels, with or without a GPU.\n\n"
    "Example: gpugrad train digits",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for command in COMMANDS:
    if command is bench:
        app.add_typer(bench, name="bench")
    else:
        app.command()(command)
for registered in (*app.registered_commands, *bench.registered_commands):
    refuse_empty_paths(registered.callback)

# Typer exports no UsageError: older releases raise click's, newer ones their own copy.
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
    """Print the help if there is no command."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _warn_of_another_checkout() -> None:
    """Warn if the current folder is a checkout with other sources than those that run."""
    here, package = Path("kernels"), Path(__file__).parents[1]
    if not (here / "contract.py").exists() or here.resolve() == kernels.FOLDER.resolve():
        return
    if not (_same_sources(here, kernels.FOLDER) and _same_sources(Path("gpugrad"), package)):
        sys.stderr.write(f"gpugrad: running from {package}, not from this checkout: use python -m gpugrad\n")


def _same_sources(checkout: Path, running: Path) -> bool:
    """Return whether every source file of a checkout's folder is the one that runs."""
    files = [file for pattern in ("*.py", "*.cu*", "*.h") for file in checkout.rglob(pattern)]
    return all(
        (other := running / file.relative_to(checkout)).exists() and filecmp.cmp(file, other, shallow=False)
        for file in files
    )


def main() -> None:
    """Run the command; report an expected error as one sentence on standard error.

    The exit code is 0 on success, 1 after an error, 2 for invalid options and 130 after an interrupt (Ctrl-C).
    """
    logging.getLogger("gpugrad").addHandler(logging.NullHandler())  # the commands print what the trainer would log
    output = open_output()
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _warn_of_another_checkout()
        code, message = app(prog_name="gpugrad", standalone_mode=False) or 0, ""
        output.flush()
    except UsageError as error:
        command = error.ctx.command_path if error.ctx else "gpugrad"
        said = error.format_message().rstrip(".?").replace(". Did", ", did")
        code, message = 2, f"{said[:1].lower()}{said[1:]}: see {command} --help"
    except GpugradError as error:
        code, message = 1, str(error)
    except MemoryError as error:
        said = f" ({reason(error)})" if str(error) else ""
        code, message = 1, f"out of memory{said}: choose smaller --hidden sizes or fewer rows"
    except BrokenPipeError:  # the reader of the output has ended
        output.drop()
        sys.exit(1)
    except OSError as error:
        if error.filename is None:
            raise
        code, message = 1, f"cannot use {error.filename}: {error.strerror}: choose a file or folder that you can access"
    except (KeyboardInterrupt, typer.Abort):
        code, message = INTERRUPTED, ""
    if code == 0 and output.error is not None:
        code, message = 1, f"standard output was cut off: {output.error.strerror}; send it elsewhere"
    if code == INTERRUPTED:
        message = "interrupted"
    if message:
        sys.stderr.write(f"gpugrad: {message}\n")
    sys.exit(code)
