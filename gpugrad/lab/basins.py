"""Basins of attraction: which minimum is reached from where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import optim
from .running import TOLERANCE, Rows, run
from .view import RESOLUTION, View

SAME = 0.02  # of the view's width: ends that are nearer to each other are one


@dataclass(frozen=True)
class Basins:
    """Which minimum each point of a grid leads to.

    Attributes: `ends` (n_ends, 2) and `values` (n_ends,), the lowest first; `labels` (n, n), the number of the end
    that is reached from each point, with a row for each second number, or −1 where none is; `steps` (n, n).
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
    """Descend from every point of a grid over the view, all of them as one batch.

    A function of few points a picture, as a network's loss is, is asked at half as many along a side.
    An end counts where the gradient's norm fell below tol; ends closer than 2% of the view's width are one.
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
