"""A record as one self-contained HTML page: summary, pictures, tables and machine."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ...errors import counted
from ..pictures.drawing import Picture
from .rows import COLUMNS, Row, rows_of
from .summary import summary
from .tables import MEGABYTE, ceiling_lines, duration

# The sections in page order: title, names of the pictures, whether the table is open.
PARTS: dict[str, tuple[str, tuple[str, ...], bool]] = {
    "kernels": ("Kernels", ("roofline", "limits", "peers"), False),
    "training": ("Training steps", ("training",), False),
    "training_in_company": ("Training steps beside busy processes", (), True),
    "latency": ("Predictions of one row", (), True),
    "time_to_accuracy": ("Time to an accuracy", ("time-to-accuracy",), False),
    "scaling": ("Growth with width, depth and batch size", ("scaling",), False),
    "startup": ("Startup", (), True),
    "memory": ("Memory", (), True),
}
RATIO = "The ratio to gpugrad is the median of the ratios within a round, and can differ from the ratio of the medians."
NOTES = {
    "training": RATIO,
    "training_in_company": f"While other processes compute all the time. {RATIO}",
    "latency": "Alone, and while another thread of the process trains (training True). The ratio is that of the 99th "
    "percentiles.",
    "startup": "From process start to the first training step, with an empty and a warm cache of compiled kernels: the "
    "median of the starts.",
    "memory": "Peak memory of a run and its bound: data + 8 × parameters + activations + a constant, the memory of the "
    "process before it has data.",
}
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>gpugrad benchmark</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""


def _giga(value: float) -> str:
    return f"{value / 1e9:.1f}"


def _millions(value: float) -> str:
    return f"{value / 1e6:.3g}" if value < 1e9 else f"{value / 1e6:.0f}"


def _megabytes(value: float) -> str:
    return f"{value / MEGABYTE:.1f} MB"


def _times(value: float) -> str:
    return f"{value:.2f}"


# Title and format of a column; other columns use their name and a default format.
FORMATS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "median": ("median", duration),
    "low": ("20%", duration),
    "high": ("80%", duration),
    "p99": ("99%", duration),
    "seconds": ("time", duration),
    "first": ("first epoch", duration),
    "compile": ("compiling", lambda value: f"{value:.2f} s"),
    "bytes": ("MB", _millions),
    "operations": ("MFLOP", _millions),
    "bandwidth": ("GB/s", _giga),
    "speed": ("GFLOP/s", _giga),
    "intensity": ("FLOP/B", _times),
    "share": ("of the limit", lambda value: f"{value:.0%}"),
    "times_ours": ("× ours", _times),
    "accuracy": ("accuracy", lambda value: f"{value:.2%}"),
    "update_bytes": ("update", _megabytes),
    "holds": ("holds", lambda value: "yes" if value else "NO"),
    "what": ("part", str),
    "axis": ("axis", str),
    "value": ("value", str),
    **{
        name: (name, _megabytes)
        for name in ("data", "parameters", "activations", "constant", "bound", "peak", "memory", "l2_cache")
    },
}

STYLE = """
:root { color-scheme: light dark; --page: #fefefe; --ink: #1a1a1c; --faint: #a8a8ad; --line: #dcdce0;
  --blue: #0072b2; --orange: #d55e00; --green: #009e73; --purple: #cc79a7; --amber: #e69f00; }
@media (prefers-color-scheme: dark) {
  :root { --page: #17171a; --ink: #e9e9ec; --faint: #77777f; --line: #3a3a40;
    --blue: #56b4e9; --orange: #ff8a3d; --green: #2ec79b; --purple: #e59fc6; --amber: #f2bb45; } }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 72rem; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.6rem; } h2 { margin: 3rem 0 .5rem; font-size: 1.25rem; }
figure { margin: 1.5rem 0; } figure svg { display: block; width: 100%; max-width: 44rem; height: auto; }
figcaption { max-width: 44rem; font-size: .9rem; } p, ul { max-width: 44rem; }
.table { overflow-x: auto; } table { border-collapse: collapse; font-size: .8rem; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .6rem .2rem 0; border-bottom: 1px solid var(--line); text-align: left; white-space: nowrap; }
td.number, th.number { text-align: right; } summary { cursor: pointer; margin: 1rem 0; }
.machine td { white-space: normal; } pre { overflow-x: auto; font-size: .8rem; }
.warning { border-left: 4px solid var(--orange); padding-left: .8rem; }
"""


def page(record: dict[str, Any], pictures: Sequence[Picture]) -> str:
    """Return the page of a record. Missing sections are left out; of unknown sections only the rows are shown.

    Parameters
    ----------
    record : dict
        A record.
    pictures : sequence of Picture
        The pictures of the record.

    Returns
    -------
    str
        HTML.

    Raises
    ------
    DataError
        If a row lacks a column of its section.
    """
    sections = [*PARTS, *(section for section in record["sections"] if section not in PARTS)]
    body = [
        *_head(record),
        *(line for section in sections for line in _section(record, section, pictures)),
        *_machine(record),
    ]
    return PAGE.format(style=STYLE, body="\n".join(body))


def _head(record: dict[str, Any]) -> Iterator[str]:
    machine = record.get("machine", {})
    names = [machine.get("gpu", {}).get("name"), machine.get("processor"), counted(machine.get("cores", "?"), "core")]
    yield "<h1>gpugrad benchmark</h1>"
    yield f"<p>{_text(', '.join(filter(None, names)))}<br>"
    yield f"{_text(record.get('created', ''))} · <code>{_text(record.get('command', ''))}</code></p>"
    if record.get("quick"):
        yield '<p class="warning">A quick run: it shows that everything works; its times mean nothing.</p>'
    yield _list(summary(record))


def _section(record: dict[str, Any], section: str, pictures: Sequence[Picture]) -> Iterator[str]:
    rows = rows_of(record, section, COLUMNS.get(section, ()))
    if not rows:
        return
    title, names, open_ = PARTS.get(section, (section, (), False))
    yield f"<h2>{_text(title)}</h2>"
    if section in NOTES:
        yield f"<p>{NOTES[section]}</p>"
    for picture in pictures:
        if picture.name in names:
            yield f"<figure>\n{picture.svg()}\n<figcaption>{_text(picture.caption)}</figcaption>\n</figure>"
    content = record["sections"][section]
    yield _list(
        f"{slope['axis']}, {slope['from']} to {slope['to']}: slope {slope['slope']:.2f}; {slope['explanation']}."
        for slope in content.get("slopes", [])
    )
    if missing := content.get("missing"):
        yield f"<p>Not available here: {_text(', '.join(missing))}.</p>"
    if ceilings := content.get("ceilings"):
        limits = "\n".join(ceiling_lines(ceilings))
        yield _folded(f"Limits of the machine ({len(ceilings)})", f"<pre>{_text(limits)}</pre>")
    table = _rows(rows, COLUMNS.get(section) or list(dict.fromkeys(name for row in rows for name in row)))
    yield table if open_ else _folded(f"All rows ({len(rows)})", table)


def _machine(record: dict[str, Any]) -> Iterator[str]:
    facts = [(name, _words(value)) for name, value in record.get("machine", {}).items() if value]
    if facts:
        yield "<h2>Machine</h2>"
        yield f'<div class="machine">{_table(("", ""), facts, {0, 1})}</div>'


def _rows(rows: list[Row], columns: Sequence[str]) -> str:
    titles = [FORMATS.get(name, (name, str))[0] for name in columns]
    words = {i for i, name in enumerate(columns) if not any(isinstance(row.get(name), int | float) for row in rows)}
    return _table(titles, [[_cell(name, row.get(name)) for name in columns] for row in rows], words)


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if name in FORMATS:
        return FORMATS[name][1](value)
    return f"{value:.4g}" if isinstance(value, float) else _words(value)


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]], words: set[int]) -> str:
    """Return a table; `words` are the columns that are not numbers."""

    def cells(tag: str, texts: Sequence[str]) -> str:
        kinds = ["" if i in words else ' class="number"' for i in range(len(texts))]
        return (
            "<tr>"
            + "".join(f"<{tag}{kind}>{_text(text)}</{tag}>" for kind, text in zip(kinds, texts, strict=True))
            + "</tr>"
        )

    head = f"<thead>{cells('th', titles)}</thead>\n" if any(titles) else ""
    return f'<div class="table"><table>\n{head}' + "\n".join(cells("td", row) for row in rows) + "\n</table></div>"


def _words(value: Any) -> str:
    """Format a value: a dictionary as "name value, …", a list separated by semicolons."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_cell(key, item)}" for key, item in value.items())
    return "; ".join(map(_words, value)) if isinstance(value, list) else str(value)


def _list(sentences: Iterable[str]) -> str:
    items = [f"<li>{_text(sentence)}</li>" for sentence in sentences]
    return "<ul>\n" + "\n".join(items) + "\n</ul>" if items else ""


def _folded(title: str, content: str) -> str:
    return f"<details><summary>{_text(title)}</summary>\n{content}\n</details>"


def _text(value: Any) -> str:
    return html.escape(str(value))
