"""The descent itself: many starts and learning rates as rows of one batch, moved by the optimizers of the engine."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine.parameter import Parameter
from ..optim import Optimizer
from ..optim.optimizer import TOTAL
from ..training.evaluation import quiet
from .hessian import FLAT, MINIMUM, UNKNOWN, curvature
from .objective import Objective

FAR = 1e8  # a path this far from its start, relative to 1 + |x0|, does not come back
PERTURB_WAIT = 50  # steps that a perturbation is given to show that it found a way down
CHUNK = 256  # steps whose noise is drawn at once

TOLERANCE, DIVERGED, MAX_STEPS = "tolerance", "diverged", "max_steps"

MakeOptimizer = Callable[[list[dict[str, Any]]], Optimizer]


class Rows:
    """Points (rows, dim) as parameters of optimizers: for each learning rate the starts, one row each.

    A rule that works element by element moves all rows as one parameter of one optimizer, a parameter group for each
    learning rate. Where something is summed over all parameters, as in AdagradNorm and in clipping by the norm, each
    row has an optimizer of its own.
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
        """Where the rows are, (rows, dim) in float64."""
        return np.concatenate([p.numpy() for p in self._parameters]).astype(float)

    def step(self, gradients: np.ndarray) -> None:
        """One step of every row against its gradient (rows, dim)."""
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        for p, part in zip(self._parameters, self._parts, strict=True):
            self._device.write(p.gradient_buffer()[0], gradients[part])
        for optimizer in self.optimizers:
            if self._clip is not None:
                optimizer.clip_grad_norm(self._clip)
            optimizer.step()

    def move(self, by: np.ndarray) -> None:
        """Displace the rows by (rows, dim), past the optimizers."""
        for p, part in zip(self._parameters, self._parts, strict=True):
            if by[part].any():
                self._device.write(p.data, p.numpy() + by[part])


def _sums_over_all(optimizer: Optimizer) -> bool:
    return TOTAL in optimizer._kinds(optimizer.param_groups).values()


class Noise:
    """Normal noise of the gradients: each start has a stream of its own, the same at every learning rate."""

    def __init__(self, size: float, seeds: list[int], n_rates: int, dim: int) -> None:
        self._size, self._dim, self._n_rates = size, dim, n_rates
        self._generators = [np.random.default_rng(seed) for seed in seeds]
        self._drawn: Any = None

    def at(self, step: int) -> np.ndarray:
        """The noise (rows, dim) of the next step; called for each step in turn."""
        if step % CHUNK == 0:
            self._drawn = np.stack([g.normal(size=(CHUNK, self._dim)) for g in self._generators], axis=1)
        return self._size * np.tile(self._drawn[step % CHUNK], (self._n_rates, 1))


class Perturbation:
    """Perturbed gradient descent (Jin et al., "On nonconvex optimization for machine learning", 2021).

    Where the gradient is small a row is displaced by a point drawn from a ball, and has some steps to get away. If its
    value is then no lower than before, it is at a minimum. It looks at no second derivative.
    """

    def __init__(self, radius: float, seeds: list[int], n_rates: int, dim: int, tol: float) -> None:
        self._radius, self._dim, self._tol = radius, dim, tol
        rows = len(seeds) * n_rates
        self._generators = [np.random.default_rng([seed, 1]) for _ in range(n_rates) for seed in seeds]
        self._last = np.full(rows, -PERTURB_WAIT)
        self._before = np.full(rows, np.inf)

    def at(self, step: int, small: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The displacements (rows, dim), and which rows are done (rows,), of those whose gradient is small."""
        due = small & (step - self._last >= PERTURB_WAIT)
        done = due & ~(values < self._before - self._tol)
        by = np.zeros((len(small), self._dim))
        for row in np.flatnonzero(due & ~done):
            direction = self._generators[row].normal(size=self._dim)
            reach = self._radius * self._generators[row].uniform() ** (1 / self._dim)
            by[row] = reach * direction / np.linalg.norm(direction)
            self._last[row], self._before[row] = step, values[row]
        return by, done


@dataclass(frozen=True)
class Run:
    """What a descent left of each row: its points (n, dim), values and norms (n,), its steps, and why it ended.

    n is steps + 1; with keep=False it is 2, the start and the end.
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
    minibatch: Any = None,
    keep: bool = True,
) -> Run:
    """Step until every row's gradient is shorter than tol, or it has diverged, or max_steps are done."""
    start = rows.points()
    n = len(start)
    far = FAR * (1 + np.linalg.norm(start, axis=1))
    active = np.ones(n, bool)
    steps, ends = np.full(n, max_steps), [MAX_STEPS] * n
    values, norms, gradients = np.zeros(n), np.zeros(n), np.zeros(start.shape)
    history: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    points = start
    for k in range(max_steps + 1):
        here = rows.points() if k else start
        points = np.where(active[:, None], here, points)  # those that have ended stay
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
            gradients[active] = minibatch_of(objective, minibatch, k).gradients(points[active])[1]
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


def minibatch_of(objective: Objective, minibatch: Any, step: int) -> Objective:
    """What a step descends in the place of the objective."""
    function = functools.partial(_at_step, minibatch, step)
    return Objective(function, objective.dim, objective.device, objective.dtype, called="minibatch")


def _at_step(minibatch: Any, step: int, x: Any) -> Any:
    return minibatch(x, step)


def _not_at_saddles(objective: Objective, points: np.ndarray, small: np.ndarray) -> np.ndarray:
    """Of the rows whose gradient is small those that noise will not carry away."""
    resting = small.copy()
    for row in np.flatnonzero(small):
        resting[row] = curvature(objective, points[row]).kind in (MINIMUM, FLAT, UNKNOWN)
    return resting
