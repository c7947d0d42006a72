"""The page as a file, which computes every path by itself."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import Any

from ...engine.files import check_writable_file, write_whole
from ...errors import ArgumentError, choose
from ...optim import RULES
from ..race import USUAL
from ..surfaces import NAMES, surface
from .document import describe, document

COMPUTED = ("heights", "side", "bands")  # entries that the page computes from a formula


def write_page(file: str | pathlib.Path, surfaces: Sequence[str] = NAMES, *, optimizers: Sequence[str] = USUAL) -> None:
    """Write the page as one file that needs no server.

    Parameters
    ----------
    file : path_like
        File to write, .html.
    surfaces : sequence of str
        Names of the surfaces.
    optimizers : sequence of str
        Optimizers that are selected at first.

    Raises
    ------
    ArgumentError
        If the file has another suffix, or a surface or optimizer is unknown.
    StorageError
        If the file cannot be written.
    """
    file = pathlib.Path(file)
    if file.suffix != ".html":
        raise ArgumentError(f"the page cannot be written to {file.name}, expected a name that ends in .html: rename it")
    for name in optimizers:
        choose("optimizer", name, RULES)
    functions = [surface(name) for name in surfaces]
    check_writable_file(file)
    write_whole(file, document(surfaces, optimizers, {f.name: _described(f) for f in functions}))


def _described(f: Any) -> dict[str, Any]:
    """Return what the page computes a surface from."""
    if f.formula is None:
        return {**describe(f), "network": f.network}
    return {name: value for name, value in describe(f, side=2).items() if name not in COMPUTED}
