"""Pictures of training: steps and time to an accuracy of all engines, and scaling."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from statistics import geometric_mean
from typing import Any

from ...errors import counted
from ..measure.kernels import OWN
from ..records.rows import Row, by_speed, network
from ..records.tables import duration
from .drawing import BLUE, FAINT, INK, ORANGE, Picture, new_figure


def steps(rows: list[Row]) -> Picture:
    """Plot the time of a step over that of gpugrad for each network and engine."""
    problems = list(dict.fromkeys(map(network, rows)))
    engines = by_speed(rows)
    across = min(len(problems), 2)
    down = -(-len(problems) // across)
    figure = new_figure(0.5 + down * (0.45 + 0.19 * len(engines)))
    panels = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
    ends: list[Any] = [row.get("times_ours_high", row["times_ours"]) for row in rows]
    most = max(ends)
    for axes in panels.flat[len(problems) :]:
        axes.set_axis_off()
    for axes, problem in zip(panels.flat, problems, strict=False):
        for row, end in zip(rows, ends, strict=True):
            if network(row) != problem:
                continue
            place = engines.index(row["engine"])
            axes.barh(place, row["times_ours"], 0.72, color=BLUE if row["engine"] == OWN else FAINT)
            if "times_ours_low" in row and row["engine"] != OWN:
                axes.plot([row["times_ours_low"], end], [place, place], color=INK, linewidth=1)
            text = f"{duration(row['median'])}" if row["engine"] == OWN else f"{row['times_ours']:.2f} ×"
            text += f", {row['accuracy']:.2%}"
            axes.annotate(text, (end, place), (4, 0), textcoords="offset points", va="center", fontsize=7)
        axes.set(xlim=(0, most * 1.75), ylim=(len(engines) - 0.5, -0.5), title=problem)
        axes.set_yticks(range(len(engines)), [textwrap.shorten(name, 24, placeholder="…") for name in engines])
        axes.set_xticks(range(int(most) + 1))
        axes.tick_params(axis="y", length=0)
        axes.spines["bottom"].set_bounds(0, most)
    figure.supxlabel("time of a step ÷ time of gpugrad; percentage: test accuracy", fontsize=8.5)
    return Picture(
        "training",
        figure,
        "Bars of the time of a training step over that of gpugrad, for each network and engine. "
        + " ".join(f"{network(row)}: {row['engine']} {row['times_ours']:.2f}." for row in rows),
        "A training step: gpugrad's median time, and for the others the median of the ratios to gpugrad within a round"
        + (", with a line from the 20th to the 80th percentile" if any("times_ours_low" in row for row in rows) else "")
        + ". The percentage is the test accuracy after the same number of steps.",
    )


def time_to_accuracy(rows: list[Row]) -> Picture:
    """Plot the time to an accuracy for each network and engine."""

    def text(row: Row) -> str:
        epochs = counted(row["epochs"], "epoch")
        return f"{duration(row['seconds'])}, {epochs}, accuracy {row['accuracy']:.2%}"

    target = ", ".join(sorted({f"{row['target']:.1%}" for row in rows}))
    reached = [row for row in rows if row["seconds"]]
    missed = "; ".join(f"{network(row)}, {row['engine']}" for row in rows if not row["seconds"])
    return Picture(
        "time-to-accuracy",
        _engine_bars(reached, "seconds", text, "training time to the target"),
        "Bars of the time to an accuracy for each network and engine. " + _values(reached, "seconds"),
        f"Training until the test accuracy is at least {target}, without the time of evaluation."
        + (f" Not reached: {missed}." if missed else ""),
    )


def _engine_bars(rows: list[Row], time: str, text: Callable[[Row], str], label: str) -> Any:
    """Plot one panel per network with one bar per engine."""
    panels: dict[str, list[Row]] = {}
    for row in rows:
        panels.setdefault(network(row), []).append(row)
    heights = [len(panel) + 0.5 for panel in panels.values()]
    figure = new_figure(0.3 + sum(0.45 + 0.24 * height for height in heights))
    every = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (title, panel) in zip(every, panels.items(), strict=True):
        most = max(row[time] for row in panel)
        for i, row in enumerate(panel):
            axes.barh(i, row[time], 0.7, color=BLUE if row["engine"] == OWN else FAINT)
            axes.annotate(text(row), (row[time], i), (4, 0), textcoords="offset points", va="center", fontsize=7.5)
        names = [textwrap.shorten(row["engine"], 24, placeholder="…") for row in panel]
        axes.set_yticks(range(len(panel)), names)
        axes.set(xlim=(0, most * 2.4), ylim=(len(panel) - 0.5, -0.5), title=title)
        axes.set_xticks(_few_ticks(most))
        axes.xaxis.set_major_formatter(lambda value, _: duration(value) if value else "0")
        axes.tick_params(axis="y", length=0)
        axes.spines["bottom"].set_bounds(0, most)
    every[-1].set_xlabel(label, loc="left")
    return figure


def _few_ticks(most: float) -> list[float]:
    from matplotlib.ticker import MaxNLocator

    return [tick for tick in MaxNLocator(3).tick_values(0, most) if tick <= most]


def _values(rows: list[Row], time: str) -> str:
    return " ".join(f"{network(row)}: {row['engine']} {duration(row[time])}." for row in rows)


def scaling(rows: list[Row], slopes: list[Row]) -> Picture:
    """Plot one panel per axis: the time of a step, and the fitted slope."""
    slope_of = {entry["axis"]: entry for entry in slopes}
    names = list(dict.fromkeys(row["axis"] for row in rows))
    figure = new_figure(1.85 * len(names))
    for axes, name in zip(figure.subplots(len(names), 1, squeeze=False)[:, 0], names, strict=True):
        part = sorted((row for row in rows if row["axis"] == name), key=lambda row: row["value"])
        x, y = [row["value"] for row in part], [row["median"] for row in part]
        axes.set(xscale="log", yscale="log", xlabel=f"{name} (log scale)", ylabel="time of a step (log)")
        axes.fill_between(x, [r["low"] for r in part], [r["high"] for r in part], color=BLUE, alpha=0.25, linewidth=0)
        axes.plot(x, y, "o-", color=BLUE, markersize=4, linewidth=1.2)
        if slope := slope_of.get(name):
            _slope_line(axes, x, y, slope)
            axes.legend(loc="upper left", fontsize=7.5)
        axes.set_xticks(x, [f"{value:g}" for value in x])
        axes.minorticks_off()
        ticks = _log_ticks(*axes.get_ylim())
        axes.set_yticks(ticks, [duration(tick) for tick in ticks])
        axes.grid()
    fits = " ".join(f"{name}: slope {entry['slope']:.2f}." for name, entry in slope_of.items())
    return Picture(
        "scaling",
        figure,
        f"Curves of the time of a step against {', '.join(names)}. {fits}".strip(),
        "Time of a step, on logarithmic axes: with slope 1 the time doubles when the size doubles. The band is from "
        "the 20th to the 80th percentile.",
    )


def _log_ticks(low: float, high: float) -> list[float]:
    """Return round seconds from `low` to `high`, more per decade if the range is less than one."""
    digits = (1, 2, 5) if high > 10 * low else (1, 1.5, 2, 3, 4, 5, 7)
    return [tick for power in range(-9, 5) for digit in digits if low <= (tick := digit * 10.0**power) <= high]


def _slope_line(axes: Any, x: list[float], y: list[float], slope: Row) -> None:
    """Plot the slope as a dashed line, slightly above the values it was fitted to."""
    upper = [i for i, value in enumerate(x) if slope["from"] <= value <= slope["to"]]
    middle = 1.35 * geometric_mean([y[i] for i in upper])
    center = geometric_mean([x[i] for i in upper])
    ends = [slope["from"], slope["to"]]
    heights = [middle * (end / center) ** slope["slope"] for end in ends]
    words = f"slope {slope['slope']:.2f}, fitted from {slope['from']} to {slope['to']}"
    axes.plot(ends, heights, "--", color=ORANGE, linewidth=1.2, label=words)
