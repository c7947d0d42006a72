"""Common parts of pictures: values over a grid, contour lines, colours, labels of paths."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..engine.device import device as get_device
from ..errors import ArgumentError, counted
from ..optim import RULES
from ..training.plots import figure_type
from .minimize import Path
from .objective import Objective
from .surfaces import Bounds, surface
from .verdict import words

# Okabe & Ito's colours, distinct for colour-blind readers; their yellow is too pale for a line.
BLACK, RED, BLUE, GREEN = "#000000", "#D55E00", "#0072B2", "#009E73"
PURPLE, ORANGE, SKY = "#CC79A7", "#E69F00", "#56B4E9"
COLOURS = (BLACK, RED, BLUE, GREEN, PURPLE, ORANGE, SKY)
DASHES = ("-", "--", ":")
_dotted = itertools.cycle(COLOURS)  # for optimizers without a colour in their row
LOOKS = {
    name: (rule.colour, DASHES[rule.dashed]) if rule.colour else (next(_dotted), ":") for name, rule in RULES.items()
}
STYLE: dict[Any, Any] = {
    "font.size": 15,  # readable from the back of a room when the picture fills a slide
    "font.family": "DejaVu Sans",  # comes with Matplotlib
    "axes.titlesize": 16,
    "legend.fontsize": 13,
    "legend.frameon": False,
    "axes.linewidth": 0.8,
}
RESOLUTION = 200  # points per side of the grid
MARGIN = 0.15  # margin around the paths of a function without its own view, as a share of their extent
QUANTILES = 14
FAR = 1000.0  # lines are drawn up to this many widths of the view: Matplotlib cannot draw farther coordinates
IN_LEGEND = 10  # maximum number of paths in a legend
NARROW = 1.35  # width over height of a view below which the legend is to its right
DEEP, HIGH, LINES = "#a9bfd8", "#f7f9fc", "#8396ab"


@dataclasses.dataclass(frozen=True)
class View:
    """Function together with the part of it that pictures show.

    Parameters
    ----------
    objective : Objective
        The function.
    name : str
        Name in titles, may be empty.
    bounds : tuple
        Limits (low, high) of each coordinate.
    levels : tuple of float
        Levels of the contour lines.
    minima, saddles : tuple of points
        Known stationary points.
    resolution : int
        Maximum number of points per side of a grid.
    """

    objective: Objective
    name: str
    bounds: Bounds
    levels: tuple[float, ...]
    minima: tuple[tuple[float, ...], ...]
    saddles: tuple[tuple[float, ...], ...]
    resolution: int

    def grid(self, resolution: int = RESOLUTION) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Compute the function over a grid of the view.

        Parameters
        ----------
        resolution : int, default 200
            Points per side, at most those of the view.

        Returns
        -------
        ndarray, (n,)
            First coordinates.
        ndarray, (n,)
            Second coordinates.
        ndarray, (n, n)
            Values, one row per second coordinate.
        """
        n = min(resolution, self.resolution)
        first, second = (np.linspace(*ends, n) for ends in self.bounds)
        points = np.stack(np.meshgrid(first, second), axis=-1).reshape(-1, 2)
        return first, second, self.objective.values(points).reshape(n, n)


