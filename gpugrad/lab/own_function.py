"""A surface from a text: its view, contour lines and learning rate are found from the function itself."""

from __future__ import annotations

import numpy as np

from ..engine.device import device
from ..errors import ArgumentError
from ..training.evaluation import quiet
from .expression import parse
from .hessian import hessian
from .objective import Objective
from .surfaces import Bounds, Surface
from .view import view_of

OWN = "own function"  # its name among the surfaces of the page
ABOUT = "Your own function of x and y."
HALF = 3.0  # half the side of the usual view, around the origin
BEYOND = 1.2  # and of one that must reach a far start, in distances of the start
START = (2.0, 1.0)
WIDEST = 1e6
SIDE = 40  # points per side of the grid that is searched for finite values
PROBES = 5  # points per side of a grid of Hessians
CAUTIOUS = 0.5  # learning rate times the usual curvature


@quiet
def own_function(text: str, start: tuple[float, ...] = START, bounds: Bounds | None = None) -> Surface:
    """Return a surface from a text such as "x**2 + 3*sin(y)".

    Parameters
    ----------
    text : str
        The function, as `expression.parse` accepts it.
    start : (float, float)
        The start.
    bounds : tuple, optional
        Limits of the view, ((low, high), (low, high)). By default a square around the origin that contains the start.

    Returns
    -------
    Surface
        The surface, named `OWN`. Contour lines are at quantiles of the values, and the learning rate is half of one
        over the larger of two curvatures: that at the start, and the median over the view.

    Raises
    ------
    ArgumentError
        If the text is no function, the bounds are invalid, or there is no finite value within them.
    """
    function = parse(text)
    if bounds is None:
        farthest = max(map(abs, start))
        half = HALF if farthest <= HALF else float(f"{BEYOND * farthest:.2g}")
        bounds = ((-half, half), (-half, half))
    if not all(-WIDEST <= low < high <= WIDEST for low, high in bounds):
        raise ArgumentError(
            f"the view is {bounds[0][0]:g} to {bounds[0][1]:g} by {bounds[1][0]:g} to {bounds[1][1]:g}, expected low "
            f"before high, up to {WIDEST:g}: -3,3,-3,3 for instance"
        )
    objective = Objective(function, 2, device("cpu"), np.float64)
    values = objective.values(_grid(bounds, SIDE))
    if not np.isfinite(values).any():
        raise ArgumentError("the function has no finite value in the view: choose another view")
    levels = view_of(function, bounds=bounds).levels
    if len(levels) < 2:
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        levels = (low - 1.0, high + 1.0)

    def gradient(points: np.ndarray) -> np.ndarray:
        return objective.gradients(points.reshape(-1, 2))[1].reshape(points.shape)

    found = np.array([_curvature(objective, point) for point in (np.array(start, float), *_grid(bounds, PROBES))])
    usual = max(found[0], float(np.median(found)))
    lr = float(f"{CAUTIOUS / usual:.2g}") if usual > 0 else 0.1
    return Surface(OWN, ABOUT, text, function, gradient, bounds, (start,), levels, lr)


def _grid(bounds: Bounds, side: int) -> np.ndarray:
    return np.stack(np.meshgrid(*(np.linspace(*ends, side) for ends in bounds)), axis=-1).reshape(-1, 2)


def _curvature(objective: Objective, point: np.ndarray) -> float:
    """Return the largest absolute eigenvalue of the Hessian, or 0 if it is not finite."""
    matrix = hessian(objective, point)
    return float(np.abs(np.linalg.eigvalsh(matrix)).max()) if np.isfinite(matrix).all() else 0.0
