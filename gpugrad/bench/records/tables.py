"""Format benchmark rows as lines of a table, and the limits of the machine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..measure.kernels import OWN, Row
from ..measure.tune import Row as TuneRow

MEGABYTE = 1e6


def kernel_header() -> str:
    """Return the header of the kernel table."""
    return (
        f"{'kernel':<27} {'size':<33} {'by':<8} {'cache':<5} {'median':>9} {'20–80 %':>15} {'runs':>5} "
        f"{'GB/s':>7} {'GFLOP/s':>8} {'FLOP/B':>6} {'of limit':>9} {'compile':>8} {'× ours':>7}"
    )


def kernel_line(row: Row) -> str:
    """Format a row of a kernel."""
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


def training_header() -> str:
    """Return the header of the training table."""
    return (
        f"{'network':<17} {'batch':>5} {'engine':<20} {'step':>9} {'20–80 %':>15} "
        f"{'accuracy':>8} {'first':>7} {'× ours':>7}"
    )


def training_line(row: dict[str, Any]) -> str:
    """Format a row of training steps."""
    spread = f"{duration(row['low'])}–{duration(row['high'])}"
    return (
        f"{row['network']:<17} {row['batch']:>5} {row['engine']:<20} {duration(row['median']):>9} {spread:>15} "
        f"{row['accuracy']:>8.4f} {row['first']:>5.1f} s {row['times_ours']:>7.2f}"
    )


def reached_line(row: dict[str, Any]) -> str:
    """Format a row of the time to an accuracy."""
    seconds = duration(row["seconds"]) if row["reached"] else "not reached"
    return (
        f"{row['network']:<17} {row['batch']:>5} {row['engine']:<20} {seconds:>11} in {row['epochs']:>2} "
        f"epoch{' ' if row['epochs'] == 1 else 's'}, accuracy {row['accuracy']:.4f}"
    )


def not_here(missing: Iterable[str]) -> str:
    """Return what a heading says of engines that cannot be used here; nothing if there are none."""
    names = ", ".join(missing)
    return f"; not available here: {names}" if names else ""


LATENCY_HEADER = (
    f"{'network':<17} {'engine':<20} {'other thread':<12} {'median':>9} {'20–80 %':>15} {'99 %':>9} {'99 % × ours':>11}"
)


def latency_line(row: dict[str, Any]) -> str:
    """Format a row of the latency of one prediction."""
    spread = f"{duration(row['low'])}–{duration(row['high'])}"
    return (
        f"{row['network']:<17} {row['engine']:<20} {'trains' if row['training'] else 'idle':<12} "
        f"{duration(row['median']):>9} {spread:>15} {duration(row['p99']):>9} {row['times_ours']:>11.2f}"
    )


SCALING_HEADER = (
    f"{'axis':<10} {'value':>5} {'step':>9} {'20–80 %':>15} {'runs':>5} {'GFLOP':>9} {'GFLOP/s':>8} {'update':>14}"
)
STARTUP_HEADER = f"{'cache':<6} {'part':<11} {'seconds':>8} {'20–80 %':>15} {'runs':>5}"
MEMORY_HEADER = (
    f"{'network':<18} {'batch':>5} {'rows':>6} {'data':>9} {'parameters':>10} {'activations':>11} {'constant':>9} "
    f"{'bound':>9} {'peak':>9}"
)

TUNE_HEADER = f"{'product':<58} {'default':<18} {'median':>9}  {'chosen':<18} {'median':>9} {'faster':>7}"


def tune_line(row: TuneRow) -> str:
    """Format a row of tuning."""
    return (
        f"{row.product!s:<58} {row.rule!s:<18} {duration(row.rule_timing.median):>9}  "
        f"{row.chosen!s:<18} {duration(row.timing.median):>9} {row.speedup:>6.2f}×"
    )


def scaling_line(row: dict[str, Any]) -> str:
    """Format a row of scaling."""
    spread = f"{duration(row['low'])}–{duration(row['high'])}"
    return (
        f"{row['axis']:<10} {row['value']:>5} {duration(row['median']):>9} {spread:>15} "
        f"{row['runs']:>4}{' ' if row['settled'] else '*'} {row['operations'] / 1e9:>9.4f} {row['speed'] / 1e9:>8.1f} "
        f"{_megabytes(row['update_bytes']):>14}"
    )


def startup_line(row: dict[str, Any]) -> str:
    """Format a row of startup."""
    spread = f"{row['low']:.3f}–{row['high']:.3f}"
    return f"{row['cache']:<6} {row['what']:<11} {row['seconds']:>8.3f} {spread:>15} {row['runs']:>5}"


def memory_line(row: dict[str, Any]) -> str:
    """Format a row of memory."""
    sizes = {name: _megabytes(row[name]) for name in ("data", "parameters", "activations", "constant", "bound", "peak")}
    over = row["peak"] - row["bound"]
    return (
        f"{row['network']:<18} {row['batch']:>5} {row['rows']:>6} {sizes['data']:>9} {sizes['parameters']:>10} "
        f"{sizes['activations']:>11} {sizes['constant']:>9} {sizes['bound']:>9} {sizes['peak']:>9}  "
        f"{'within the bound' if row['holds'] else f'OVER by {_megabytes(over)}'}"
    )


def _megabytes(size: int) -> str:
    return f"{size / MEGABYTE:.1f} MB"


def duration(seconds: float) -> str:
    """Format seconds with a suitable unit: "12.3 µs"."""
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * factor >= 1 or unit == "µs":
            value = seconds * factor
            return f"{value:.{max(0, 2 - len(str(int(value))) + 1)}f} {unit}"
    raise AssertionError


def ceiling_lines(ceilings: list[dict[str, Any]]) -> list[str]:
    """Format the limits of a machine."""
    lines = []
    for ceiling in sorted(ceilings, key=lambda c: (c["name"] != "copy", c["cache"], c["size"])):
        if ceiling["name"] == "copy":
            what = f"copy, {ceiling['size'] / 2**20:.0f} MiB read and written, {ceiling['cache']}"
            lines.append(f"{what:<48} {ceiling['rate'] / 1e9:>9.1f} GB/s")
        else:
            what = f"product in {ceiling['name']}, {ceiling['size']} × {ceiling['size']}"
            lines.append(f"{what:<48} {ceiling['rate'] / 1e9:>9.1f} GFLOP/s")
    return lines
