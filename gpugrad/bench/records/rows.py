"""Check the rows of a record's sections, and select the rows that represent a kernel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import geometric_mean
from typing import Any

from ...errors import DataError
from ..measure.kernels import OWN

LOWER_PRECISIONS = ("tf32", "bfloat16")
Row = dict[str, Any]

TRAINING = (
    *("network", "batch", "engine", "data", "median", "low", "high", "runs", "accuracy", "first", "times_ours"),
)

# The columns of a report for each section, in order.
COLUMNS = {
    "kernels": (
        *("kernel", "size", "by", "toolchain", "cache", "median", "low", "high", "runs", "bytes", "operations"),
        *("bandwidth", "speed", "intensity", "share", "limit", "compile", "times_ours"),
    ),
    "training": TRAINING,
    "training_in_company": TRAINING,
    "latency": ("network", "engine", "training", "median", "low", "high", "p99", "runs", "times_ours"),
    "time_to_accuracy": ("network", "batch", "engine", "data", "target", "seconds", "epochs", "accuracy"),
    "scaling": (
        *("axis", "value", "network", "batch", "median", "low", "high", "runs", "operations", "speed", "update_bytes"),
    ),
    "startup": ("cache", "what", "seconds", "low", "high", "runs"),
    "memory": (
        *("network", "batch", "rows", "data", "parameters", "activations", "constant", "bound", "peak", "holds"),
    ),
}


def rows_of(record: dict[str, Any], section: str, columns: Sequence[str] = ()) -> list[Row]:
    """Return the rows of a section, or none if the record lacks it.

    Raise DataError if it is not a list of rows, or if a row lacks a column.
    """
    found = record["sections"].get(section, {"rows": []})
    rows = found.get("rows") if isinstance(found, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"the section {section} of the record has no list of rows: measure it again")
    for i, row in enumerate(rows):
        if missing := [name for name in columns if name not in row]:
            raise DataError(f"row {i} of the section {section} has no {', '.join(missing)}: measure it again")
    return rows


def name(row: Row) -> str:
    """Return the kernel of a row, with its precision unless that is float32."""
    precision = row["size"].partition(",")[0]
    return f"{row['kernel']}, {precision}" if precision in LOWER_PRECISIONS else row["kernel"]


def network(row: Row) -> str:
    """Return the network and batch size of a row."""
    return f"{row['network']}, batch {row['batch']}"


def by_speed(rows: Iterable[Row]) -> list[str]:
    """Return the engines: gpugrad, then the others by the geometric mean of their ratios to it."""
    ratios: dict[str, list[float]] = {}
    for row in rows:
        ratios.setdefault(row["engine"], []).append(row["times_ours"])
    return sorted(ratios, key=lambda engine: (engine != OWN, geometric_mean(ratios[engine])))


def largest(rows: Iterable[Row]) -> list[Row]:
    """Return the row with the most bytes for each kernel, precision and library; the cold one if there is one."""
    found: dict[tuple[str, str], Row] = {}
    for row in rows:
        key = name(row), row["by"]
        if key not in found or _rank(row) > _rank(found[key]):
            found[key] = row
    return list(found.values())


def _rank(row: Row) -> tuple[float, float, bool]:
    return row["bytes"], row["operations"], row["cache"] == "cold"


def own(rows: Iterable[Row]) -> list[Row]:
    """Return gpugrad's rows."""
    return [row for row in rows if row["by"] == OWN]


def limited(rows: Iterable[Row]) -> list[Row]:
    """Return gpugrad's largest rows with a known fraction of their limit."""
    return [row for row in largest(own(rows)) if row["share"] is not None]


def compared(rows: Iterable[Row]) -> list[Row]:
    """Return the libraries' largest rows with a ratio to gpugrad's time."""
    return [row for row in largest(rows) if row["by"] != OWN and row["times_ours"]]
