"""Descents: many starts and learning rates as rows of one batch, moved by the engine's optimizers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine.parameter import Parameter
from ..errors import ArgumentError
from ..optim import Optimizer
from ..optim.optimizer import TOTAL
from ..training.evaluation import quiet
from .hessian import FLAT, MINIMUM, UNKNOWN, curvature
from .objective import Objective, unpacked

FAR = 1e8  # distance from the start, relative to 1 + |x0|, beyond which a path has diverged
PERTURB_WAIT = 50  # steps after a perturbation in which it must find lower values
CHUNK = 256  # steps of noise that are drawn together

TOLERANCE, DIVERGED, MAX_STEPS = "tolerance", "diverged", "max_steps"

MakeOptimizer = Callable[[list[dict[str, Any]]], Optimizer]


class Rows:
    """Points (rows, dim) as parameters of optimizers: the starts, once per learning rate.

    An elementwise rule moves all rows with one optimizer, which has one parameter group per learning rate. A rule that
    sums over all parameters, such as AdagradNorm or clipping by the norm, has one optimizer per row.

    Parameters
    ----------
    starts : ndarray, (n_starts, dim)
        The starts.
    rates : list of float or None
        Learning rates; None is the optimizer's default.
    make : callable
        Creates an optimizer for a list of parameter groups.
    objective : Objective
        The function, for its device and dtype.
    clip : float or None
        Upper limit of the norm of a row's gradient.

    Attributes
    ----------
    optimizers : list of Optimizer
        The optimizers, in the order of the rows.
    """

    def __init__(
        self, starts: np.ndarray, rates: list[float | None], make: MakeOptimizer, objective: Objective, clip: Any
    ) -> None:
        self._device, self._dtype, self._clip = objective.device, objective.dtype, clip
        blocks = [self._block(starts, rate) for rate in rates]
        self.optimizers = [make(blocks)]
        if clip is not None or _sums_over_all(self.optimizers[0]):
            alone = [self._block(start[None], rate) for rate in rates for start in starts]
            self.optimizers = [make([block]) for block in alone]
        self._parameters = [p for o in self.optimizers for group in o.param_groups for p in group["params"]]
        ends = np.cumsum([len(p) for p in self._parameters])
        self._parts = [slice(end - len(p), end) for p, end in zip(self._parameters, ends, strict=True)]

    def _block(self, starts: np.ndarray, rate: float | None) -> dict[str, Any]:
        block = {"params": [Parameter(starts.astype(self._dtype), self._device)]}
        return block if rate is None else {**block, "lr": rate}

    def points(self) -> np.ndarray:
        """Return the points.

        Returns
        -------
        ndarray, (rows, dim)
            The points, float64.
        """
        return np.concatenate([p.numpy() for p in self._parameters]).astype(float)

    def step(self, gradients: np.ndarray) -> None:
        """Move every row by one step, given its gradient.

        Parameters
        ----------
        gradients : ndarray, (rows, dim)
            The gradients.
        """
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        for p, part in zip(self._parameters, self._parts, strict=True):
            self._device.write(p.gradient_buffer()[0], gradients[part])
        for optimizer in self.optimizers:
            if self._clip is not None:
                optimizer.clip_grad_norm(self._clip)
            optimizer.step()

    def move(self, by: np.ndarray) -> None:
        """Displace the rows without the optimizers.

        Parameters
        ----------
        by : ndarray, (rows, dim)
            The displacements.
        """
        for p, part in zip(self._parameters, self._parts, strict=True):
            if by[part].any():
                self._device.write(p.data, p.numpy() + by[part])


def _sums_over_all(optimizer: Optimizer) -> bool:
    return TOTAL in optimizer._kinds(optimizer.param_groups).values()


class Noise:
    """Normal noise on the gradients: one random stream per start, the same at every learning rate.

    Parameters
    ----------
    size : float
        Standard deviation of each number.
    seeds : list of int
        One seed per start.
    n_rates : int
        Number of learning rates.
    dim : int
        Coordinates of a point.
    """

    def __init__(self, size: float, seeds: list[int], n_rates: int, dim: int) -> None:
        self._size, self._dim, self._n_rates = size, dim, n_rates
        self._generators = [np.random.default_rng(seed) for seed in seeds]
        self._drawn: Any = None

    def at(self, step: int) -> np.ndarray:
        """Return the noise of the next step; call it once per step, in order.

        Parameters
        ----------
        step : int
            The step, from 0.

        Returns
        -------
        ndarray, (rows, dim)
            The noise.
        """
        if step % CHUNK == 0:
            self._drawn = np.stack([g.normal(size=(CHUNK, self._dim)) for g in self._generators], axis=1)
        return self._size * np.tile(self._drawn[step % CHUNK], (self._n_rates, 1))


class Perturbation:
    """Perturbed gradient descent, which leaves saddles without second derivatives.

    Where the gradient is small, a row is displaced by a random point of a ball and then takes `PERTURB_WAIT` steps. If
    its value is no lower after them, the row is at a minimum.

    Parameters
    ----------
    radius : float
        Radius of the ball.
    seeds : list of int
        One seed per start.
    n_rates : int
        Number of learning rates.
    dim : int
        Coordinates of a point.
    tol : float
        A value that falls by less counts as no lower.

    References
    ----------
    Jin et al., "On nonconvex optimization for machine learning", 2021.
    """

    def __init__(self, radius: float, seeds: list[int], n_rates: int, dim: int, tol: float) -> None:
        self._radius, self._dim, self._tol = radius, dim, tol
        rows = len(seeds) * n_rates
        self._generators = [np.random.default_rng([seed, 1]) for _ in range(n_rates) for seed in seeds]
        self._last = np.full(rows, -PERTURB_WAIT)
        self._before = np.full(rows, np.inf)

    def at(self, step: int, small: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the displacements of a step, and the rows that are at a minimum.

        Parameters
        ----------
        step : int
            The step, from 0.
        small : ndarray of bool, (rows,)
            Rows whose gradient is small.
        values : ndarray, (rows,)
            Values of the rows.

        Returns
        -------
        ndarray, (rows, dim)
            The displacements, 0 for most rows.
        ndarray of bool, (rows,)
            Rows that are at a minimum.
        """
        due = small & (step - self._last >= PERTURB_WAIT)
        done = due & ~(values < self._before - self._tol)
        by = np.zeros((len(small), self._dim))
        for row in np.flatnonzero(due & ~done):
            direction = self._generators[row].normal(size=self._dim)
            reach = self._radius * self._generators[row].uniform() ** (1 / self._dim)
            by[row] = reach * direction / np.linalg.norm(direction)
            self._last[row], self._before[row] = step, values[row]
        return by, done


