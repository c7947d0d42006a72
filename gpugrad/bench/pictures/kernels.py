"""Pictures of kernels: roofline, fraction of the limits, comparison with libraries."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import counted
from ..records.rows import Row, largest, name
from ..records.summary import GOOD_SHARE, peers_summary, shares_summary
from .drawing import AMBER, BLUE, FAINT, GREEN, INK, ORANGE, PURPLE, Picture, new_figure

LIMITS = {"memory": (BLUE, "o"), "arithmetic": (ORANGE, "D")}
LIBRARIES = {"torch": ORANGE, "numpy": GREEN, "cupy": PURPLE}
MOST_SHARE = 2.5  # longest bar; work in a cache can exceed it
LABEL_STEP = 9.0  # distance between labels of the roofline, in points


def roofline(rows: list[Row], ceilings: list[Row]) -> Picture:
    """Plot gpugrad's rows by intensity and speed, below the limits of the largest copy and of matrix products."""
    copies = [ceiling for ceiling in ceilings if ceiling["name"] == "copy"]
    copy = max(copies, key=lambda ceiling: (ceiling["size"], ceiling["cache"] == "cold"))
    products = [ceiling for ceiling in ceilings if ceiling["name"] != "copy"]
    named = largest(rows)
    intensities, speeds = [row["intensity"] for row in rows], [row["speed"] for row in rows]
    knee = max([product["rate"] for product in products], default=0) / copy["rate"]
    left, right = min(intensities) / 2, max(*intensities, knee, 30) * 4

    figure = new_figure(max(4.2, 1.4 + len(named) * LABEL_STEP / 72))
    axes = figure.subplots()
    axes.set(xscale="log", yscale="log", xlim=(left, right))
    top = max(*speeds, *(product["rate"] for product in products), copy["rate"])
    axes.set_ylim(min(speeds) / 2, top * 2.5)
    for product in products:
        start, rate = product["rate"] / copy["rate"], product["rate"]
        axes.plot([start, right], [rate, rate], color=INK, linewidth=1.2)
        text = f"{product['name']}, {si(rate)}FLOP/s"
        axes.annotate(text, (start, rate), (-4, 0), textcoords="offset points", ha="right", va="center", fontsize=7.5)
    ends = np.array([left, max(knee, left) if products else right])
    label = f"copy of {copy['size'] >> 20} MiB, {si(copy['rate'])}B/s"
    axes.plot(ends, ends * copy["rate"], color=INK, linewidth=1.2, label=label)
    axes.scatter(intensities, speeds, 7, color=FAINT, linewidths=0, zorder=2, label="other sizes")
    for limit, (colour, marker) in LIMITS.items():
        part = [row for row in named if row["limit"] == limit]
        at = [row["intensity"] for row in part], [row["speed"] for row in part]
        axes.scatter(*at, 20, color=colour, marker=marker, linewidths=0, label=f"limited by {limit}", zorder=3)
    axes.set(xlabel="operations/byte (log scale)", ylabel="operations/s (log scale)")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_major_formatter(lambda value, _: si(value))
    axes.minorticks_off()
    axes.grid()
    figure.legend(
        loc="outside upper left",
        ncols=4,
        handlelength=1,
        handletextpad=0.4,
        borderaxespad=0,
        columnspacing=1.2,
        fontsize=8,
    )
    _label_column(figure, axes, named)
    best = max(named, key=lambda row: row["speed"])
    return Picture(
        "roofline",
        figure,
        f"Roofline of {counted(len(named), 'kernel')}. The fastest is {name(best)} with {si(best['speed'])}FLOP/s.",
        "Roofline: the speed of each kernel, and the limits set by a copy and by large matrix products. Labels mark "
        "the largest size of each kernel, small points its other sizes. A point above the line worked in a cache, on "
        "less data than the copy.",
    )


def si(value: float) -> str:
    """Format a number with three digits and an SI prefix: "256 G"."""
    from matplotlib.ticker import EngFormatter

    return EngFormatter()(float(f"{value:.3g}")) + ("" if value >= 1000 else " ")


def _label_column(figure: Any, axes: Any, rows: list[Row]) -> None:
    """Write the names of the points in a column on the right, each with a thin line; no two lines cross.

    Of two lines that cross, the ends can be exchanged for two shorter ones: the shortest lines together do not cross.
    """
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    figure.draw_without_rendering()
    points = axes.transData.transform([(row["intensity"], row["speed"]) for row in rows])
    heights = np.linspace(0, 1, len(rows)) if len(rows) > 1 else np.array([0.5])
    places = axes.transAxes.transform(np.column_stack([np.full(len(rows), 0.98), heights]))
    inside = axes.transAxes.inverted()
    for i, place in zip(*linear_sum_assignment(cdist(points, places)), strict=True):
        (x, y), at = inside.transform(points[i]), heights[place]
        axes.plot([x, 0.98, 1.015], [y, at, at], color=FAINT, linewidth=0.5, transform=axes.transAxes, clip_on=False)
        axes.text(1.02, at, name(rows[i]), fontsize=7, va="center", transform=axes.transAxes)


