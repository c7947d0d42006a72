"""Pages that are generated next to the written ones, before Sphinx looks for pages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path


def write_pages(folder: Path, pages: Mapping[str, str]) -> None:
    """Write generated pages; leave those that have not changed, and remove those that no longer exist.

    Parameters
    ----------
    folder : Path
        Folder that contains nothing else.
    pages : mapping of str to str
        Text of each page by the name of its file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in set(folder.iterdir()) - {folder / name for name in pages}:
        old.unlink()
    for name, text in pages.items():
        file = folder / name
        if not file.exists() or file.read_text("utf-8") != text:
            file.write_text(text, "utf-8")


def plain(text: str) -> str:
    """Return a text as Markdown for the cell of a table, outside of code as it is."""
    parts = re.split(r"(`[^`]*`)", text.replace("|", r"\|"))
    return "".join(part if part.startswith("`") else re.sub(r"([*_<\[\]])", r"\\\1", part) for part in parts)


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a table in Markdown; cells are Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
