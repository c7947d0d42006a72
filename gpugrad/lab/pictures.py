"""Pictures of descents: paths over contours or a curve, values against steps, surfaces in 3-D, basins, grids.

The plot_… functions return Matplotlib's figure and save it if a file is given; they raise GpugradError if Matplotlib is
not installed. The draw_… functions draw the same into existing axes.
"""

from __future__ import annotations

import io
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..engine.files import write_whole
from ..errors import ArgumentError, counted
from ..training.theme import apply_theme
from .basins import Basins, basins
from .minimize import Path
from .surfaces import surface
from .view import (
    COLOURS,
    IN_LEGEND,
    LINES,
    STYLE,
    View,
    add_legend,
    draw_contours,
    in_view,
    looks,
    place_legend,
    slide,
    tidy,
    view_of,
)

File = str | pathlib.Path | None

DPI = 120
FEW, SOME = 60, 250  # up to FEW steps each point gets a dot, up to SOME a small one
NOWHERE = "#eeeeee"  # colour of starts that lead to no minimum
SHADE = 0.65  # opacity of the basins


def plot_paths(f: Any, paths: Path | Sequence[Path], file: File = None, *, bounds: Any = None) -> Any:
    """Plot paths over contour lines, or over the curve of a function of one number.

    A ring is a start, a disc an end.

    Parameters
    ----------
    f : str, Surface or callable
        A surface, its name, or a function as `minimize` accepts it.
    paths : Path or sequence of Path
        The paths.
    file : path_like, optional
        PNG file to write.
    bounds : tuple, optional
        Limits (low, high) of each coordinate. By default those of the surface, or those that the paths need.

    Returns
    -------
    Figure
        Matplotlib's figure.
    """
    paths = as_list(paths)
    flat = paths[0].points.shape[1] == 1
    view = view_of(f, paths, _of_one_number(f, bounds) if flat else bounds, dim=1 if flat else 2)
    with slide(bounds=None if flat else view.bounds) as figure:
        axes = figure.subplots()
        if flat:
            draw_curve(axes, view, paths)
        else:
            draw_contours(axes, view)
            draw_paths(axes, view.bounds, paths)
        axes.set_title(view.name)
        add_legend(figure, paths, None if flat else view.bounds)
        return saved(figure, file)


def plot_values(paths: Path | Sequence[Path], file: File = None, *, least: float | None = None) -> Any:
    """Plot the values of paths against the step.

    Parameters
    ----------
    paths : Path or sequence of Path
        The paths.
    file : path_like, optional
        PNG file to write.
    least : float, optional
        Lowest value of the function; the plot shows the heights above it on a logarithmic axis.

    Returns
    -------
    Figure
        Matplotlib's figure.
    """
    paths = as_list(paths)
    with slide() as figure:
        axes = figure.subplots()
        for path, (colour, dashes) in zip(paths, looks(paths), strict=True):
            values = path.values if least is None else np.maximum(path.values - least, 1e-16)
            values = np.where(np.isfinite(values), values, np.nan)
            axes.plot(values, dashes, color=colour, linewidth=2, marker="o" * (path.steps <= FEW), markersize=4)
        values = np.concatenate([path.values[np.isfinite(path.values)] for path in paths])
        name = f"value − {least:g}" if least else "value"
        if least is not None or (values.min() > 0 and values.max() > 100 * values.min()):
            axes.set_yscale("log")
            name += " (log scale)"
        elif np.abs(values).max() > 1e6:
            axes.set_yscale("symlog")
            name += " (log scale on both sides of 0)"
        axes.set(xlabel="step", ylabel=name)
        axes.xaxis.get_major_locator().set_params(integer=True)
        tidy(axes)
        add_legend(figure, paths)
        return saved(figure, file)


