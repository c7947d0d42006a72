"""`gpugrad names`: tables of everything that has a name."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from typing import Any

import typer

from .. import optim
from ..kernels.activation import ACTIVATIONS
from ..lab.surfaces import NAMES, surface
from ..nn.losses import LOSSES

HEAD = """# Names

Every name that commands, files and functions accept, generated from the rows that declare it. `gpugrad names >
docs/names.md` regenerates this page.
"""


def names() -> None:
    """List every optimizer, schedule, activation, loss and surface by name, in Markdown.

    Example: gpugrad names
    """
    typer.echo("\n".join([HEAD, *_sections()]))


def _sections() -> Iterable[str]:
    yield _section(
        "Optimizers",
        "`gpugrad train --optimizer`, `optim.make`, `gg.minimize`; the rows are in `gpugrad/optim/registry.py`. The "
        "rate is the default of `gpugrad train`. The estimators accept those marked as solvers.",
        ("name", "class", "options", "rate", "solver", "step", "description"),
        [
            (
                f"`{name}`",
                f"`optim.{rule.cls.__name__}`",
                ", ".join(f"{k}={v}" for k, v in rule.options.items()),
                f"{rule.peak_lr:g}",
                "yes" if rule.is_solver else "",
                rule.formula,
                _first_sentence(rule.cls).partition(": ")[0] + ".",
            )
            for name, rule in optim.RULES.items()
        ],
    )
    yield _section(
        "Schedules",
        "`gpugrad train --schedule`, `optim.make_schedule`, `schedule=` of the estimators; the rows are in "
        "`gpugrad/optim/registry.py`.",
        ("name", "class", "description"),
        [
            (f"`{name}`", f"`optim.{row.cls.__name__}`", _first_sentence(row.cls))
            for name, row in optim.SCHEDULES.items()
        ],
    )
    yield _section(
        "Activations",
        "`gpugrad train --activation`, `nn.Dense(activation=)`, `gg.functional`; the rows are in "
        "`kernels/activation/__init__.py`. `nn.init` draws the weights of a layer for its activation, with the gain.",
        ("name", "module", "in the estimators", "weights, gain", "formula"),
        [
            (
                f"`{row.name}`",
                f"`nn.{row.module}`",
                f"`{row.sklearn_name or row.name}`",
                f"{row.init}, {row.gain:.4g}",
                row.formula,
            )
            for row in ACTIVATIONS.values()
        ],
    )
    yield _section(
        "Losses",
        "`gg.Trainer(loss=)`, `nn.losses.make`; the rows are in `gpugrad/nn/losses.py`.",
        ("name", "module", "description"),
        [(f"`{name}`", f"`nn.{loss.__name__}`", _first_sentence(loss)) for name, loss in LOSSES.items()],
    )
    yield _section(
        "Surfaces",
        "`gpugrad descend SURFACE`, `gg.minimize`; the rows are in `gpugrad/lab/surfaces.py`.",
        ("name", "formula", "description"),
        [(f"`{name}`", surface(name).equation, surface(name).about) for name in NAMES],
    )


def _section(title: str, where: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in (head, *rows)]
    lines.insert(1, f"| {' | '.join('---' for _ in head)} |")
    return "\n".join([f"## {title}", "", where, "", *lines, ""])


def _first_sentence(thing: Any) -> str:
    """Return the first paragraph of a docstring on one line."""
    return " ".join((inspect.getdoc(thing) or "").partition("\n\n")[0].split())
