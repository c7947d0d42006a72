"""The command `gpugrad bench operations`: small operations and an unrecorded step next to PyTorch."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ...bench.records.tables import duration
from .options import Quick, RecordFile, Threads, ToolchainName, measuring, printed

Rounds = Annotated[int, typer.Option(min=5, help="Number of timings of each side.")]

QUICK_ROUNDS = 5
HEADER = f"{'operation':<20} {'gpugrad':>9} {'PyTorch':>9} {'× ours':>7} {'20–80 %':>15}"


def operations(
    toolchain: ToolchainName = None,
    rounds: Rounds = 50,
    quick: Quick = False,
    threads: Threads = None,
    record: RecordFile = None,
) -> None:
    """Time small operations of the tape and a step that is not recorded, on a CPU, next to PyTorch.

    Example: gpugrad bench operations --threads 1
    """
    from ...bench.measure import operations as measured

    with measuring("cpu", toolchain, threads=threads, quick=quick, record=record) as (target, sections):
        print(f"\n{HEADER}")
        rows = measured.measure(target, rounds=QUICK_ROUNDS if quick else rounds, on_row=printed(line))
        sections["operations"] = {"rows": rows}


def line(row: dict[str, Any]) -> str:
    """Format a row of the table."""
    return (
        f"{row['operation']:<20} {duration(row['median']):>9} {duration(row['pytorch']):>9} "
        f"{row['times_ours']:>6.2f} × {row['low']:>6.2f} – {row['high']:.2f}"
    )