def plot_surface(
    f: Any,
    paths: Path | Sequence[Path] = (),
    file: File = None,
    *,
    bounds: Any = None,
    turn: float = -60.0,
    height: float = 40.0,
) -> Any:
    """Plot a surface in three dimensions with paths on it; heights are logarithmic if they span powers of ten.

    Parameters
    ----------
    f : str, Surface or callable
        A surface, its name, or a function as `minimize` accepts it.
    paths : Path or sequence of Path
        The paths.
    file : path_like, optional
        PNG file to write.
    bounds : tuple, optional
        Limits (low, high) of each coordinate. By default those of the surface, or those that the paths need.
    turn, height : float
        Azimuth and elevation of the viewer, in degrees.

    Returns
    -------
    Figure
        Matplotlib's figure.
    """
    paths = as_list(paths) if paths else []
    view = view_of(f, paths, bounds)
    with slide(height=8) as figure:
        axes = figure.add_subplot(projection="3d", computed_zorder=False)
        draw_surface(axes, view, paths, turn=turn, height=height)
        axes.set_title(view.name)
        if paths:
            add_legend(figure, paths)
        return saved(figure, file)


def plot_basins(
    f: Any,
    optimizer: str = "sgd",
    file: File = None,
    *,
    lr: float | None = None,
    bounds: Any = None,
    resolution: int = 150,
    **options: Any,
) -> Any:
    """Plot the minimum that each start leads to, as colours.

    Parameters
    ----------
    f : str, Surface or callable
        A surface, its name, or a function as `minimize` accepts it.
    optimizer : str, default "sgd"
        A name of ``optim.NAMES``.
    file : path_like, optional
        PNG file to write.
    lr : float, optional
        Learning rate. By default, one that suits the surface.
    bounds : tuple, optional
        Limits (low, high) of each coordinate. By default those of the surface.
    resolution : int, default 150
        Starts per side.
    **options
        Options of `basins.basins`.

    Returns
    -------
    Figure
        Matplotlib's figure.
    """
    f = surface(f) if isinstance(f, str) else f
    view = view_of(f, (), bounds)
    rate = f.rate(optimizer) if lr is None and hasattr(f, "rate") else lr
    found = basins(view, optimizer, lr=rate, resolution=resolution, **options)
    from matplotlib.patches import Patch

    n = len(found.ends)
    with slide(bounds=view.bounds) as figure:
        axes = figure.subplots()
        colours = draw_basins(axes, view, found)
        at = "" if rate is None else f", η = {rate:g}"
        axes.set_title(f"{view.name}, {optimizer}{at}")
        words = ["nowhere", *map(_place, found.ends, found.values)]
        shares = [float((found.labels == i).mean()) for i in range(-1, n)]
        shown = [i for i, share in enumerate(shares) if share >= 0.005]
        if len(shown) <= IN_LEGEND:
            patches = [Patch(color=colours[i], alpha=SHADE) for i in shown]
            place_legend(figure, patches, [f"{shares[i]:.0%} to {words[i]}" for i in shown], view.bounds)
        return saved(figure, file)


def plot_grid(f: Any, paths: Sequence[Path], file: File = None, *, bounds: Any = None) -> Any:
    """Plot each path in its own panel: one row per optimizer, its learning rates and starts across.

    Parameters
    ----------
    f : str, Surface or callable
        A surface, its name, or a function as `minimize` accepts it.
    paths : sequence of Path
        The paths.
    file : path_like, optional
        PNG file to write.
    bounds : tuple, optional
        Limits (low, high) of each coordinate. By default those of the surface, or those that the paths need.

    Returns
    -------
    Figure
        Matplotlib's figure.
    """
    paths = as_list(paths)
    view = view_of(f, paths, bounds)
    rows = [[path for path in paths if path.optimizer == name] for name in dict.fromkeys(p.optimizer for p in paths)]
    columns = max(map(len, rows))
    with slide(1 + 3.2 * columns, 1 + 2.8 * len(rows)) as figure:
        panels = figure.subplots(len(rows), columns, squeeze=False, sharex=True, sharey=True)
        for row, ways in zip(panels, rows, strict=True):
            for axes in row[len(ways) :]:
                axes.set_axis_off()
            for axes, path in zip(row, ways, strict=False):
                draw_contours(axes, view, resolution=80)
                draw_paths(axes, view.bounds, [path])
                axes.set(xlabel="", ylabel=path.optimizer if path is ways[0] else "", aspect="auto")
                axes.set_title(f"η = {path.lr:g}\n{path.verdict}, {counted(path.steps, 'step')}", fontsize=12)
        figure.suptitle(view.name)
        return saved(figure, file)


