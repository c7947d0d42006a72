"""Basins of attraction: the minimum that each start leads to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import optim
from .running import TOLERANCE, Rows, run
from .view import RESOLUTION, View

SAME = 0.02  # ends closer than this share of the view's width are one


@dataclass(frozen=True)
class Basins:
    """Minimum that each point of a grid leads to.

    Parameters
    ----------
    ends : ndarray, (n_ends, 2)
        The ends, lowest value first.
    values : ndarray, (n_ends,)
        Values at the ends.
    labels : ndarray of int, (n, n)
        Index of the end that each point leads to, or −1 for none; one row per second coordinate.
    steps : ndarray of int, (n, n)
        Steps from each point.
    """

    ends: np.ndarray
    values: np.ndarray
    labels: np.ndarray
    steps: np.ndarray


def basins(
    view: View,
    optimizer: str = "sgd",
    *,
    lr: float | None = None,
    resolution: int = 100,
    tol: float = 1e-4,
    max_steps: int = 500,
    **options: Any,
) -> Basins:
    """Descend from every point of a grid over the view, all as one batch.

    Ends closer than 2% of the view's width are one.

    Parameters
    ----------
    view : View
        The function and the limits of the grid.
    optimizer : str, default "sgd"
        A name of ``optim.NAMES``.
    lr : float, optional
        Learning rate. By default, the optimizer's own default.
    resolution : int, default 100
        Points per side of the grid; fewer for a slow function such as a network's loss.
    tol : float, default 1e-4
        Gradient norm below which an end counts.
    max_steps : int, default 500
        Largest number of steps.
    **options
        Options of the optimizer.

    Returns
    -------
    Basins
        The ends, and the end of each point.
    """
    resolution = min(resolution, view.resolution if view.resolution >= RESOLUTION else view.resolution // 2)
    sides = [np.linspace(*ends, resolution) for ends in view.bounds]
    starts = np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 2)
    rows = Rows(starts, [lr], lambda groups: optim.make(optimizer, groups, **options), view.objective, None)
    done = run(view.objective, rows, tol=tol, max_steps=max_steps, keep=False)
    arrived = np.array([end == TOLERANCE for end in done.ends])
    ends = np.array([points[-1] for points in done.points])
    heights = np.array([values[-1] for values in done.values])
    same = SAME * (view.bounds[0][1] - view.bounds[0][0])
    centres: list[np.ndarray] = []
    labels = np.full(len(starts), -1)
    for row in np.flatnonzero(arrived)[np.argsort(heights[arrived], kind="stable")]:
        near = [i for i, centre in enumerate(centres) if np.linalg.norm(ends[row] - centre) < same]
        if not near:
            near = [len(centres)]
            centres.append(ends[row])
        labels[row] = near[0]
    return Basins(
        np.array(centres).reshape(-1, 2),
        np.array([heights[labels == i].min() for i in range(len(centres))]),
        labels.reshape(resolution, resolution),
        done.steps.reshape(resolution, resolution),
    )
