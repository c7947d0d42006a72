"""Pictures of a record, as SVG for a page and as PNG.

drawing     Style and output.
kernels     Roofline, fraction of the limits, comparison with libraries.
training    Steps, time to an accuracy, and scaling.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..records.rows import COLUMNS, compared, limited, own, rows_of
from . import kernels, training
from .drawing import Picture, styled

__all__ = ["Picture", "draw"]


def draw(record: dict[str, Any]) -> list[Picture]:
    """Draw every picture for which a record has rows.

    Parameters
    ----------
    record : dict
        A record.

    Returns
    -------
    list of Picture
        The pictures.

    Raises
    ------
    GpugradError
        If Matplotlib is not installed.
    DataError
        If a row lacks a column of its section.
    """
    with styled():
        return list(_pictures(record))


def _pictures(record: dict[str, Any]) -> Iterator[Picture]:
    rows = {section: rows_of(record, section, columns) for section, columns in COLUMNS.items()}
    sections = record["sections"]
    ceilings = sections.get("kernels", {}).get("ceilings", [])
    working = [row for row in own(rows["kernels"]) if row["intensity"] > 0 and row["speed"] > 0]
    if working and any(ceiling["name"] == "copy" for ceiling in ceilings):
        yield kernels.roofline(working, ceilings)
    if shares := limited(rows["kernels"]):
        yield kernels.shares(shares)
    if peers := compared(rows["kernels"]):
        yield kernels.peers(peers)
    if rows["training"]:
        yield training.steps(rows["training"])
    if any(row["seconds"] for row in rows["time_to_accuracy"]):
        yield training.time_to_accuracy(rows["time_to_accuracy"])
    if rows["scaling"]:
        yield training.scaling(rows["scaling"], sections["scaling"].get("slopes", []))
