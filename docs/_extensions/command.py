"""The reference of the `gpugrad` command: one page per subcommand, from the same declarations as `--help`."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from sphinx.application import Sphinx

from gpugrad.command.app import app as program

from .pages import plain, write_pages


@functools.cache
def commands() -> dict[str, Any]:
    """Return every subcommand that is no group by its name, such as "bench kernels"."""
    return dict(_below(typer.main.get_command(program), ""))


def _below(group: Any, name: str) -> Iterator[tuple[str, Any]]:
    for word, command in group.commands.items():
        full = f"{name} {word}".strip()
        if hasattr(command, "commands"):
            yield from _below(command, full)
        else:
            yield full, command


def section(name: str, command: Any, level: int) -> str:
    """Return the description of a subcommand: usage, arguments, and options by panel."""
    context = typer.Context(command, info_name=f"gpugrad {name}")
    context.show_default = True
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    usage = " ".join(p.name.upper() if p.required else f"[{p.name.upper()}]" for p in arguments)
    about, _, more = " ".join((command.help or "").split()).partition(" Example: ")
    lines = [
        f"{'#' * level} gpugrad {name}",
        "",
        "```text",
        f"gpugrad {name} {usage} [OPTIONS]".replace("  ", " "),
        "```",
    ]
    lines += ["", plain(about), ""]
    if more:
        lines += ["Example:", "", "```text", more, "```", ""]
    lines += [f"- `{p.name.upper()}`: {plain(p.help or '')}" for p in arguments]
    lines += ["", f"```{{program}} gpugrad {name}", "```", ""]
    panels: dict[str | None, list[Any]] = {}
    for parameter in command.params:
        if parameter.param_type_name == "option" and not parameter.hidden:
            panels.setdefault(parameter.rich_help_panel, []).append(parameter)
    for panel, options in panels.items():
        lines += [f"**{panel}**", ""] if panel and len(panels) > 1 else []
        for parameter in options:
            head, text = parameter.get_help_record(context)
            text = re.sub(r"\s+\[default: (.*)\]$", r" Default: `\1`.", text)
            lines += [f"```{{option}} {head}", plain(text), "```", ""]
    return "\n".join(lines)


def write(app: Sphinx) -> None:
    """Write a page per subcommand, and one for all of a group."""
    pages: dict[str, str] = {}
    groups: Any = vars(typer.main.get_command(program))["commands"]
    for name, command in commands().items():
        group, _, rest = name.partition(" ")
        if rest and f"{group}.md" not in pages:
            about = groups[group].help
            pages[f"{group}.md"] = f"# gpugrad {group}\n\n{about}\n\n"
        pages[f"{group}.md"] = pages.get(f"{group}.md", "") + section(name, command, 2 if rest else 1) + "\n"
    write_pages(Path(app.srcdir) / "reference" / "command", pages)


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the pages before Sphinx looks for them."""
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True}
