"""Options and helpers shared by several commands."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import typer

from ..engine.device import TOOLCHAINS
from ..engine.files import to_json
from ..errors import ArgumentError


def listed(names: Iterable[str], last: str = "or") -> str:
    """Return ["a", "b", "c"] as "a, b or c"."""
    *first, end = names
    return f"{', '.join(first)} {last} {end}" if first else end


def option(panel: str, text: str, *names: str, choices: Iterable[str] = ()) -> Any:
    """Return an option with a help text, in a panel of the help; the shell completes the choices."""
    return typer.Option(*names, help=text, rich_help_panel=panel, autocompletion=completing(choices))


def completing(choices: Iterable[str]) -> Callable[[str], list[str]] | None:
    """Return what the shell calls to complete a name, or the last one of several after commas; None without choices."""
    known = tuple(choices)

    def complete(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        return [before + comma + name for name in known if name.startswith(last)]

    return complete if known else None


DEVICES = ("auto", *TOOLCHAINS)


INTERRUPTED = 130  # the exit code of shells after Ctrl-C
NETWORK, TRAINING, DATA, RUN = "Network", "Training", "Data", "Run"
Target = Annotated[str | None, option(DATA, "The column of a file to predict.")]
DataDir = Annotated[
    Path | None, option(DATA, "Folder with the files of mnist or fashion-mnist; default: GPUGRAD_DATA.")
]
DeviceName = Annotated[str, option(RUN, f"{listed(DEVICES)}; cuda:1 is the second GPU.", choices=DEVICES)]
ToolchainName = Annotated[
    str | None,
    option(
        RUN,
        "Kernels to use: numba or numpy on a CPU, cupy or numba on a GPU.",
        choices=dict.fromkeys(name for names in TOOLCHAINS.values() for name in names),
    ),
]
Dark = Annotated[bool, option(RUN, "Draw pictures for dark paper.", "--dark")]
Json = Annotated[bool, option(RUN, "Print the result as one JSON object on the last line.", "--json")]


def path(text: str) -> Path:
    """Return a path; refuse an empty one, as of an unset variable in a script: Path("") is the current folder."""
    if not text:
        raise typer.BadParameter("it is empty, expected a path; name a file or folder, or leave it out")
    return Path(text)


def refuse_empty_paths(command: Any) -> None:
    """Let Typer make the paths among a command's parameters with `path`."""
    command.__annotations__ = get_type_hints(command, include_extras=True)
    for hint in command.__annotations__.values():
        annotation, *infos = get_args(hint) or (hint,)
        if Path in (annotation, *get_args(annotation)):
            infos[0].parser = path


def is_explicit(context: typer.Context, name: str) -> bool:
    """Return whether an option was given on the command line."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def refuse_others(context: typer.Context, used: Iterable[str], where: str) -> None:
    """Refuse the first option on the command line that is not among the used ones, and so would have no effect."""
    for parameter in context.command.params:
        if parameter.name not in used and is_explicit(context, parameter.name):
            raise ArgumentError(f"{parameter.opts[0]} has no effect {where}: leave it out")


def printer(as_json: bool) -> Any:
    """Return a function that prints a line: to standard output, or to standard error with --json."""
    from rich.console import Console

    console = Console(stderr=as_json, highlight=False, markup=False, soft_wrap=True)
    return console.print


def status(text: str) -> Any:
    """Return a status line for a terminal."""
    from rich.console import Console

    return Console(stderr=True, highlight=False).status(text)


def finish(result: Any, as_json: bool) -> None:
    """Print the result of --json."""
    if as_json:
        print(to_json(result))


def names(text: str | None) -> list[str] | None:
    """Return ["adam", "dense"] for "adam, dense", None for None; raise ArgumentError if there is no name."""
    if text is None:
        return None
    found = [part.strip() for part in text.split(",") if part.strip()]
    if not found:
        raise ArgumentError(f"there is no name in {text!r}, expected one or more, separated by commas")
    return found


def layer_sizes(hidden: str) -> tuple[int, ...]:
    """Return the hidden layer sizes (256, 128) for "256,128"."""
    try:
        sizes = tuple(int(part) for part in hidden.split(",")) if hidden.strip() not in ("", "0") else ()
    except ValueError:
        sizes = (0,)
    if any(size < 1 for size in sizes):
        raise ArgumentError(
            f"--hidden is {hidden!r}, expected sizes of at least 1, such as 256,128, or 0 for no hidden layer"
        )
    return sizes