def draw_paths(
    axes: Any, bounds: Any, paths: Sequence[Path], styles: Sequence[tuple[str, str]] | None = None
) -> list[tuple[Any, Any]]:
    """Draw paths over a view of two coordinates.

    Parameters
    ----------
    axes : Axes
        Matplotlib's axes.
    bounds : tuple
        Limits of the view.
    paths : sequence of Path
        The paths.
    styles : sequence of (str, str), optional
        Colour and dashes of each path. By default, those of `view.looks`.

    Returns
    -------
    list of (Line2D, Line2D)
        Line of each path, and the disc at its end.
    """
    return [
        _draw_line(axes, in_view(path.points, bounds), path.steps, *look)
        for path, look in zip(paths, styles or looks(paths), strict=True)
    ]


def draw_surface(
    axes: Any, view: View, paths: Sequence[Path] = (), *, turn: float = -60.0, height: float = 40.0
) -> None:
    """Draw a surface and paths on it into three-dimensional axes.

    Parameters
    ----------
    axes : Axes3D
        Matplotlib's axes, created with ``computed_zorder=False``.
    view : View
        The function.
    paths : sequence of Path
        The paths.
    turn, height : float
        Azimuth and elevation of the viewer, in degrees.
    """
    first, second, values = view.grid(90)
    lowest, highest = view.levels[0], view.levels[-1]
    logarithmic = lowest > 0 and highest > 100 * lowest
    lowest = view.levels[1] if logarithmic else -np.inf  # a valley narrower than the grid would look like a comb

    def heights(values: np.ndarray) -> np.ndarray:
        shown = np.clip(values, lowest, highest)
        return np.log10(shown) if logarithmic else shown

    sheet = {"cmap": "bone", "alpha": 0.85, "linewidth": 0, "rstride": 1, "cstride": 1, "zorder": 1}
    axes.plot_surface(*np.meshgrid(first, second), heights(values), **sheet)
    low, high = np.transpose(view.bounds)
    for path, (colour, dashes) in zip(paths, looks(paths), strict=True):
        inside = ((path.points >= low) & (path.points <= high)).all(axis=1)
        line = np.column_stack([path.points, heights(path.values)])
        line[~inside] = np.nan
        axes.plot(*line.T, dashes, color=colour, linewidth=2.5, zorder=3)
        axes.plot(*line[:1].T, "o", color="white", markeredgecolor=colour, markeredgewidth=2, zorder=4)
    axes.set(xlabel="$x_1$", ylabel="$x_2$")
    axes.set_zlabel("$\\log_{10} f$" if logarithmic else "$f$", labelpad=8)
    axes.tick_params(labelsize=11)
    axes.view_init(height, turn)


def draw_basins(axes: Any, view: View, found: Basins) -> list[str]:
    """Draw the end that each start leads to, over contour lines.

    Parameters
    ----------
    axes : Axes
        Matplotlib's axes.
    view : View
        The function.
    found : Basins
        The basins.

    Returns
    -------
    list of str
        Colours: first that of starts without an end, then one per end.
    """
    from matplotlib.colors import ListedColormap

    n = len(found.ends)
    colours = [NOWHERE, *(COLOURS[1:][i % (len(COLOURS) - 1)] for i in range(n))]
    sides = [np.linspace(*ends, len(found.labels)) for ends in view.bounds]
    shades = {"cmap": ListedColormap(colours), "vmin": -1.5, "vmax": n - 0.5, "alpha": SHADE}
    axes.pcolormesh(*sides, found.labels, rasterized=True, linewidth=0, **shades)
    lines = {"colors": "#333333", "linewidths": 0.5, "linestyles": "solid", "alpha": 0.6}
    axes.contour(*view.grid(), levels=view.levels, **lines)
    for colour, end in zip(colours[1:], found.ends, strict=True):
        axes.plot(*end, "*", color=colour, markeredgecolor="white", markersize=20)
    axes.set(xlim=view.bounds[0], ylim=view.bounds[1], aspect="equal")
    axes.set(xlabel="$x_1$ of the start", ylabel="$x_2$ of the start")
    return colours