def view_of(f: Any, paths: Sequence[Path] = (), bounds: Any = None, dim: int = 2) -> View:
    """Return the view of a function.

    Parameters
    ----------
    f : str, Surface or callable
        A surface, its name, or a function as `minimize` accepts it.
    paths : sequence of Path
        Paths that the picture shows.
    bounds : tuple, optional
        Limits (low, high) of each coordinate. By default those of the surface, or those that the paths need.
    dim : {1, 2}, default 2
        Coordinates of a point.

    Returns
    -------
    View
        The view.

    Raises
    ------
    ArgumentError
        If there are neither bounds nor paths, the bounds are invalid, or the paths have another dimension.
    """
    f = surface(f) if isinstance(f, str) else f
    for path in paths:
        if path.points.shape[1] != dim:
            raise ArgumentError(
                f"a path has {counted(path.points.shape[1], 'number')} per point, the picture shows {dim}: "
                "pass paths of one or two numbers"
            )
    if bounds is None:
        bounds = getattr(f, "bounds", None) or _around(paths)
    bounds = tuple((float(low), float(high)) for low, high in bounds)
    if not all(low < high and np.isfinite([low, high]).all() for low, high in bounds):
        raise ArgumentError(f"bounds are {bounds}, expected (low, high) for each number with low < high")
    objective = Objective(f, dim, get_device("cpu"), np.float64)
    low, high = np.transpose(bounds)
    objective.check(np.linspace(low, high, 5)[1:-1])
    levels = getattr(f, "levels", None)
    known = (getattr(f, "minima", ()), getattr(f, "saddles", ()), getattr(f, "resolution", RESOLUTION))
    made = View(objective, getattr(f, "name", ""), bounds, levels or (), *known)
    if levels is None and dim == 2:
        values = made.grid(40)[2]
        found = np.unique(np.quantile(values[np.isfinite(values)], np.linspace(0.01, 0.97, QUANTILES)))
        made = dataclasses.replace(made, levels=tuple(found.tolist()))
    return made


def _around(paths: Sequence[Path]) -> Any:
    if not paths:
        raise ArgumentError("a function without a view was drawn without paths: pass bounds=((−2, 2), (−2, 2))")
    points = np.concatenate([path.points for path in paths])
    points = points[np.isfinite(points).all(axis=1)]
    low, high = points.min(axis=0), points.max(axis=0)
    margin = MARGIN * np.where(high > low, high - low, 1.0)
    return tuple(zip(low - margin, high + margin, strict=True))


@contextlib.contextmanager
def slide(width: float = 10, height: float = 7.2, *, bounds: Bounds | None = None) -> Iterator[Any]:
    """Provide a figure in the style of the lab, which applies within the block.

    Parameters
    ----------
    width, height : float
        Size in inches.
    bounds : tuple, optional
        Limits of a view that is drawn to scale; the height follows from them.

    Yields
    ------
    Figure
        Matplotlib's figure.
    """
    figure_class = figure_type()
    import matplotlib

    with matplotlib.rc_context(STYLE):
        if bounds is None:
            yield figure_class(figsize=(width, height), layout="constrained")
        else:
            height = height if _ratio(bounds) < NARROW else max(width / _ratio(bounds) + 2, 5)
            yield figure_class(figsize=(width, height), layout="compressed")


def tidy(axes: Any) -> None:
    """Give a plot of lines a pale grid, and no frame at the top and on the right.

    Parameters
    ----------
    axes : Axes
        Matplotlib's axes.
    """
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)


def draw_contours(axes: Any, view: View, *, resolution: int = RESOLUTION, marks: bool = True) -> None:
    """Draw filled contours in pale grey-blue, the minima as stars and the saddles as crosses.

    Parameters
    ----------
    axes : Axes
        Matplotlib's axes.
    view : View
        The function.
    resolution : int, default 200
        Points per side.
    marks : bool, default True
        Draw the stationary points.
    """
    from matplotlib.colors import LinearSegmentedColormap

    first, second, values = view.grid(resolution)
    if len(view.levels) > 1:
        depth = LinearSegmentedColormap.from_list("depth", [DEEP, HIGH])
        shades = depth(np.linspace(0, 1, len(view.levels) + 1))
        axes.contourf(first, second, values, levels=view.levels, colors=shades, extend="both")
        axes.contour(first, second, values, levels=view.levels, colors=LINES, linewidths=0.6, linestyles="solid")
    if marks:
        for points, marker in ((view.minima, "*"), (view.saddles, "X")):
            inside = [p for p in points if all(low <= x <= high for x, (low, high) in zip(p, view.bounds, strict=True))]
            if inside:
                axes.plot(
                    *np.transpose(inside), marker, color="white", markeredgecolor="#333333", markersize=13, zorder=4
                )
    axes.set(xlim=view.bounds[0], ylim=view.bounds[1], xlabel="$x_1$", ylabel="$x_2$", aspect="equal")


