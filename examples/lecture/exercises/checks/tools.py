"""References by the engine's tape and optimizers, which no solution needs, and pictures of a student's results."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

import gpugrad as gg
from gpugrad.lab import surface
from gpugrad.lab.pictures import saved
from gpugrad.lab.view import COLOURS, draw_contours, in_view, slide, tidy, view_of


def remembered(function: Callable) -> Callable:
    """Return a function that computes each result once: mistakes ask for the same ones again and again."""
    known = {}

    @functools.wraps(function)
    def recall(*arguments):
        key = tuple(part.tobytes() + bytes(part.shape) if isinstance(part, np.ndarray) else part for part in arguments)
        if key not in known:
            known[key] = function(*arguments)
        return known[key]

    return recall


def slope_of(name: str) -> Callable:
    """Return the gradient of a surface, as a function with the name that the tasks give it."""

    def gradient(x):
        return surface(name).gradient(np.asarray(x, float))

    return gradient


RAVINE, WELL = slope_of("ravine"), slope_of("double well")
SURFACE_OF = {RAVINE: "ravine", WELL: "double well"}


def path_of(gradient: Callable, x0: np.ndarray, optimizer: str, steps: int, **options) -> np.ndarray:
    """Return the path that the engine's optimizer takes on a surface, (steps + 1, dim)."""
    if not steps:
        return np.array([x0], float)
    return gg.minimize(SURFACE_OF[gradient], x0, optimizer, max_steps=steps, tol=0, **options).points


def walk(update: Callable, state=0.0) -> Callable:
    """Return a function that takes steps, for a mistake: `update(x, state, gradient, …)` returns both anew."""

    def path(gradient, x0, *settings):
        *settings, steps = settings
        x, current, points = x0, state, [x0]
        for _ in range(steps):
            x, current = update(x, current, gradient, *settings)
            points.append(x)
        return np.array(points, float)

    return path


def jacobian(function: Callable, z: np.ndarray) -> np.ndarray:
    """Return the derivatives of a function of a tensor by the tape, (n_outputs, n_inputs)."""
    rows = []
    for i in range(len(function(gg.tensor(z)).numpy())):
        x = gg.tensor(z, requires_grad=True)
        y = function(x)
        (y * gg.tensor(np.eye(len(y.numpy()))[i])).sum().backward()
        rows.append(x.grad.numpy())
    return np.array(rows)


def draw_paths(file: Path, name: str, paths: dict[str, np.ndarray]) -> None:
    """Draw paths on the contour lines of a surface."""
    view = view_of(name)
    with slide(10, 6.4) as figure:
        axes = figure.subplots()
        draw_contours(axes, view)
        for (label, points), colour in zip(paths.items(), COLOURS[1:], strict=False):
            seen = in_view(np.asarray(points, float), view.bounds)
            axes.plot(*seen.T, "o-", color=colour, markersize=4, linewidth=2, label=label)
        axes.set(xlim=view.bounds[0], ylim=view.bounds[1])
        axes.legend()
        saved(figure, file)


def draw_lines(file: Path, lines: dict[str, Sequence[float]], xlabel: str, ylabel: str, **scales) -> None:
    """Draw values against their number, from 0."""
    with slide(10, 6.0) as figure:
        axes = figure.subplots()
        for (label, values), colour in zip(lines.items(), COLOURS[1:], strict=False):
            axes.plot(np.arange(len(values)), values, "o-", color=colour, markersize=3, linewidth=2, label=label)
        axes.set(xlabel=xlabel, ylabel=ylabel, **scales)
        axes.legend()
        tidy(axes)
        saved(figure, file)