def _draw_line(axes: Any, points: np.ndarray, steps: int, colour: str, dashes: str) -> tuple[Any, Any]:
    size = 5 if steps <= FEW else 3 if steps <= SOME else 0
    (line,) = axes.plot(*points.T, dashes, color=colour, linewidth=1.8, marker="o", markersize=size, zorder=5)
    ring = {"color": "white", "markeredgecolor": colour, "markeredgewidth": 2}
    axes.plot(*points[:1].T, "o", markersize=10, zorder=6, **ring)
    (end,) = axes.plot(*points[-1:].T, "o", color=colour, markeredgecolor="white", markersize=10, zorder=7)
    return line, end


def draw_curve(axes: Any, view: View, paths: Sequence[Path], styles: Sequence[tuple[str, str]] | None = None) -> None:
    """Draw a function of one number and paths on its curve.

    Parameters
    ----------
    axes : Axes
        Matplotlib's axes.
    view : View
        The function.
    paths : sequence of Path
        The paths.
    styles : sequence of (str, str), optional
        Colour and dashes of each path. By default, those of `view.looks`.
    """
    x = np.linspace(*view.bounds[0], 400)
    y = view.objective.values(x[:, None])
    margin = 0.06 * float(y.max() - y.min())
    bounds = (view.bounds[0], (float(y.min()) - margin, float(y.max()) + margin))
    axes.plot(x, y, color=LINES, linewidth=3)
    for path, look in zip(paths, styles or looks(paths), strict=True):
        line = np.column_stack([path.points, path.values])
        _draw_line(axes, in_view(line, bounds), path.steps, *look)
    axes.set(xlim=bounds[0], ylim=bounds[1], xlabel="$x$", ylabel="$f(x)$")
    tidy(axes)


def _of_one_number(f: Any, bounds: Any) -> Any:
    """Return the bounds of a function of one number, ((low, high),), or None."""
    if bounds is not None:
        return bounds if np.ndim(bounds) == 2 else (bounds,)
    own = getattr(surface(f) if isinstance(f, str) else f, "bounds", None)
    return own and own[:1]


def _place(end: np.ndarray, value: float) -> str:
    first, second, value = (round(float(number), 3) + 0.0 for number in (*end, value))
    return f"({first:.3g}, {second:.3g}); value {value:.3g}".replace("-", "−")


def as_list(paths: Path | Sequence[Path]) -> list[Path]:
    """Return paths as a list.

    Parameters
    ----------
    paths : Path or sequence of Path
        The paths.

    Returns
    -------
    list of Path
        The paths.

    Raises
    ------
    ArgumentError
        If there are none.
    """
    paths = [paths] if isinstance(paths, Path) else list(paths)
    if not paths:
        raise ArgumentError("there are no paths, expected at least one: pass the result of minimize")
    return paths


def saved(figure: Any, file: File) -> Any:
    """Give a figure the colours of the theme and, if a file is given, write it as PNG, in the style of the lab.

    Parameters
    ----------
    figure : Figure
        Matplotlib's figure.
    file : path_like or None
        PNG file to write.

    Returns
    -------
    Figure
        The same figure.
    """
    import matplotlib

    with matplotlib.rc_context(STYLE):
        apply_theme(figure)
        if file is not None:
            content = io.BytesIO()
            figure.savefig(content, format="png", dpi=DPI)
            write_whole(file, content.getvalue())
    return figure