class Minibatches:
    """The functions that the steps descend instead of the objective.

    Parameters
    ----------
    objective : Objective
        The function that is measured.
    function : callable
        Function of a point or batch, as the objective takes it, and of the step, from 0.
    """

    def __init__(self, objective: Objective, function: Callable[..., Any]) -> None:
        self._whole, self._pointwise = objective, False
        if not callable(function):
            raise ArgumentError(f"minibatch is {function!r}, expected a function (x, step) or None")
        self._function = unpacked(function, objective.dim, "minibatch", ("step",))

    def check(self, starts: np.ndarray, rows: int) -> None:
        """Decide how to call the function, before any step; see `Objective.check`.

        Parameters
        ----------
        starts : ndarray, (n, dim)
            The starts.
        rows : int
            Rows of every batch.
        """
        first = self.at(0)
        first.check(starts, rows=rows)
        self._pointwise = first.pointwise

    def at(self, step: int) -> Objective:
        """Return the function of a step.

        Parameters
        ----------
        step : int
            The step, from 0.

        Returns
        -------
        Objective
            The function.
        """
        whole = self._whole
        function = functools.partial(_at_step, self._function, step)
        return Objective(function, whole.dim, whole.device, whole.dtype, called="minibatch", pointwise=self._pointwise)


def _at_step(function: Callable[..., Any], step: int, x: Any) -> Any:
    return function(x, step)


