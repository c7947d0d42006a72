"""Format the results of a stage: a sentence, and tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from gpugrad.bench.engines import OWN
from gpugrad.bench.records.rows import compared, largest, limited, network
from gpugrad.bench.records.summary import peers_summary, shares_summary
from gpugrad.bench.records.tables import MEGABYTE, ceiling_lines, duration

Data = dict[str, Any]
Shown = tuple[str, str]


def table(titles: Sequence[str], rows: Iterable[Sequence[Any]], words: int = 1) -> str:
    """Return a Markdown table whose first `words` columns are text, the others numbers; "" without rows."""
    rows = list(rows)
    if not rows:
        return ""
    marks = ["---" if i < words else "---:" for i in range(len(titles))]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in (titles, marks, *rows))


def spread(row: Data) -> str:
    """Format the median and the 20th and 80th percentile."""
    return f"{duration(row['median'])} ({duration(row['low'])} – {duration(row['high'])})"


def checked(data: Data) -> Shown:
    """Format the comparison of kernels with their reference."""
    findings = {finding["kernel"]: finding for finding in data.get("findings", [])}
    names = data.get("kernels", [])
    right = [finding for finding in findings.values() if _verdict(finding) == "right"]
    examples = sum(finding["examples"] for finding in right)
    sentence = f"{len(right)} of {len(names)} kernels agree with their reference, over {examples} examples"
    if data.get("cut"):
        sentence += f"; out of time in {data['cut']}"
    rows = []
    for name in names:
        finding = findings.get(name, {"examples": 0, "error": None})
        error = "" if finding["error"] is None else f"{finding['error']:.2g}"
        rows.append((name, _verdict(finding), _examples(finding), error))
    return sentence, table(("kernel", "verdict", "examples", "error / tolerance"), rows, words=2)


def _examples(finding: Data) -> str:
    left_out = finding.get("left_out")
    return f"{finding['examples']} of {finding['examples'] + left_out}" if left_out else str(finding["examples"])


def _verdict(finding: Data) -> str:
    if "problems" not in finding:
        return "not checked"
    if finding.get("hung"):
        return "HUNG"
    return "WRONG" if finding["problems"] or not finding["examples"] else "right"


def trained(data: Data) -> Shown:
    """Format training steps of each engine."""
    rows = data.get("rows", [])
    titles = ("network", "engine", "step (20 – 80 %)", "× gpugrad's", "first epoch", "accuracy")
    cells = [
        (network(r), r["engine"], spread(r), f"{r['times_ours']:.2f}", duration(r["first"]), f"{r['accuracy']:.4f}")
        for r in rows
    ]
    sentence = "; ".join(_fastest([row for row in rows if network(row) == name]) for name in _names(rows))
    notes = [f"On {rows[0]['data']}."] if rows else []
    notes += [f"Not available here: {', '.join(data['missing'])}."] if data.get("missing") else []
    return sentence, "\n\n".join([table(titles, cells, words=2), *notes])


def _names(rows: list[Data]) -> list[str]:
    return list(dict.fromkeys(map(network, rows)))


def _fastest(rows: list[Data]) -> str:
    """Name the fastest other engine for one network."""
    ours = next(row for row in rows if row["engine"] == OWN)
    peers = [row for row in rows if row["engine"] != OWN]
    sentence = f"{network(ours)}: {duration(ours['median'])}"
    if not peers:
        return f"{sentence}, no other engine"
    fastest = min(peers, key=lambda row: row["times_ours"])
    return f"{sentence}, the fastest peer, {fastest['engine']}, {fastest['times_ours']:.2f} times as long"


def reached(data: Data) -> Shown:
    """Format the seconds of training to an accuracy."""
    rows = data.get("rows", [])
    cells = [
        (
            network(row),
            row["engine"],
            duration(row["seconds"]) if row["reached"] else "not reached",
            row["epochs"],
            f"{row['accuracy']:.4f}",
        )
        for row in rows
    ]
    sentence = "; ".join(f"{engine} {seconds}" for _, engine, seconds, *_ in cells)
    return sentence, table(("network", "engine", "seconds", "epochs", "accuracy"), cells, words=2)


def kernels(data: Data) -> Shown:
    """Format kernels at their largest size, compared with the limits and with libraries."""
    rows = data.get("rows", [])
    sentences = [shares_summary(limited(rows))] if limited(rows) else []
    sentences += peers_summary(compared(rows))
    cells = [
        (
            row["kernel"],
            row["size"],
            row["toolchain"] if row["by"] == OWN else row["by"],
            spread(row),
            _rate(row),
            "" if row["share"] is None else f"{row['share']:.0%} {row['limit']}",
            f"{row['times_ours']:.2f}" if row["times_ours"] else "",
        )
        for row in sorted(largest(rows), key=lambda row: row["kernel"])
    ]
    titles = ("kernel", "size", "by", "median (20 – 80 %)", "rate", "of the limit", "× gpugrad's")
    limits = "\n".join(ceiling_lines(data.get("ceilings", [])))
    if not cells and not limits:
        return "", ""
    notes = "Each kernel at its largest measured size; on a GPU with a cold cache."
    return "; ".join(sentences), f"{notes}\n\n{table(titles, cells, words=3)}\n\nThe limits:\n\n```text\n{limits}\n```"


def _rate(row: Data) -> str:
    if row["limit"] == "memory":
        return f"{row['bandwidth'] / 1e9:.0f} GB/s"
    return f"{row['speed'] / 1e12:.2f} TFLOP/s"


def tested(data: Data) -> Shown:
    """Format the outcome of tests."""
    ran = sum(data.get(outcome, 0) for outcome in ("passed", "failed", "skipped"))
    sentence = f"{data.get('passed', 0)} passed, {data.get('failed', 0)} failed, {data.get('skipped', 0)} skipped"
    sentence += f", {max(0, data.get('collected', 0) - ran)} did not run"
    reasons = [f"- {count} skipped: {why}" for why, count in sorted(data.get("reasons", {}).items())]
    return _with_left_out(sentence, data), "\n".join(reasons)


def _with_left_out(sentence: str, data: Data) -> str:
    return f"{sentence}; left out: {data['left out']}" if data.get("left out") else sentence


def launched(data: Data) -> Shown:
    """Format the cost of launches, with one column per toolchain."""
    rows = data.get("rows", [])
    cells = {(row["what"], row["toolchain"]): spread(row) for row in rows}
    columns = list(dict.fromkeys(row["toolchain"] for row in rows))
    lines = [[what, *(cells.get((what, c), "") for c in columns)] for what in dict.fromkeys(what for what, _ in cells)]
    alone = {row["toolchain"]: duration(row["median"]) for row in rows if row["what"] == "launch alone"}
    sentence = "a launch alone: " + ", ".join(f"{name} {seconds}" for name, seconds in alone.items()) if alone else ""
    return _with_left_out(sentence, data), table(("", *columns), lines)


def grown(data: Data) -> Shown:
    """Format the scaling of a step."""
    rows, slopes = data.get("rows", []), data.get("slopes", [])
    cells = [(r["axis"], network(r), spread(r), f"{r['speed'] / 1e12:.2f} TFLOP/s") for r in rows]
    sentence = "; ".join(f"{s['axis']}, {s['from']} to {s['to']}: slope {s['slope']:.2f}" for s in slopes)
    return sentence, table(("axis", "network", "step (20 – 80 %)", "rate"), cells, words=2)


def started(data: Data) -> Shown:
    """Format the times from process start to the first step."""
    rows = data.get("rows", [])
    cells = [(row["cache"], row["what"], duration(row["seconds"]), row["runs"]) for row in rows]
    totals = {row["cache"]: duration(row["seconds"]) for row in rows if row["what"] == "total"}
    sentence = ", ".join(f"cache {cache}: {seconds}" for cache, seconds in totals.items())
    return sentence, table(("cache", "part", "median", "starts"), cells, words=2)


def remembered(data: Data) -> Shown:
    """Format the peak of memory and its bound."""
    rows = data.get("rows", [])
    cells = [(network(row), _megabytes(row["peak"]), _megabytes(row["bound"])) for row in rows]
    sentence = f"{sum(row['holds'] for row in rows)} of {len(rows)} within the bound" if rows else ""
    return sentence, table(("network", "peak", "bound"), cells)


def _megabytes(size: float) -> str:
    return f"{size / MEGABYTE:.1f} MB"
