"""What the benchmarks print: a line for each row as it is measured, and the limits at the end."""

from __future__ import annotations

from typing import Any

from .kernels import OWN, Row


def kernel_header() -> str:
    return (
        f"{'kernel':<27} {'size':<33} {'by':<8} {'cache':<5} {'median':>9} {'20–80 %':>15} {'runs':>5} "
        f"{'GB/s':>7} {'GFLOP/s':>8} {'FLOP/B':>6} {'of limit':>9} {'compile':>8} {'× ours':>7}"
    )


def kernel_line(row: Row) -> str:
    timing = row.timing
    share = "" if row.share is None else f"{row.share:.0%} {row.limit[0]}"
    compiled = "" if row.compile is None else f"{row.compile:.2f} s"
    ratio = "" if row.times_ours is None else f"{row.times_ours:.2f}"
    by = row.toolchain if row.by == OWN else row.by
    return (
        f"{row.kernel:<27} {row.size:<33} {by:<8} {row.cache:<5} {duration(timing.median):>9} "
        f"{duration(timing.low) + '–' + duration(timing.high):>15} {timing.runs:>4}{' ' if timing.settled else '*'} "
        f"{row.bandwidth / 1e9:>7.1f} {row.speed / 1e9:>8.1f} {row.intensity:>6.2f} {share:>9} {compiled:>8} {ratio:>7}"
    )


def duration(seconds: float) -> str:
    """Seconds in a unit that suits them: "12.3 µs"."""
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * factor >= 1 or unit == "µs":
            value = seconds * factor
            return f"{value:.{max(0, 2 - len(str(int(value))) + 1)}f} {unit}"
    raise AssertionError


def ceiling_lines(ceilings: list[dict[str, Any]]) -> list[str]:
    lines = []
    for ceiling in sorted(ceilings, key=lambda c: (c["name"] != "copy", c["cache"], c["size"])):
        if ceiling["name"] == "copy":
            what = f"copy, {ceiling['size'] / 2**20:.0f} MiB read and written, {ceiling['cache']}"
            lines.append(f"{what:<48} {ceiling['rate'] / 1e9:>9.1f} GB/s")
        else:
            what = f"product in {ceiling['name']}, {ceiling['size']} × {ceiling['size']}"
            lines.append(f"{what:<48} {ceiling['rate'] / 1e9:>9.1f} GFLOP/s")
    return lines
