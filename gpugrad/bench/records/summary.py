"""Summarize a record in a few sentences."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import geometric_mean
from typing import Any

from ...errors import DataError, counted
from ..measure.kernels import OWN
from .rows import COLUMNS, Row, by_speed, compared, limited, network, rows_of
from .tables import MEGABYTE, duration

GOOD_SHARE = 0.7


def summary(record: dict[str, Any]) -> list[str]:
    """Return one sentence per result of a record."""
    rows = {section: rows_of(record, section, columns) for section, columns in COLUMNS.items()}
    shares, peers = limited(rows["kernels"]), compared(rows["kernels"])
    return [
        *([f"{shares_summary(shares)}, each at its largest size."] if shares else []),
        *(f"{sentence}." for sentence in peers_summary(peers)),
        *_training(rows["training"]),
        *(
            f"With {'an empty' if row['cache'] == 'empty' else 'a warm'} kernel cache, the first training step ends "
            f"{duration(row['seconds'])} after the start of the process."
            for row in rows["startup"]
            if row["what"] == "total"
        ),
        *(
            f"Training {network(row)} has a peak of {row['peak'] / MEGABYTE:.0f} MB; the bound is "
            f"{row['bound'] / MEGABYTE:.0f} MB."
            for row in rows["memory"]
        ),
    ]


def shares_summary(rows: list[Row]) -> str:
    """Count the kernels that reach a good fraction of their limit."""
    good = sum(row["share"] >= GOOD_SHARE for row in rows)
    return f"{good} of {counted(len(rows), 'kernel')} reach at least {GOOD_SHARE:.0%} of their limit"


def peers_summary(rows: list[Row]) -> list[str]:
    """Return the geometric mean of the times over gpugrad's for each library."""
    sentences = []
    for library in dict.fromkeys(row["by"] for row in rows):
        ratios = [row["times_ours"] for row in rows if row["by"] == library]
        faster = sum(ratio > 1 for ratio in ratios)
        sentences.append(
            f"{library} takes {geometric_mean(ratios):.2f} times as long as gpugrad (geometric mean over "
            f"{counted(len(ratios), 'kernel')}); gpugrad is faster in {faster} of them"
        )
    return sentences


def training_table(record: dict[str, Any]) -> str:
    """Return the training steps as a Markdown table: gpugrad's time, and the others' ratios to it.

    The times of the others are left out: the median of the ratios within a round can differ from the ratio of the
    medians, and beside the times it reads as a mistake.
    """
    rows = rows_of(record, "training", COLUMNS["training"])
    if not rows:
        raise DataError("the record has no training steps, expected the section training: measure it again")
    engines = by_speed(rows)
    lines = [["network, batch", *engines], ["---", *["---:"] * len(engines)]]
    for problem in dict.fromkeys((row["network"], row["batch"]) for row in rows):
        found = {row["engine"]: row for row in rows if (row["network"], row["batch"]) == problem}
        lines.append([f"{problem[0]}, {problem[1]}", *(_time_or_ratio(found.get(engine)) for engine in engines)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _time_or_ratio(row: Row | None) -> str:
    if row is None:
        return ""
    if row["engine"] == OWN:
        return duration(row["median"])
    spread = f" ({row['times_ours_low']:.2f} – {row['times_ours_high']:.2f})" if "times_ours_low" in row else ""
    return f"{row['times_ours']:.2f} ×{spread}"


def _training(rows: list[Row]) -> Iterator[str]:
    for problem in dict.fromkeys(map(network, rows)):
        part = [row for row in rows if network(row) == problem]
        ours = [row for row in part if row["engine"] == OWN]
        peers = [row for row in part if row["engine"] != OWN]
        if ours and peers:
            fastest = min(peers, key=lambda row: row["times_ours"])
            yield (
                f"{problem}: gpugrad takes {duration(ours[0]['median'])} per training step; the fastest peer, "
                f"{fastest['engine']}, takes {fastest['times_ours']:.2f} times as long (median of the ratios per "
                "round)."
            )