def looks(paths: Sequence[Path]) -> list[tuple[str, str]]:
    """Return colour and dashes of each path: the optimizer's own if no two paths share it, else the next in a list.

    Parameters
    ----------
    paths : sequence of Path
        The paths.

    Returns
    -------
    list of (str, str)
        Colour and dashes.
    """
    names = [path.optimizer for path in paths]
    if len(set(names)) == len(names) and set(names) <= set(LOOKS):
        return [LOOKS[name] for name in names]
    return [(COLOURS[i % len(COLOURS)], DASHES[i // len(COLOURS) % len(DASHES)]) for i in range(len(names))]


def label(path: Path, ending: str | None = None) -> str:
    """Return the optimizer, its learning rate and how it ended; the line may break at the semicolon.

    Parameters
    ----------
    path : Path
        The path.
    ending : str, optional
        How it ended. By default it is left out.

    Returns
    -------
    str
        The label.
    """
    options = "".join(f", {name} {value}" for name, value in path.options.items())
    return f"{path.optimizer}; η = {path.lr:g}{options}" + ("" if ending is None else f": {ending}")


def in_view(points: np.ndarray, bounds: Bounds) -> np.ndarray:
    """Return the points that can be drawn.

    Parameters
    ----------
    points : ndarray, (n, 2)
        Points of a path.
    bounds : tuple
        Limits of the view.

    Returns
    -------
    ndarray, (n, 2)
        The points; where a path leaves far beyond the view, the last line is cut and the rest is NaN.
    """
    low, high = np.transpose(bounds)
    with np.errstate(all="ignore"):
        distances = (np.abs(points - (low + high) / 2) / (high - low)).max(axis=1)
    gone = np.flatnonzero(~(distances < FAR))
    points = points.copy()
    if len(gone):
        first = gone[0]
        points[first + 1 :] = np.nan
        if first and np.isfinite(distances[first]):
            points[first] = points[first - 1] + (points[first] - points[first - 1]) * (FAR / 2 / distances[first])
        else:
            points[first] = np.nan
    return points


def add_legend(
    figure: Any, paths: Sequence[Path], bounds: Bounds | None = None, endings: Sequence[str] | None = None
) -> None:
    """Add a legend with up to ten paths, each with how it ended.

    Parameters
    ----------
    figure : Figure
        Matplotlib's figure.
    paths : sequence of Path
        The paths.
    bounds : tuple, optional
        Limits of a view that is drawn to scale.
    endings : sequence of str, optional
        How each path ended. By default, in the words of `verdict.words`.
    """
    from matplotlib.lines import Line2D

    if len(paths) > IN_LEGEND:
        return
    styles: list[dict[str, Any]] = [
        {"color": colour, "linestyle": dashes, "linewidth": 3} for colour, dashes in looks(paths)
    ]
    lines = [Line2D([], [], **style) for style in styles]
    endings = endings or list(map(words, paths))
    place_legend(figure, lines, list(map(label, paths, endings)), bounds)


def place_legend(figure: Any, handles: Sequence[Any], labels: Sequence[str], bounds: Bounds | None) -> None:
    """Place a legend below the picture, or to the right of a view to scale that is not wide.

    Parameters
    ----------
    figure : Figure
        Matplotlib's figure.
    handles : sequence of Artist
        Lines or patches.
    labels : sequence of str
        Their labels.
    bounds : tuple or None
        Limits of a view that is drawn to scale.
    """
    at_right = bounds is not None and _ratio(bounds) < NARROW
    labels = [broken(text, bounds) for text in labels]
    where = "outside right upper" if at_right else "outside lower center"
    figure.legend(handles, labels, loc=where, ncols=1 if at_right or len(labels) == 1 else 2)


def broken(text: str, bounds: Bounds | None) -> str:
    """Return a label as the legend of a picture shows it, in two lines to its right and in one below.

    Parameters
    ----------
    text : str
        A label, which may break at its semicolon.
    bounds : tuple or None
        Limits of a view that is drawn to scale.

    Returns
    -------
    str
        The label.
    """
    return text.replace("; ", "\n" if bounds is not None and _ratio(bounds) < NARROW else ", ")


def _ratio(bounds: Bounds) -> float:
    (left, right), (low, high) = bounds
    return (right - left) / (high - low)
