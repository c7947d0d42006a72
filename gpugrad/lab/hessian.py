"""The Hessian by differences of gradients, and what its eigenvalues say about a point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .objective import Objective

MAX_DIM = 1000  # numbers of a point beyond which no Hessian is made: it takes two gradients for each
STEP = 6e-6  # the cube root of float64's precision: central differences are then right to about ten digits
STEP_FLOAT32 = 5e-3
ZERO = 1e-6  # an eigenvalue counts as zero below this share of the largest, or of 1
FAINT = -1e3  # times that: a curvature between is looked into by values around the point
PROBE = 1e-2  # how far around a degenerate point lower values are looked for, relative to 1 + |x|
PROBES = 64  # directions, beside those of the axes

MINIMUM, SADDLE, MAXIMUM, FLAT, UNKNOWN = "a minimum", "a saddle", "a maximum", "a plateau", "a stationary point"


@dataclass(frozen=True)
class Curvature:
    """What the Hessian says about a point.

    Attributes: `kind` (one of the names above), `eigenvalues` (dim,) in ascending order, or None beyond MAX_DIM
    dimensions or where they are not finite.
    """

    kind: str
    eigenvalues: np.ndarray | None


def hessian(objective: Objective, point: np.ndarray) -> np.ndarray:
    """The second derivatives (dim, dim) at a point (dim,), by central differences of 2·dim gradients in one batch."""
    relative = STEP if objective.dtype == np.float64 else STEP_FLOAT32
    steps = relative * np.maximum(1.0, np.abs(point))
    moved = np.concatenate([point + np.diag(steps), point - np.diag(steps)])
    gradients = objective.gradients(moved)[1]
    ahead, behind = np.split(gradients, 2)
    rows = (ahead - behind) / (2 * steps[:, None])
    return (rows + rows.T) / 2


def curvature(objective: Objective, point: np.ndarray) -> Curvature:
    """The kind of a point (dim,) and the eigenvalues of its Hessian; the gradient there is taken to be small."""
    if objective.dim > MAX_DIM:
        return Curvature(UNKNOWN, None)
    matrix = hessian(objective, point)
    if not np.isfinite(matrix).all():
        return Curvature(UNKNOWN, None)
    eigenvalues = np.linalg.eigvalsh(matrix)
    zero = ZERO * max(1.0, float(np.abs(eigenvalues).max()))
    if eigenvalues[0] > zero:
        return Curvature(MINIMUM, eigenvalues)
    if eigenvalues[0] < zero * FAINT:
        return Curvature(MAXIMUM if eigenvalues[-1] < -zero else SADDLE, eigenvalues)
    return Curvature(_degenerate(objective, point), eigenvalues)


def _degenerate(objective: Objective, point: np.ndarray) -> str:
    """Next to no curvature: whether the values around are lower, and by more than the slope explains."""
    radius = PROBE * (1 + float(np.linalg.norm(point)))
    values, gradients = objective.gradients(point[None])
    value, gradient = float(values[0]), gradients[0]
    norm = float(np.linalg.norm(gradient))
    directions = np.random.default_rng(0).normal(size=(PROBES, objective.dim))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    axes = np.eye(objective.dim)
    downhill = -gradient[None] / norm if norm else axes[:0]
    around = objective.values(point + radius * np.concatenate([axes, -axes, directions, downhill]))
    fall, rise, slope = value - float(around.min()), float(around.max()) - value, radius * norm
    rounding = 1e-12 * max(1.0, abs(value))
    if fall > 2 * slope + rounding:
        return SADDLE
    return FLAT if fall > max(slope / 2, rounding) or rise <= rounding else MINIMUM
