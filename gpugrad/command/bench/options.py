"""Options and helpers shared by the `gpugrad bench` commands."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from ...errors import counted
from ..options import completing, listed

DEVICES = ("auto", "cpu", "cuda", "cuda:1")
DeviceName = Annotated[str, typer.Option(help=f"{listed(DEVICES)}.", autocompletion=completing(DEVICES))]
ToolchainName = Annotated[
    str | None,
    typer.Option(
        help="numba or numpy on a CPU, cupy or numba on a GPU.", autocompletion=completing(("numba", "numpy", "cupy"))
    ),
]
Quick = Annotated[
    bool, typer.Option("--quick", help="Use small sizes and short runs to check that it works; the times mean nothing.")
]
BUSY = 0.75  # load per core of a machine whose times vary
Threads = Annotated[int | None, typer.Option(help="CPU cores to use; default: all available to the process.")]
Seconds = Annotated[float, typer.Option(help="Maximum seconds per row; a row ends earlier if its median settles.")]
Engines = Annotated[
    str | None,
    typer.Option(
        help="Engines to compare with, separated by commas, such as pytorch-fused-adam,jax-scan; default: all that are "
        "installed."
    ),
]
DataDir = Annotated[Path | None, typer.Option(help="Folder with the MNIST files; default: GPUGRAD_DATA.")]
RecordFile = Annotated[Path | None, typer.Option("--json", help="Write the record to this file.")]


def printed(line: Callable[[Any], str]) -> Callable[[Any], None]:
    """Return a function that prints each row as it is measured."""
    return lambda row: print(line(row), flush=True)


@contextlib.contextmanager
def measuring(
    device: str, toolchain: str | None, *, threads: int | None = None, quick: bool = False, record: Path | None = None
) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Describe the device, yield it with a dict of sections to fill, and write the record at the end.

    If a section fails, the record keeps the sections before it: they took minutes to measure.
    """
    from ...bench.measure import machine
    from ...bench.records import record as records
    from ...engine.device import device as get_device
    from ...engine.files import check_writable_file

    if record is not None:
        check_writable_file(record)
    target = get_device(device, toolchain)
    sections: dict[str, Any] = {}
    with machine.cores(threads):
        print(_described(target))
        if (load := machine.load()) > BUSY * machine.usable_cores():
            print(f"this machine is busy: {load:.1f} processes ran in the last minute, so the times vary more")
        if quick:
            print("quick run: small sizes, and the times mean nothing")
        try:
            yield target, sections
        finally:
            if record is not None and sections:
                records.write(records.make(target, sections, quick=quick), record)
                print(f"wrote the record to {record}: {', '.join(sections)}")


def _described(device: Any) -> str:
    from ...bench.measure.machine import describe

    facts = describe(device)
    gpu = f"{facts['gpu']['name']}, " if "gpu" in facts else ""
    versions = ", ".join(f"{name} {version}" for name, version in facts["packages"].items())
    tuned = f"; {counted(facts['tuned_variants'], 'tuned variant')} in use" if "tuned_variants" in facts else ""
    cores = counted(facts["cores"], "core")
    return f"{device.name} ({device.toolchain}): {gpu}{facts['processor']}, {cores}; {versions}{tuned}"
