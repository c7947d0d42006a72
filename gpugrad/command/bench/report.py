"""The commands `gpugrad bench compare` and `gpugrad bench report`: what is done with records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RecordA = Annotated[Path, typer.Argument(metavar="A", help="The record to compare with.", show_default=False)]
RecordB = Annotated[Path, typer.Argument(metavar="B", help="The newer record.", show_default=False)]
Tolerance = Annotated[float, typer.Option(help="Smaller changes are within noise: 0.05 is 5 %.")]
Every = Annotated[bool, typer.Option("--all", help="Print the rows within noise as well.")]
ComparisonFile = Annotated[Path | None, typer.Option("--json", help="Write the comparison to this file.")]
RecordToShow = Annotated[
    Path, typer.Argument(metavar="RECORD", help="What gpugrad bench … --json wrote.", show_default=False)
]
Page = Annotated[Path | None, typer.Option(help="The page to write; beside the record, as .html, if not given.")]
Folder = Annotated[Path | None, typer.Option(help="Write each picture to this folder too, as PNG.")]


def compare(
    a: RecordA, b: RecordB, tolerance: Tolerance = 0.05, every: Every = False, file: ComparisonFile = None
) -> None:
    """Tell which rows of record B are faster or slower than in record A; the exit code is 1 if one is slower."""
    import shutil

    from ...bench.records import compare as comparing
    from ...bench.records import record as records
    from ...engine.files import to_json, write_whole

    found = comparing.compare(records.read(a), records.read(b), tolerance)
    width = shutil.get_terminal_size((200, 24)).columns
    for line in comparing.lines(found, every=every, width=width):
        typer.echo(line)
    if file is not None:
        write_whole(file, to_json(found.record(), indent=1) + "\n")
    if found.count(comparing.SLOWER):
        raise typer.Exit(1)


def report(record: RecordToShow, out: Page = None, png: Folder = None) -> None:
    """Write a record as one HTML page with pictures that needs no other file."""
    from ...bench import pictures
    from ...bench.records import record as records
    from ...bench.records import report as reports
    from ...engine.files import check_writable, write_whole

    found = records.read(record)
    out = out or record.with_suffix(".html")
    for folder in (out.parent, png):
        if folder is not None:
            check_writable(folder)
    drawn = pictures.draw(found)
    write_whole(out, reports.page(found, drawn))
    typer.echo(f"report written to {out}")
    if png is not None:
        for picture in drawn:
            write_whole(png / f"{picture.name}.png", picture.png())
            typer.echo(f"picture written to {png / picture.name}.png")
