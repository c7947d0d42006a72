"""Light and dark pictures. All are drawn for white paper; a dark one is the finished figure in other colours.

So the colours are in one place, and a script that names a colour of its own has a dark picture too. Okabe and Ito's
colours have contrast on both papers and stay; greys and pale tints, which are ink, paper and what lies between, change
places.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any
from weakref import WeakSet

import numpy as np

from ..errors import choose

THEMES = ("light", "dark")
INK, PAPER = np.array([0xE6, 0xED, 0xF3]) / 255, np.array([0x0D, 0x11, 0x17]) / 255  # of a dark picture, as on GitHub
ALMOST_WHITE = 0.9  # what is paler lies below lines, like a tint
GREY, TINT = 0.05, 0.25  # a colour whose largest and smallest component differ by less is a grey, or a pale tint
OF_GREY, OF_TINT = 0.8, 1.3  # exponents of the distance from the paper: greys are for words, tints lie below lines
DARKEST = 0.41  # least luma of a line on dark paper; of Okabe and Ito's colours only their blue is mixed with white

_theme: ContextVar[str] = ContextVar("theme", default="light")
_dark: WeakSet[Any] = WeakSet()  # figures in dark colours


@contextlib.contextmanager
def theme(name: str) -> Iterator[None]:
    """Draw the pictures within the block for white or for dark paper.

    Parameters
    ----------
    name : {"light", "dark"}
        The theme.

    Yields
    ------
    None
        Nothing.

    Raises
    ------
    ArgumentError
        If there is no such theme.

    Examples
    --------
    >>> from gpugrad.lab import pictures, theme
    >>> with theme("dark"):
    ...     figure = pictures.plot_basins("double well", "sgd", "basins.png")  # doctest: +SKIP
    """
    token = _theme.set(choose("theme", name, THEMES))
    try:
        yield
    finally:
        _theme.reset(token)


def apply_theme(figure: Any) -> Any:
    """Give a finished figure the colours of the theme.

    Parameters
    ----------
    figure : Figure
        Matplotlib's figure, drawn for white paper, in the style in which it was drawn.

    Returns
    -------
    Figure
        The same figure.
    """
    if _theme.get() == "dark" and figure not in _dark:
        _dark.add(figure)
        for artist in _artists(figure):
            _recolour(artist)
        for axes in figure.axes:
            _recolour_axes(axes)
    return figure


def dark(colours: Any) -> np.ndarray:
    """Return the colours on dark paper of colours on white paper.

    Parameters
    ----------
    colours : colour or sequence of colours
        Anything that Matplotlib accepts.

    Returns
    -------
    ndarray, (4,) or (n, 4)
        Red, green, blue and alpha.
    """
    from matplotlib.colors import to_rgba, to_rgba_array

    single = isinstance(colours, str) or np.ndim(colours) == 1
    rgba = np.array(to_rgba(colours) if single else to_rgba_array(colours))
    rgb = rgba[..., :3]
    pale = np.ptp(rgb, axis=-1, keepdims=True) < TINT
    luma = rgb @ np.array([[0.299], [0.587], [0.114]])
    white = np.clip((DARKEST - luma) / np.maximum(1 - luma, 0.01), 0, 1)
    grey = (np.ptp(rgb, axis=-1, keepdims=True) < GREY) & (rgb.max(axis=-1, keepdims=True) < ALMOST_WHITE)
    power = np.where(grey, OF_GREY, OF_TINT)
    rgba[..., :3] = np.where(pale, _inverted(rgb, power), rgb + white * (1 - rgb))
    return rgba


def _inverted(rgb: np.ndarray, power: Any = OF_GREY) -> np.ndarray:
    """Return colours as far from the dark paper as they were from white, with their tint."""
    light = (rgb.max(axis=-1, keepdims=True) + rgb.min(axis=-1, keepdims=True)) / 2
    return np.clip(PAPER + (1 - light) ** power * (INK - PAPER) + (rgb - light), 0, 1)


def _artists(figure: Any) -> Iterator[Any]:
    for artist in figure.findobj(lambda artist: not hasattr(artist, "patch")):  # a figure and axes have their patch's
        yield artist
        if hasattr(artist, "get_bbox_patch"):  # a text, which does not list its box and arrow as children
            yield from filter(None, (artist.get_bbox_patch(), getattr(artist, "arrow_patch", None)))


def _recolour(artist: Any) -> None:
    if getattr(artist, "get_array", lambda: None)() is not None and hasattr(artist, "set_cmap"):
        artist.set_cmap(_dark_map(artist.get_cmap()))
        return
    names = ("color", "markerfacecolor", "markeredgecolor", "facecolor", "edgecolor")
    found = {name: getattr(artist, f"get_{name}")() for name in names if hasattr(artist, f"get_{name}")}
    for name, colour in found.items():
        if len(colour):
            getattr(artist, f"set_{name}")(dark(colour))


def _dark_map(colours: Any) -> Any:
    """Return a colour map on dark paper: a list of colours one by one, a scale from dark to light instead of back."""
    from matplotlib.colors import ListedColormap

    rgba = colours(np.arange(colours.N))
    if isinstance(colours, ListedColormap):
        rgba = dark(rgba)
    else:
        rgba[:, :3] = _inverted(rgba[:, :3])
    ends: dict[str, Any] = {name: dark(getattr(colours, f"get_{name}")()) for name in ("under", "over", "bad")}
    return ListedColormap(rgba).with_extremes(**ends)


def _recolour_axes(axes: Any) -> None:
    """Recolour the ticks that are made only when a figure is drawn, and the walls of a three-dimensional view."""
    import matplotlib

    style: Any = matplotlib.rcParams
    for name in ("x", "y", "z"):
        axis = getattr(axes, f"{name}axis", None)
        if axis is None:
            continue
        rc = {what: style[f"{'y' if name == 'z' else name}tick.{what}"] for what in ("color", "labelcolor")}
        label = rc["color"] if rc["labelcolor"] == "inherit" else rc["labelcolor"]
        axis.set_tick_params(color=dark(rc["color"]), labelcolor=dark(label), grid_color=dark(style["grid.color"])[:3])
        if hasattr(axis, "set_pane_color"):
            axis.set_pane_color(dark(axis.pane.get_facecolor()))
            axis.line.set_color(dark(axis.line.get_color()))
