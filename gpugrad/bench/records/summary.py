"""What a record says, in a few sentences."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import geometric_mean
from typing import Any

from ..measure.kernels import OWN
from .rows import COLUMNS, Row, compared, limited, network, rows_of
from .tables import MEGABYTE, duration

GOOD_SHARE = 0.7


def summary(record: dict[str, Any]) -> list[str]:
    """A sentence for each thing that the sections of a record tell."""
    rows = {section: rows_of(record, section, columns) for section, columns in COLUMNS.items()}
    shares, peers = limited(rows["kernels"]), compared(rows["kernels"])
    return [
        *([f"{shares_told(shares)}, each at its largest size."] if shares else []),
        *(f"{told}." for told in peers_told(peers)),
        *_training(rows["training"]),
        *(
            f"With the cache of kernels {row['cache']}, the first training step is done {duration(row['seconds'])} "
            f"after the start of the process."
            for row in rows["startup"]
            if row["what"] == "total"
        ),
        *(
            f"Training {network(row)} needs {row['peak'] / MEGABYTE:.0f} MB at its peak, the bound is "
            f"{row['bound'] / MEGABYTE:.0f} MB."
            for row in rows["memory"]
        ),
    ]


def shares_told(rows: list[Row]) -> str:
    good = sum(row["share"] >= GOOD_SHARE for row in rows)
    return f"{good} of {len(rows)} kernels reach {GOOD_SHARE:.0%} of what limits them or more"


def peers_told(rows: list[Row]) -> list[str]:
    """For each library the geometric mean of its times over gpugrad's."""
    told = []
    for library in dict.fromkeys(row["by"] for row in rows):
        ratios = [row["times_ours"] for row in rows if row["by"] == library]
        faster = sum(ratio > 1 for ratio in ratios)
        told.append(
            f"{library} takes {geometric_mean(ratios):.2f} times as long as gpugrad, in the geometric mean over "
            f"{len(ratios)} kernels; gpugrad is faster in {faster} of them"
        )
    return told


def _training(rows: list[Row]) -> Iterator[str]:
    for problem in dict.fromkeys(map(network, rows)):
        part = [row for row in rows if network(row) == problem]
        ours = [row for row in part if row["engine"] == OWN]
        peers = [row for row in part if row["engine"] != OWN]
        if ours and peers:
            fastest = min(peers, key=lambda row: row["median"])
            yield (
                f"{problem}: a training step takes gpugrad {duration(ours[0]['median'])}; the fastest peer, "
                f"{fastest['engine']}, takes {duration(fastest['median'])}, {fastest['times_ours']:.2f} times as long."
            )
