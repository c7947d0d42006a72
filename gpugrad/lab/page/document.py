"""The page as one document, and surfaces and paths as the data it reads."""

from __future__ import annotations

import base64
import dataclasses
import functools
import hashlib
import inspect
import json
from collections.abc import Sequence
from importlib import resources
from typing import Any

import numpy as np

from ... import optim
from ...training.evaluation import quiet
from .. import expression, own_function
from ..minimize import Path
from ..points import POINTS
from ..race import USUAL, WITH_MOMENTUM
from ..surfaces import NAMES, REACH
from ..verdict import WORDS, words
from ..view import LOOKS, View, view_of

SCRIPTS = ("link.js", "canvas.js", "contours.js", "surface_plot.js", "relief.js", "value_plot.js", "expression.js",
           "network_loss.js", "optimizers.js", "verdict.js", "descent.js", "live.js", "source.js", "controls.js",
           "table.js", "main.js")  # fmt: skip
MOST_STEPS = 2000
SIDE = 140  # points per side of the grid of heights
COARSE = 15  # points per side of the grid that the usual length of a gradient is computed from
HIGHEST = 65535  # largest height: heights are sent as uint16
# The page loads nothing and runs its own style and script alone; only a served page sends requests, to its own server.
POLICY = (
    "default-src 'none'; style-src {style}; script-src {script}; img-src data:; connect-src {source}; "
    "base-uri 'none'; form-action 'none'"
)


def document(
    surfaces: Sequence[str] = NAMES,
    usual: Sequence[str] = USUAL,
    described: dict[str, Any] | None = None,
) -> str:
    """Return the page in HTML.

    Parameters
    ----------
    surfaces : sequence of str
        Names of the surfaces it offers.
    usual : sequence of str
        Optimizers that are selected at first.
    described : dict of str to dict, optional
        The surfaces, for a page that computes their paths by itself. By default, it sends requests to its server.

    Returns
    -------
    str
        The document.
    """
    setup = {
        "surfaces": [*surfaces, own_function.OWN],
        "optimizers": [optimizer(name) for name in optim.NAMES],
        "with_momentum": WITH_MOMENTUM,
        "usual": list(usual),
        "most_steps": MOST_STEPS,
        "words": WORDS,
        "points": {key: dataclasses.asdict(point) for key, point in POINTS.items()},
        "grammar": {
            "variables": expression.VARIABLES,
            "constants": expression.CONSTANTS,
            "functions": expression.FUNCTIONS,
            "longest": expression.LONGEST,
            "power": expression.MOST_POWER,
            "allowed": expression.ALLOWED,
            "example": expression.EXAMPLE,
        },
        "own": {
            "name": own_function.OWN,
            "about": own_function.ABOUT,
            "start": own_function.START,
            "half": own_function.HALF,
            "beyond": own_function.BEYOND,
            "widest": own_function.WIDEST,
            "cautious": own_function.CAUTIOUS,
            "reach": REACH,
        },
        "described": described,
    }
    parts = {
        "policy": policy("'self'" if described is None else "'none'"),
        **_own(),
        "setup": json.dumps(setup).replace("<", "\\u003c"),
    }
    page = _read("page.html")
    for name, content in parts.items():
        page = page.replace("{{" + name + "}}", content)
    return page


def optimizer(name: str) -> dict[str, Any]:
    """Return an optimizer as the page shows and computes it.

    Parameters
    ----------
    name : str
        A name of ``optim.NAMES``.

    Returns
    -------
    dict
        Name, look, formula, class and options; ``rate`` has the numbers (a, b, c) of the learning rate a·d + b·r + c,
        where d suits gradient descent and r is a twentieth of the view.
    """
    rule = optim.RULES[name]
    at_zero = rule.lab_rate(0.0, 0.0)
    defaults = {key: value.default for key, value in inspect.signature(rule.cls).parameters.items()}
    options = {key: value for key, value in defaults.items() if key not in ("params", "lr")} | dict(rule.options)
    return {
        "name": name,
        "colour": LOOKS[name][0],
        "dashed": LOOKS[name][1] != "-",
        "formula": rule.formula or (inspect.getdoc(rule.cls) or "").partition("\n\n")[0],
        "rule": rule.cls.__name__,
        "options": options,
        "rate": [rule.lab_rate(1.0, 0.0) - at_zero, rule.lab_rate(0.0, 1.0) - at_zero, at_zero],
    }


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


@quiet
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
    slopes = np.linalg.norm(view.objective.gradients(points)[1], axis=1)
    slope = float(np.median(slopes[np.isfinite(slopes)])) if np.isfinite(slopes).any() else 0.0
    return {
        "name": f.name,
        "about": f.about,
        "formula": f.formula,
        "equation": "" if f.name == own_function.OWN else f.equation,  # the field shows it
        "levels": view.levels,
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
    values = np.nan_to_num(view.grid(side)[2], nan=np.inf)
    levels = np.array(view.levels)
    edges = [2 * levels[0] - levels[1], *levels, 2 * levels[-1] - levels[-2]]
    shares = np.interp(values, edges, np.arange(len(edges))) / (len(edges) - 1)
    return np.round(np.nan_to_num(shares, nan=1.0) * HIGHEST)


def path_of(path: Path, bounds: Any) -> dict[str, Any]:
    """Return a path with all its points, as plain numbers and texts.

    Parameters
    ----------
    path : Path
        The path.
    bounds : tuple
        Limits of the view.

    Returns
    -------
    dict
        The entries of `Path.as_dict`, the verdict in words, points, values and gradient norms.
    """
    return {
        **path.as_dict(),
        "words": words(path, bounds),
        "points": path.points.tolist(),
        "values": path.values.tolist(),
        "gradient_norms": path.gradient_norms.tolist(),
    }
