"""The page as one document, and surfaces and paths as the data it reads."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from collections.abc import Sequence
from importlib import resources
from typing import Any

import numpy as np

from ... import optim
from ..minimize import Path
from ..race import USUAL
from ..surfaces import NAMES
from ..view import LOOKS, View, view_of

SCRIPTS = ("link.js", "canvas.js", "contours.js", "surface_plot.js", "value_plot.js", "source.js", "controls.js",
           "table.js", "main.js")  # fmt: skip
SIDE = 140  # points per side of the grid of heights
COARSE = 15  # points per side of the grid that the usual length of a gradient is computed from
HIGHEST = 65535  # largest height: heights are sent as uint16
# The page loads nothing and runs its own style and script alone; only a served page sends requests, to its own server.
POLICY = (
    "default-src 'none'; style-src {style}; script-src {script}; img-src data:; connect-src {source}; "
    "base-uri 'none'; form-action 'none'"
)


def document(
    recorded: dict[str, str] | None = None, surfaces: Sequence[str] = NAMES, usual: Sequence[str] = USUAL
) -> str:
    """Return the page in HTML.

    Parameters
    ----------
    recorded : dict of str to str, optional
        Record of each surface, see `recorded`. By default, the page sends requests to its server.
    surfaces : sequence of str
        Names of the surfaces it offers.
    usual : sequence of str
        Optimizers that are selected at first.

    Returns
    -------
    str
        The document.
    """
    setup = {
        "surfaces": list(surfaces),
        "optimizers": [
            {"name": name, "colour": LOOKS[name][0], "dashed": LOOKS[name][1] != "-"} for name in optim.NAMES
        ],
        "usual": list(usual),
        "recorded": recorded,
    }
    parts = {
        "policy": policy("'none'" if recorded else "'self'"),
        **_own(),
        "setup": json.dumps(setup).replace("<", "\\u003c"),
    }
    page = _read("page.html")
    for name, content in parts.items():
        page = page.replace("{{" + name + "}}", content)
    return page


def policy(source: str = "'self'") -> str:
    """Return the Content-Security-Policy of the page.

    Parameters
    ----------
    source : {"'self'", "'none'"}, default "'self'"
        Where the page may send requests.

    Returns
    -------
    str
        The policy, which names style and script of the page by their hashes.
    """
    hashes = {name: base64.b64encode(hashlib.sha256(text.encode()).digest()) for name, text in _own().items()}
    return POLICY.format(source=source, **{name: f"'sha256-{text.decode()}'" for name, text in hashes.items()})


@functools.cache
def _own() -> dict[str, str]:
    """Return style and script of the page."""
    return {"style": _read("page.css"), "script": "\n".join(map(_read, SCRIPTS))}


def _read(name: str) -> str:
    return (resources.files(__package__) / name).read_text("utf-8")


def describe(f: Any, side: int = SIDE) -> dict[str, Any]:
    """Return a surface as the page reads it: texts, view, marked points, suitable rates, and heights over a grid.

    Parameters
    ----------
    f : Surface or NetworkLoss
        The surface.
    side : int, default 140
        Maximum number of points per side of the grid.

    Returns
    -------
    dict
        ``heights`` is base64 of (side, side) little-endian uint16, one row per second coordinate: heights from 0 to
        ``bands``, in contour lines, scaled to 0 … 65535. ``slope`` is the usual length of a gradient.
    """
    view = view_of(f)
    heights = _heights(view, side)
    points = np.stack(np.meshgrid(*(np.linspace(low, high, COARSE) for low, high in view.bounds)), axis=-1).reshape(
        -1, 2
    )
    slope = float(np.median(np.linalg.norm(view.objective.gradients(points)[1], axis=1)))
    return {
        "name": f.name,
        "about": f.about,
        "bounds": view.bounds,
        "starts": f.starts,
        "minima": view.minima,
        "saddles": view.saddles,
        "rates": {name: f.rate(name) for name in optim.NAMES},
        "slope": float(f"{slope:.2g}"),
        "bands": len(view.levels) + 1,
        "side": len(heights),
        "heights": base64.b64encode(heights.astype("<u2").tobytes()).decode(),
    }


def _heights(view: View, side: int) -> np.ndarray:
    """Return heights in contour lines: 1 at the first level, 2 at the second, linear in between.

    They continue beyond the last level, so that a line interpolated between grid points has no steps.
    """
    values = view.grid(side)[2]
    levels = np.array(view.levels)
    edges = [2 * levels[0] - levels[1], *levels, 2 * levels[-1] - levels[-2]]
    return np.round(np.interp(values, edges, np.arange(len(edges))) / (len(edges) - 1) * HIGHEST)


def path_of(path: Path) -> dict[str, Any]:
    """Return a path with all its points, as plain numbers and texts.

    Parameters
    ----------
    path : Path
        The path.

    Returns
    -------
    dict
        The entries of `Path.as_dict`, points, values and gradient norms.
    """
    return {
        **path.as_dict(),
        "points": path.points.tolist(),
        "values": path.values.tolist(),
        "gradient_norms": path.gradient_norms.tolist(),
    }
