"""What several commands share: options, where they print, how they end."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from ..engine.device import TOOLCHAINS
from ..engine.files import to_json
from ..errors import ArgumentError


def listed(names: Iterable[str], last: str = "or") -> str:
    """["a", "b", "c"] as "a, b or c"."""
    *first, end = names
    return f"{', '.join(first)} {last} {end}" if first else end


def option(panel: str, words: str, *names: str) -> Any:
    return typer.Option(*names, help=words, rich_help_panel=panel)


INTERRUPTED = 130  # the exit code that shells give to Ctrl-C
NETWORK, TRAINING, DATA, RUN = "Network", "Training", "Data", "Run"
Target = Annotated[str | None, option(DATA, "The column of a file that is to be predicted.")]
DataDir = Annotated[
    Path | None, option(DATA, "Folder with the files of mnist or fashion-mnist; GPUGRAD_DATA if not given.")
]
DeviceName = Annotated[str, option(RUN, f"{listed(['auto', *TOOLCHAINS])}; cuda:1 is the second GPU.")]
ToolchainName = Annotated[str | None, option(RUN, "Kernels to use: numba or numpy on a CPU, cupy or numba on a GPU.")]
Json = Annotated[bool, option(RUN, "Make the last line of standard output one JSON object.", "--json")]


def is_explicit(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def speaker(as_json: bool) -> Any:
    """How a run reports to a person: on standard output, or on standard error beside --json."""
    from rich.console import Console

    console = Console(stderr=as_json, highlight=False, markup=False, soft_wrap=True)
    return console.print


def status(words: str) -> Any:
    """A line on a terminal that says what is being done."""
    from rich.console import Console

    return Console(stderr=True, highlight=False).status(words)


def finish(result: Any, as_json: bool) -> None:
    if as_json:
        print(to_json(result))


def names(text: str | None) -> list[str] | None:
    """["adam", "dense"] from "adam, dense", None from None. Raises ArgumentError if no name is there."""
    if text is None:
        return None
    found = [part.strip() for part in text.split(",") if part.strip()]
    if not found:
        raise ArgumentError(f"there is no name in {text!r}, expected one or more: separate them by commas")
    return found


def layer_sizes(hidden: str) -> tuple[int, ...]:
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
