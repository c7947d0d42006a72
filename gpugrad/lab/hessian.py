"""The Hessian from differences of gradients, and the kind of a point from its eigenvalues and the values around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .objective import Objective

MAX_DIM = 1000  # coordinates beyond which no Hessian is computed: it takes two gradients per coordinate
STEP = 6e-6  # cube root of float64's precision: central differences are then right to about ten digits
STEP_FLOAT32 = 5e-3
ZERO = 1e-6  # an eigenvalue counts as zero below this share of the largest one, or of 1
FAINT = -1e3  # multiple of ZERO: for an eigenvalue between the two, values around the point decide
PROBE = 1e-2  # distance up to which lower values are searched for, relative to 1 + |x|
PROBES = 64  # random directions, in addition to the axes
AT_REST = 1e-12  # a gradient this short is zero, whatever the tolerance
REVERSED = 0.5  # twice a Newton step reverses the gradient at a quadratic minimum, up to this share
SCANNED = 8  # eigenvectors with the lowest curvature along which values are scanned
DISTANCES = 24  # points per direction of a scan
FARTHEST = 64.0  # Newton steps up to which a scan goes at least
DEEPER = 4.0  # times the fall to the bottom of the quadratic model; for x^p it is 2(p − 1)/p, less than 2
ROUNDING = {"float64": 1e-12, "float32": 1e-5}  # differences of values below this share are rounding

MINIMUM, SADDLE, MAXIMUM, FLAT, UNKNOWN = "a minimum", "a saddle", "a maximum", "a plateau", "a stationary point"


@dataclass(frozen=True)
class Curvature:
    """Second derivatives at a point.

    Parameters
    ----------
    kind : str
        Kind of the point, one of the names above.
    eigenvalues : ndarray, (dim,), or None
        Eigenvalues of the Hessian in ascending order; None beyond `MAX_DIM` coordinates and where they are not finite.
    """

    kind: str
    eigenvalues: np.ndarray | None


def hessian(objective: Objective, point: np.ndarray) -> np.ndarray:
    """Compute the second derivatives at a point, from central differences of 2·dim gradients in one batch.

    Parameters
    ----------
    objective : Objective
        The function.
    point : ndarray, (dim,)
        The point.

    Returns
    -------
    ndarray, (dim, dim)
        The Hessian, symmetric.
    """
    relative = STEP if objective.dtype == np.float64 else STEP_FLOAT32
    steps = relative * np.maximum(1.0, np.abs(point))
    moved = np.concatenate([point + np.diag(steps), point - np.diag(steps)])
    gradients = objective.gradients(moved)[1]
    ahead, behind = np.split(gradients, 2)
    rows = (ahead - behind) / (2 * steps[:, None])
    return (rows + rows.T) / 2


def curvature(objective: Objective, point: np.ndarray, *, at_rest: bool = True) -> Curvature:
    """Find the kind of a point and the eigenvalues of its Hessian.

    Parameters
    ----------
    objective : Objective
        The function.
    point : ndarray, (dim,)
        The point.
    at_rest : bool, default True
        The gradient is below the tolerance. If it is not, a point far from the bottom of its quadratic model is judged
        by its eigenvalues only.

    Returns
    -------
    Curvature
        Kind and eigenvalues.
    """
    if objective.dim > MAX_DIM:
        return Curvature(UNKNOWN, None)
    matrix = hessian(objective, point)
    if not np.isfinite(matrix).all():
        return Curvature(UNKNOWN, None)
    eigenvalues = np.linalg.eigvalsh(matrix)
    zero = ZERO * max(1.0, float(np.abs(eigenvalues).max()))
    if eigenvalues[0] > zero:
        return Curvature(_with_positive_curvature(objective, point, matrix, at_rest), eigenvalues)
    if eigenvalues[0] < zero * FAINT:
        return Curvature(MAXIMUM if eigenvalues[-1] < -zero else SADDLE, eigenvalues)
    return Curvature(_degenerate(objective, point), eigenvalues)


def _with_positive_curvature(objective: Objective, point: np.ndarray, matrix: np.ndarray, at_rest: bool) -> str:
    """Return the kind of a point whose eigenvalues are all positive, but whose gradient need not be zero.

    Near x = 0 the second derivative of x³ is positive on one side. Twice a Newton step reverses the gradient of a
    quadratic function; where it does not, values along the flattest directions decide.
    """
    values, gradients = objective.gradients(point[None])
    value, gradient = float(values[0]), gradients[0]
    norm = float(np.linalg.norm(gradient))
    if norm <= AT_REST:
        return MINIMUM
    newton = -np.linalg.solve(matrix, gradient)
    if not at_rest and np.linalg.norm(newton) > PROBE * (1 + np.linalg.norm(point)):
        return MINIMUM
    opposite = objective.gradients((point + 2 * newton)[None])[1][0]
    if np.linalg.norm(opposite + gradient) < REVERSED * norm:
        return MINIMUM
    flattest = np.linalg.eigh(matrix)[1][:, :SCANNED].T
    return _scanned(objective, point, value, gradient, newton, flattest)


def _scanned(
    objective: Objective, point: np.ndarray, value: float, gradient: np.ndarray, newton: np.ndarray, axes: np.ndarray
) -> str:
    """Return the kind of a point from values on rays that begin downhill.

    From a minimum a ray rises above the point again, and before that it is no lower than the bottom of the quadratic
    model (times `DEEPER`). A ray that falls deeper leads past a saddle if it becomes steeper, else down a plateau.
    """
    step = float(np.linalg.norm(newton))
    reach = max(PROBE * (1 + float(np.linalg.norm(point))), FARTHEST * step)
    downhill = -gradient / np.linalg.norm(gradient)
    directions = np.concatenate([axes * np.where(axes @ gradient > 0, -1.0, 1.0)[:, None], downhill[None]])
    distances = np.geomspace(min(step, reach / 2) / 8, reach, DISTANCES)
    rays = point + distances[None, :, None] * directions[:, None]
    heights = objective.values(rays.reshape(-1, objective.dim)).reshape(len(directions), DISTANCES) - value
    rounding = ROUNDING[objective.dtype.name] * max(1.0, abs(value))
    bottom = float(gradient @ newton) / 2  # value at the bottom of the quadratic model, relative to the point
    kinds = set()
    for ray in heights:
        risen = np.flatnonzero(~(ray <= rounding))
        until = ray[: risen[0]] if len(risen) else ray
        if not len(until) or until.min() >= bottom * (DEEPER if len(risen) else 1) - rounding:
            continue
        lowest = int(until.argmin())
        slopes = np.diff(until[: lowest + 1]) / np.diff(distances[: lowest + 1])
        kinds.add(SADDLE if len(slopes) and slopes[-1] < slopes[0] else FLAT)
    return SADDLE if SADDLE in kinds else FLAT if kinds else MINIMUM


def _degenerate(objective: Objective, point: np.ndarray) -> str:
    """Return the kind of a point with almost no curvature, by comparing the values around it with its slope."""
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
    rounding = ROUNDING[objective.dtype.name] * max(1.0, abs(value))
    if fall > 2 * slope + rounding:
        return SADDLE if rise > rounding else MAXIMUM
    return FLAT if fall > max(slope / 2, rounding) or rise <= rounding else MINIMUM
