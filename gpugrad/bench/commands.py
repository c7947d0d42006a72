"""The commands `gpugrad bench …`: their options and what they print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(help="Measure kernels and training, compare and draw what was measured.", no_args_is_help=True)

Names = Annotated[str | None, typer.Option(help="Kernels or operations, with commas between; all if not given.")]
Against = Annotated[
    str | None, typer.Option(help="Libraries that do the same work, with commas between: numpy or cupy, torch.")
]
Quick = Annotated[bool, typer.Option("--quick", help="Small sizes and little time: that it runs, not how fast.")]
Threads = Annotated[int | None, typer.Option(help="Cores to measure with; all that the process has if not given.")]
Seconds = Annotated[float, typer.Option(help="The most time for one row; less where its median settles earlier.")]
RecordFile = Annotated[Path | None, typer.Option("--json", help="Write the record to this file.")]
DeviceName = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")]
ToolchainName = Annotated[str | None, typer.Option(help="numba or numpy on a CPU, cupy or numba on a GPU.")]


@app.command()
def kernels(
    device: DeviceName = "auto",
    toolchain: ToolchainName = None,
    only: Names = None,
    against: Against = None,
    quick: Quick = False,
    threads: Threads = None,
    seconds: Seconds = 1.0,
    record: RecordFile = None,
) -> None:
    """Time every kernel at several sizes, beside the limits of the machine and what libraries take."""
    from .. import device as get_device
    from ..files import check_writable
    from . import machine, tables
    from . import record as records
    from .kernels import measure
    from .timing import QUICK, Budget

    if record is not None:
        check_writable(record.parent)
    target = get_device(device, toolchain)
    with machine.cores(threads):
        _describe(target)
        print(tables.kernel_header())
        rows, ceilings = measure(
            target,
            names=_list(only),
            against=_list(against),
            quick=quick,
            budget=QUICK if quick else Budget(seconds=seconds),
            on_row=lambda row: print(tables.kernel_line(row), flush=True),
        )
        section = {"ceilings": ceilings.records(), "rows": [row.record() for row in rows]}
        made = records.make(target, {"kernels": section}, quick=quick)
    print("\nThe limits of this machine, measured in this run (m: memory, a: arithmetic; *: the median did not settle)")
    for line in tables.ceiling_lines(section["ceilings"]):
        print(line)
    _keep(made, record)


def _list(text: str | None) -> list[str] | None:
    return [part.strip() for part in text.split(",") if part.strip()] if text else None


def _describe(device: Any) -> None:
    from .machine import describe

    facts = describe(device)
    gpu = f"{facts['gpu']['name']}, " if "gpu" in facts else ""
    versions = ", ".join(f"{name} {version}" for name, version in facts["packages"].items())
    print(f"{device.name} ({device.toolchain}): {gpu}{facts['processor']}, {facts['cores']} cores; {versions}\n")


def _keep(made: dict[str, Any], path: Path | None) -> None:
    if path is not None:
        from . import record as records

        records.write(made, path)
        typer.echo(f"record written to {path}")
