"""The commands `gpugrad bench compare` and `gpugrad bench report`, which read records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...errors import ArgumentError, DataError

RecordA = Annotated[Path, typer.Argument(metavar="A", help="The older record.", show_default=False)]
RecordB = Annotated[Path, typer.Argument(metavar="B", help="The newer record.", show_default=False)]
Tolerance = Annotated[float, typer.Option(help="Treat smaller changes as noise: 0.05 is 5 %.")]
Every = Annotated[bool, typer.Option("--all", help="Also print rows whose change is within noise.")]
ComparisonFile = Annotated[Path | None, typer.Option("--json", help="Write the comparison to this file.")]
RecordToShow = Annotated[
    Path, typer.Argument(metavar="RECORD", help="A record written by gpugrad bench … --json.", show_default=False)
]
Page = Annotated[Path | None, typer.Option(help="The page to write; default: the record's name with .html.")]
Dark = Annotated[bool, typer.Option("--dark", help="Draw the pictures of --png for dark paper.")]
Markdown = Annotated[
    bool, typer.Option("--markdown", help="Print the training steps as a Markdown table, and write nothing.")
]
Folder = Annotated[Path | None, typer.Option(help="Also write each picture to this folder, as PNG.")]


def compare(
    a: RecordA, b: RecordB, tolerance: Tolerance = 0.05, every: Every = False, file: ComparisonFile = None
) -> None:
    """List the rows of record B that are faster or slower than in record A; exit with 1 if one is slower.

    Example: gpugrad bench compare before.json after.json --tolerance 0.1
    """
    import shutil

    from ...bench.records import compare as comparing
    from ...bench.records import record as records
    from ...engine.files import to_json, write_whole

    width = shutil.get_terminal_size((200, 24)).columns
    with records.made_from(a, b):
        record_a, record_b = records.read(a), records.read(b)
        found = comparing.compare(record_a, record_b, tolerance)
        if not found.pairs:
            sections = [", ".join(record["sections"]) or "nothing" for record in (record_a, record_b)]
            raise DataError(
                f"{a} ({sections[0]}) and {b} ({sections[1]}) have no time in common, expected two records of one "
                "benchmark: measure both with the same gpugrad bench command"
            )
        lines = list(comparing.lines(found, every=every, width=width))
    typer.echo("\n".join(lines))
    if file is not None:
        write_whole(file, to_json(found.record(), indent=1) + "\n")
    if found.count(comparing.SLOWER):
        raise typer.Exit(1)


def report(
    record: RecordToShow, out: Page = None, png: Folder = None, dark: Dark = False, markdown: Markdown = False
) -> None:
    """Write a record as one self-contained HTML page with pictures.

    Example: gpugrad bench report record.json --png pictures
    """
    from ...bench import pictures
    from ...bench.records import record as records
    from ...bench.records import report as reports
    from ...bench.records.summary import training_table
    from ...engine.files import check_writable, check_writable_file, write_whole
    from ...training.theme import theme

    found = records.read(record)
    if markdown:
        with records.made_from(record):
            typer.echo(training_table(found))
        return
    if dark and png is None:
        raise ArgumentError("--dark has no effect without --png, since the page has its reader's colours: leave it out")
    out = out or record.with_suffix(".html")
    check_writable_file(out)
    if png is not None:
        check_writable(png)
    with records.made_from(record):
        page = reports.page(found, pictures.draw(found))
    write_whole(out, page)
    typer.echo(f"wrote the report to {out}")
    if png is not None:
        with theme("dark" if dark else "light"):
            content = {picture.name: picture.png() for picture in pictures.draw(found)}
        for name, image in content.items():
            write_whole(png / f"{name}.png", image)
            typer.echo(f"wrote the picture to {png / name}.png")