@dataclass(frozen=True)
class Run:
    """Result of a descent, per row.

    Parameters
    ----------
    points : list of ndarray, (n, dim)
        Points from the start to the end, n = steps + 1; with ``keep=False`` only the start and the end.
    values, norms : list of ndarray, (n,)
        Values and gradient norms at the points.
    steps : ndarray of int, (rows,)
        Steps of each row.
    ends : list of {"tolerance", "diverged", "max_steps"}
        Why each row ended.
    """

    points: list[np.ndarray]
    values: list[np.ndarray]
    norms: list[np.ndarray]
    steps: np.ndarray
    ends: list[str]


@quiet
def run(
    objective: Objective,
    rows: Rows,
    *,
    tol: float,
    max_steps: int,
    noise: Noise | None = None,
    perturbation: Perturbation | None = None,
    minibatch: Minibatches | None = None,
    keep: bool = True,
    on_step: Callable[[], Any] | None = None,
) -> Run:
    """Step until every row has converged or diverged, or has taken ``max_steps``.

    Parameters
    ----------
    objective : Objective
        The function.
    rows : Rows
        The starts and their optimizers.
    tol : float
        Gradient norm below which a row has converged.
    max_steps : int
        Largest number of steps.
    noise : Noise, optional
        Noise on the gradients.
    perturbation : Perturbation, optional
        Perturbed gradient descent.
    minibatch : Minibatches, optional
        Functions that the steps descend instead of the objective.
    keep : bool, default True
        Keep all points instead of the start and the end.
    on_step : callable, optional
        Called before each step and at the end.

    Returns
    -------
    Run
        The paths.
    """
    start = rows.points()
    n = len(start)
    far = FAR * (1 + np.linalg.norm(start, axis=1))
    active = np.ones(n, bool)
    steps, ends = np.full(n, max_steps), [MAX_STEPS] * n
    values, norms, gradients = np.zeros(n), np.zeros(n), np.zeros(start.shape)
    history: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    points = start
    for k in range(max_steps + 1):
        if on_step is not None:
            on_step()
        here = rows.points() if k else start
        points = np.where(active[:, None], here, points)  # rows that have ended stay
        values, norms, gradients = values.copy(), norms.copy(), np.zeros(start.shape)
        values[active], gradients[active] = objective.gradients(points[active])
        norms[active] = np.sqrt(np.square(gradients[active]).sum(axis=1))
        distances = np.linalg.norm(points - start, axis=1)
        if keep or not k:
            history.append((points, values, norms))
        lost = active & ~(np.isfinite(values) & np.isfinite(norms) & (distances < far))
        small = active & (norms < tol)
        by = None
        if perturbation is not None:
            by, small = perturbation.at(k, small, values)
        elif noise is not None or minibatch is not None:
            small = _not_at_saddles(objective, points, small)
        for row in np.flatnonzero(lost | small):
            steps[row], ends[row] = k, DIVERGED if lost[row] else TOLERANCE
            active[row] = False
        if not active.any() or k == max_steps:
            break
        if minibatch is not None:
            gradients[active] = minibatch.at(k).gradients(points[active])[1]
        if noise is not None:
            gradients = gradients + noise.at(k)
        rows.step(gradients)
        if by is not None and by.any():
            rows.move(by)
    if not keep:
        history.append((points, values, norms))
    lengths = steps + 1 if keep else np.full(n, 2)
    stacked = [np.stack(parts) for parts in zip(*history, strict=True)]
    where, heights, slopes = ([part[:end, row].copy() for row, end in enumerate(lengths)] for part in stacked)
    return Run(where, heights, slopes, steps, ends)


def _not_at_saddles(objective: Objective, points: np.ndarray, small: np.ndarray) -> np.ndarray:
    """Return the rows with a small gradient that noise will not carry away."""
    resting = small.copy()
    for row in np.flatnonzero(small):
        resting[row] = curvature(objective, points[row]).kind in (MINIMUM, FLAT, UNKNOWN)
    return resting
