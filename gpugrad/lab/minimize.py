"""minimize: let the engine's optimizers descend a function, and say how it went."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any

import numpy as np

from .. import optim
from ..engine.device import Device
from ..engine.device import device as get_device
from ..engine.random import check_seed
from ..errors import ArgumentError, choose
from ..optim import Optimizer
from ..optim.registry import check_options
from . import surfaces
from .objective import Objective
from .running import Noise, Perturbation, Rows, minibatch_of, run
from .verdict import Rule, judge


@dataclasses.dataclass(frozen=True, eq=False)
class Path:
    """The way of one start at one learning rate.

    Attributes: `points` (steps + 1, dim), `values` and `gradient_norms` (steps + 1,), all float64 on the host and from
    the start on; `optimizer` (its name), `lr`, `options`; `verdict` (converged, slow, oscillating, diverged, stuck at
    a saddle or max_steps) and `reason`, one sentence; `kind` of the end ("a minimum", "a saddle" …) and `eigenvalues`
    (dim,) of the Hessian there, or None; of a path that diverged they are those at its start.
    """

    points: np.ndarray
    values: np.ndarray
    gradient_norms: np.ndarray
    optimizer: str
    lr: float
    options: dict[str, Any]
    verdict: str
    reason: str
    kind: str
    eigenvalues: np.ndarray | None

    @property
    def steps(self) -> int:
        return len(self.values) - 1

    @property
    def x(self) -> np.ndarray:
        """The last point (dim,)."""
        return self.points[-1]

    @property
    def value(self) -> float:
        """The last value."""
        return float(self.values[-1])

    def __repr__(self) -> str:
        where = np.array2string(self.x, precision=4, separator=", ", threshold=8)
        return (
            f"Path({self.optimizer}, lr={self.lr:g}, {self.steps} steps to {where}, "
            f"value {self.value:.6g}, {self.verdict})"
        )

    def as_dict(self) -> dict[str, Any]:
        """What happened as plain numbers and words, without the points in between."""
        eigenvalues = None if self.eigenvalues is None else self.eigenvalues.tolist()
        return {
            "optimizer": self.optimizer,
            "lr": self.lr,
            **self.options,
            "start": self.points[0].tolist(),
            "end": self.x.tolist(),
            "steps": self.steps,
            "value": self.value,
            "gradient_norm": float(self.gradient_norms[-1]),
            "verdict": self.verdict,
            "reason": self.reason,
            "eigenvalues": eigenvalues,
        }


def minimize(
    f: Any,
    x0: Any,
    optimizer: str | type[Optimizer] | Sequence[str | type[Optimizer]] = "sgd",
    *,
    lr: float | Sequence[float] | None = None,
    tol: float = 1e-6,
    max_steps: int = 1000,
    noise: float = 0.0,
    perturb: float = 0.0,
    minibatch: Callable[..., Any] | None = None,
    clip_norm: float | None = None,
    seed: int | Sequence[int] = 0,
    device: str | Device = "cpu",
    **options: Any,
) -> Any:
    """Descend f from x0 until the gradient's norm is below tol; return a Path, or a list of them.

    f: a function in operations of the tape, from a tensor (…, dim) to (…); an object with a method `grad`, where both
        take an array (n, dim) of NumPy and return (n,) and (n, dim); or the name of a surface of the catalogue.
    x0: a number or (dim,), one start; (n_starts, dim), many.
    optimizer: a name of `optim.NAMES` or a subclass of `optim.Optimizer`; lr: None is its default. Either may be a
        list. options: the optimizer's own, momentum=0.95 for instance.
    noise: the standard deviation of normal noise on each number of each gradient. perturb: the radius of perturbed
        gradient descent. minibatch: (x, step) → (…), in operations of the tape: what a step descends in the place of
        f, which is then only measured. With noise or minibatch a path does not end at a saddle.
    clip_norm: the most that the norm of a start's gradient may be in a step.
    seed: of noise and perturbation; start i takes seed + i, or its own of a list, at every learning rate the same.
    device: tape operations and steps are computed there, in float64 on the CPU and in float32 elsewhere.

    A list is returned where there is more than one path to take or x0, lr or optimizer is a list: optimizers are
    outermost, then learning rates, then starts. All starts and learning rates run as one batch; each path is, bit for
    bit, the one it would be alone if f treats the rows of its batch alike.

    Raises ArgumentError, before any step, for an unknown surface, optimizer or option, a start of a wrong dimension, a
    number out of its range, or a function that does not return one value for each start.
    """
    f = surfaces.surface(f) if isinstance(f, str) else f
    starts, one_start = _starts(x0)
    rates, one_rate = _listed(lr)
    names, one_optimizer = _listed(optimizer)
    rates = [None if rate is None else _number("lr", rate, "0.1") for rate in rates]
    tol, noise, perturb = (
        _number(name, value, example)
        for name, value, example in (("tol", tol, "1e-6"), ("noise", noise, "0.1"), ("perturb", perturb, "0.1"))
    )
    max_steps = _count("max_steps", max_steps)
    if clip_norm is not None and _number("clip_norm", clip_norm, "1.0") == 0:
        raise ArgumentError("clip_norm is 0, which would stop every step: expected more, 1.0 for instance")
    seeds = _seeds(seed, len(starts))
    makers = [_maker(name, options) for name in names]
    target = get_device(device)
    dtype = np.float64 if target.kind == "cpu" else np.float32
    objective = Objective(f, starts.shape[1], target, dtype)
    objective.check(starts)
    if minibatch is not None:
        minibatch_of(objective, minibatch, 0).check(starts)
    batches = [Rows(starts, rates, make, objective, clip_norm) for _, make in makers]
    paths: list[Path] = []
    for (name, _), rows in zip(makers, batches, strict=True):
        shape = (len(rates), starts.shape[1])
        done = run(
            objective,
            rows,
            tol=tol,
            max_steps=max_steps,
            noise=Noise(noise, seeds, *shape) if noise else None,
            perturbation=Perturbation(perturb, seeds, *shape, tol) if perturb else None,
            minibatch=minibatch,
        )
        groups = [(o, g) for o in rows.optimizers for g in o.param_groups for p in g["params"] for _ in range(len(p))]
        for row, (points, values, norms) in enumerate(zip(done.points, done.values, done.norms, strict=True)):
            rule = Rule.of(*groups[row], noisy=bool(noise) or minibatch is not None)
            said = judge(objective, points, values, norms, done.ends[row], tol, rule)
            paths.append(
                Path(points, values, norms, name, rule.lr, dict(options), said.verdict, said.reason,
                     said.curvature.kind, said.curvature.eigenvalues)
            )  # fmt: skip
    return paths[0] if one_start and one_rate and one_optimizer else paths


def _starts(x0: Any) -> tuple[np.ndarray, bool]:
    """x0 as (n_starts, dim), and whether it is a single start."""
    try:
        starts = np.array(x0.numpy() if hasattr(x0, "numpy") else x0, float)
    except (TypeError, ValueError):
        raise ArgumentError(
            f"x0 is {x0!r}, expected numbers: one start (dim,), or several (n_starts, dim) of one length"
        ) from None
    if starts.ndim > 2 or starts.size == 0:
        raise ArgumentError(f"x0 has the shape {starts.shape}, expected (dim,) for one start or (n_starts, dim)")
    if not np.isfinite(starts).all():
        raise ArgumentError("x0 holds NaN or infinity, expected finite numbers: choose another start")
    return np.atleast_2d(starts.reshape(-1, 1) if starts.ndim == 0 else starts), starts.ndim < 2


def _listed(value: Any) -> tuple[list[Any], bool]:
    """The value as a list, and whether it was a single one."""
    if isinstance(value, list | tuple | np.ndarray) and np.ndim(value) == 1:
        if not len(value):
            raise ArgumentError("lr or optimizer is an empty list, expected at least one: 0.1 or 'sgd', for instance")
        return list(value), False
    return [value], True


def _number(name: str, value: Any, example: str) -> float:
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not number or not np.isfinite(float(value)) or float(value) < 0:
        raise ArgumentError(f"{name} is {value!r}, expected a finite number of at least 0: {example}, for instance")
    return float(value)


def _count(name: str, value: Any) -> int:
    try:
        count = -1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        count = -1
    if count < 1:
        raise ArgumentError(f"{name} is {value!r}, expected a whole number of at least 1: 1000, for instance")
    return count


def _seeds(seed: Any, n_starts: int) -> list[int]:
    if not isinstance(seed, list | tuple | np.ndarray):
        first = check_seed(seed)
        return [first + i for i in range(n_starts)]
    if len(seed) != n_starts:
        raise ArgumentError(f"there are {len(seed)} seeds for {n_starts} starts: give one for each, or one number")
    return [check_seed(value) for value in seed]


def _maker(rule: Any, options: dict[str, Any]) -> tuple[str, Callable[[list[dict[str, Any]]], Optimizer]]:
    """The name of an optimizer, and what makes it over parameter groups."""
    if isinstance(rule, type) and issubclass(rule, Optimizer):
        check_options(f"option of {rule.__name__}", rule, options)
        return rule.__name__, lambda groups: rule(groups, **options)
    if not isinstance(rule, str):
        raise ArgumentError(
            f"optimizer is {rule!r}, expected a name or a class, which makes it itself: 'adam' or optim.Adam"
        )
    choose("optimizer", rule, optim.NAMES)
    return rule, lambda groups: optim.make(rule, groups, **options)