def shares(rows: list[Row]) -> Picture:
    """Plot one bar per kernel: the fraction of its limit."""
    rows = sorted(rows, key=lambda row: row["share"])
    most = rows[-1]["share"]
    longest = min(MOST_SHARE, max(1.25, np.ceil(most * 4) / 4))
    figure = new_figure(0.9 + 0.18 * len(rows))
    axes = figure.subplots()
    for limit, (colour, _) in LIMITS.items():
        part = [(i, row["share"]) for i, row in enumerate(rows) if row["limit"] == limit]
        lengths = [min(share, longest) for _, share in part]
        axes.barh([i for i, _ in part], lengths, 0.72, color=colour, label=f"limited by {limit}")
        cut = [i for i, share in part if share > longest]
        axes.plot([longest * 1.01] * len(cut), cut, ">", color=colour, markersize=7, clip_on=False)
    axes.axvline(GOOD_SHARE, color=INK, linewidth=1, linestyle="--")
    axes.set_yticks(range(len(rows)), [f"{name(row)}  {row['share']:.0%}" for row in rows], fontsize=7.5)
    axes.set(xlim=(0, longest), ylim=(-0.7, len(rows) - 0.3), xlabel="fraction of the limit reached")
    ticks = np.arange(0, longest + 0.01, 0.25 if longest < 2 else 0.5)
    axes.set_xticks(ticks, [f"{tick:.0%}" for tick in ticks])
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    figure.legend(loc="outside upper left", ncols=2, handlelength=1, handletextpad=0.4, borderaxespad=0)
    return Picture(
        "limits",
        figure,
        f"Bars of the fraction of its limit that each kernel reaches: {shares_summary(rows)}.",
        f"At its largest measured size, {shares_summary(rows)} (dashed). The limit is a copy of as many bytes or a "
        "large product, whichever takes longer. More than 100% is work in a cache or an update in place."
        + (f" An arrow ends a bar that is cut, at {MOST_SHARE:.0%}." if most > MOST_SHARE else ""),
    )


def peers(rows: list[Row]) -> Picture:
    """Plot a library's time over gpugrad's for the same work, as bars from 1 on a logarithmic axis."""
    from matplotlib.ticker import LogLocator

    libraries = list(dict.fromkeys(row["by"] for row in rows))
    best: dict[str, float] = {}
    for row in rows:
        best[name(row)] = max(row["times_ours"], best.get(name(row), 0))
    places, middles = {}, []
    place = 0.0
    for kernel in sorted(best, key=lambda kernel: best[kernel]):
        its = [library for library in reversed(libraries) if any(_is(row, kernel, library) for row in rows)]
        places.update({(kernel, library): place + i for i, library in enumerate(its)})
        middles.append(place + (len(its) - 1) / 2)
        place += len(its) + 0.6
    figure = new_figure(0.9 + 0.145 * place)
    axes = figure.subplots()
    axes.set_xscale("log")
    for library in libraries:
        part = [row for row in rows if row["by"] == library]
        y = [places[name(row), library] for row in part]
        widths = [row["times_ours"] - 1 for row in part]
        axes.barh(y, widths, 0.9, left=1, color=LIBRARIES.get(library, AMBER), label=library)
        for row, height in zip(part, y, strict=True):
            ratio, right = row["times_ours"], row["times_ours"] >= 1
            axes.annotate(
                f"{ratio:.2f}" if ratio < 9.95 else f"{ratio:.0f}",
                (ratio, height),
                (2 if right else -2, 0),
                textcoords="offset points",
                ha="left" if right else "right",
                va="center",
                fontsize=7,
            )
    axes.axvline(1, color=INK, linewidth=1)
    axes.set_yticks(middles, sorted(best, key=lambda kernel: best[kernel]), fontsize=7.5)
    ratios = [row["times_ours"] for row in rows]
    axes.set(xlim=(min(*ratios, 0.7) / 1.6, max(*ratios, 2) * 1.8), ylim=(-0.9, place - 0.7))
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.minorticks_off()
    axes.set_xlabel("time of the library ÷ time of gpugrad; right of 1 gpugrad is faster (log scale)")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    figure.legend(loc="outside upper left", ncols=3, handlelength=1, handletextpad=0.4, borderaxespad=0)
    words = ". ".join(peers_summary(rows))
    return Picture(
        "peers",
        figure,
        f"Bars of the time of libraries over that of gpugrad. {words}.",
        f"Libraries doing the same work, at the largest size of each kernel. {words}.",
    )


def _is(row: Row, kernel: str, library: str) -> bool:
    return name(row) == kernel and row["by"] == library
