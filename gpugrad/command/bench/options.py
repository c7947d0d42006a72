"""What the commands of `gpugrad bench` have in common: options, the device and its description, the record."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

DeviceName = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")]
ToolchainName = Annotated[str | None, typer.Option(help="numba or numpy on a CPU, cupy or numba on a GPU.")]
Quick = Annotated[bool, typer.Option("--quick", help="Small sizes and little time: that it runs, not how fast.")]
Threads = Annotated[int | None, typer.Option(help="Cores to measure with; all that the process has if not given.")]
Seconds = Annotated[float, typer.Option(help="The most time for one row; less where its median settles earlier.")]
DataDir = Annotated[Path | None, typer.Option(help="Folder with the files of mnist; GPUGRAD_DATA if not given.")]
RecordFile = Annotated[Path | None, typer.Option("--json", help="Write the record to this file.")]


def printed(line: Callable[[Any], str]) -> Callable[[Any], None]:
    """Prints each row as it is measured."""
    return lambda row: print(line(row), flush=True)


@contextlib.contextmanager
def measuring(
    device: str, toolchain: str | None, *, threads: int | None = None, quick: bool = False, record: Path | None = None
) -> Iterator[tuple[Any, dict[str, Any]]]:
    """The device, told of in a line, and the sections to fill, which are kept as a record at the end.

    Where one fails, those before it are kept: they took minutes to measure.
    """
    from ...bench.measure import machine
    from ...bench.records import record as records
    from ...engine.device import device as get_device
    from ...engine.files import check_writable

    if record is not None:
        check_writable(record.parent)
    target = get_device(device, toolchain)
    sections: dict[str, Any] = {}
    with machine.cores(threads):
        print(_described(target))
        try:
            yield target, sections
        finally:
            if record is not None and sections:
                records.write(records.make(target, sections, quick=quick), record)
                print(f"record written to {record}, of {', '.join(sections)}")


def _described(device: Any) -> str:
    from ...bench.measure.machine import describe

    facts = describe(device)
    gpu = f"{facts['gpu']['name']}, " if "gpu" in facts else ""
    versions = ", ".join(f"{name} {version}" for name, version in facts["packages"].items())
    tuned = f"; {facts['tuned_variants']} tuned variants are in use" if "tuned_variants" in facts else ""
    return f"{device.name} ({device.toolchain}): {gpu}{facts['processor']}, {facts['cores']} cores; {versions}{tuned}"
