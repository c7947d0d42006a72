"""Descend a function with the engine's optimizers, and report the path and its verdict."""

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
from ..errors import ArgumentError, choose, counted
from ..optim import Optimizer
from ..optim.registry import check_options
from . import surfaces
from .objective import Objective, Supplied
from .running import Minibatches, Noise, Perturbation, Rows, run
from .verdict import Rule, judge

# Names that other libraries use, and what to write here instead.
ELSEWHERE = {
    "jac": "pass the gradient as grad=, or leave it out, since the tape differentiates f",
    "hess": "leave it out, since no optimizer here uses second derivatives",
    "hessp": "leave it out, since no optimizer here uses second derivatives",
    "method": "name the rule with optimizer=, 'adam' for instance",
    "bounds": "let f map x into the bounds, as f(gg.sigmoid(x)) does for (0, 1)",
    "constraints": "add a penalty to f",
    "args": "bind the arguments with lambda x: f(x, a)",
    "callback": "read the points and values of the Path that is returned",
    "options": "pass each option by name, as in max_steps=500",
    **dict.fromkeys(("maxiter", "max_iter", "steps", "n_steps", "iterations", "epochs"), "write max_steps="),
    **dict.fromkeys(("learning_rate", "rate", "eta", "step_size"), "write lr="),
    **dict.fromkeys(("gtol", "ftol", "xtol"), "write tol=, the gradient norm at which a path ends"),
}


@dataclasses.dataclass(frozen=True, eq=False)
class Path:
    """Path of one start at one learning rate, with its verdict.

    Parameters
    ----------
    points : ndarray, (steps + 1, dim)
        Points from the start to the end, in float64 on the host.
    values : ndarray, (steps + 1,)
        Values of f at the points.
    gradient_norms : ndarray, (steps + 1,)
        Euclidean norms of the gradients at the points.
    optimizer : str
        Name of the optimizer.
    lr : float
        Learning rate.
    options : dict
        Options of the optimizer that were given.
    verdict : {"converged", "slow", "oscillating", "diverged", "stuck at a saddle", "max_steps"}
        Result in a word.
    reason : str
        Reason for the verdict, in one sentence.
    kind : str
        Kind of the end point, such as "a minimum" or "a saddle"; of a path that diverged, kind of the start.
    eigenvalues : ndarray, (dim,), or None
        Eigenvalues of the Hessian at the same point, in ascending order.
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
        """Number of steps."""
        return len(self.values) - 1

    @property
    def x(self) -> np.ndarray:
        """Last point, (dim,)."""
        return self.points[-1]

    @property
    def value(self) -> float:
        """Last value."""
        return float(self.values[-1])

    def __repr__(self) -> str:
        where = np.array2string(self.x, precision=4, separator=", ", threshold=8)
        return (
            f"Path({self.optimizer}, lr={self.lr:g}, {counted(self.steps, 'step')} to {where}, "
            f"value {self.value:.6g}, {self.verdict})"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the result as plain numbers and texts, without the points in between.

        Returns
        -------
        dict
            Optimizer, rate and options, start, end, steps, value, gradient norm, verdict, reason and eigenvalues.
        """
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
    grad: Callable[..., Any] | None = None,
    noise: float = 0.0,
    perturb: float = 0.0,
    minibatch: Callable[..., Any] | None = None,
    clip_norm: float | None = None,
    seed: int | Sequence[int] = 0,
    device: str | Device = "cpu",
    on_step: Callable[[], Any] | None = None,
    **options: Any,
) -> Any:
    """Descend f from x0 until the norm of the gradient is below ``tol``.

    All starts and learning rates run as one batch. Each path is bit for bit the one that its start takes alone, if f
    treats the rows of a batch alike.

    Parameters
    ----------
    f : callable or str
        Function of one point x (dim,), a tensor, that returns one number: ``lambda x: (x**2).sum()``. With ``dim`` >= 2
        required arguments it gets the numbers of the point one by one: ``lambda x, y: x**2 + y**2``. A function of a
        batch (n_starts, dim) that returns (n_starts,) works as well; it is called once per step. May also be an object
        with a method ``grad``, which gets NumPy arrays, or the name of a surface of the catalogue.
    x0 : array_like, (), (dim,) or (n_starts, dim)
        One start, or several.
    optimizer : str, subclass of Optimizer, or a list of them, default "sgd"
        A name of ``optim.NAMES`` or a class.
    lr : float or list of float, optional
        Learning rate. By default, the optimizer's own default.
    tol : float, default 1e-6
        Stop a path when the norm of its gradient is below this.
    max_steps : int, default 1000
        Largest number of steps.
    grad : callable, optional
        Gradient of f. Takes the same arguments as f, which then gets NumPy arrays and needs no tape. By default, the
        tape differentiates f.
    noise : float, default 0
        Standard deviation of normal noise on each number of each gradient.
    perturb : float, default 0
        Radius of perturbed gradient descent; 0 is none.
    minibatch : callable, optional
        Function (x, step) that each step descends instead of f, which is then only measured. With noise or minibatch a
        path does not end at a saddle.
    clip_norm : float, optional
        Upper limit of the norm of each start's gradient in a step.
    seed : int or list of int, default 0
        Seed of noise and perturbation. Start i uses seed + i, or its own of a list, at every learning rate.
    device : str or Device, default "cpu"
        Device of tape operations and steps, in float64 on the CPU and float32 elsewhere.
    on_step : callable, optional
        Called before each step of an optimizer and at its end; an exception that it raises ends the descent.
    **options
        Options of the optimizer, such as ``momentum=0.95``.

    Returns
    -------
    Path or list of Path
        A list for several starts, learning rates or optimizers: optimizers outermost, then learning rates, then starts.

    Raises
    ------
    ArgumentError
        Before any step, for an unknown surface, optimizer or option, a start of a wrong dimension, a number out of
        range, or a function that returns neither one number for a point nor one value per row of a batch.

    Notes
    -----
    f is tried on one point. If it returns one number, that is its value, and a batch is used only if it gives the same
    values and gradients at the starts and at random points near the first one, and if f reads no value on the host.
    Otherwise f is called once per start. A function that takes no single point is called with batches.

    References
    ----------
    Jin et al., "On nonconvex optimization for machine learning", 2021 (perturbed gradient descent).

    Examples
    --------
    >>> import gpugrad as gg
    >>> gg.minimize(lambda x: (x**2).sum(), [1.0], lr=0.1).verdict
    'converged'
    """
    if isinstance(f, str):
        if grad is not None:
            raise ArgumentError(f"grad is given together with the surface {f!r}, which has its own: leave it out")
        f = surfaces.surface(f)
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
        raise ArgumentError("clip_norm is 0, which would stop every step: expected a positive number, such as 1.0")
    seeds = _seeds(seed, len(starts))
    _refuse_names_of_others(options)
    makers = [_maker(name, options) for name in names]
    if grad is not None:
        f = _with_gradient(f, grad, starts.shape[1])
    target = get_device(device)
    dtype = np.float64 if target.kind == "cpu" else np.float32
    objective = Objective(f, starts.shape[1], target, dtype)
    objective.check(starts)
    minibatches = None if minibatch is None else Minibatches(objective, minibatch)
    if minibatches is not None:
        minibatches.check(starts, rows=len(starts) * len(rates))
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
            minibatch=minibatches,
            on_step=on_step,
        )
        groups = [(o, g) for o in rows.optimizers for g in o.param_groups for p in g["params"] for _ in range(len(p))]
        for row, (points, values, norms) in enumerate(zip(done.points, done.values, done.norms, strict=True)):
            rule = Rule.of(*groups[row], noisy=bool(noise) or minibatch is not None)
            judged = judge(objective, points, values, norms, done.ends[row], tol, rule)
            paths.append(
                Path(points, values, norms, name, rule.lr, dict(options), judged.verdict, judged.reason,
                     judged.curvature.kind, judged.curvature.eigenvalues)
            )  # fmt: skip
    return paths[0] if one_start and one_rate and one_optimizer else paths


def _starts(x0: Any) -> tuple[np.ndarray, bool]:
    """Return x0 as (n_starts, dim), and whether it is a single start."""
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
    """Return the value as a list, and whether it was a single one."""
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
        seeds, starts = counted(len(seed), "seed"), counted(n_starts, "start")
        raise ArgumentError(f"got {seeds} for {starts}: pass one per start, or one number")
    return [check_seed(value) for value in seed]


def _refuse_names_of_others(options: dict[str, Any]) -> None:
    for name in options:
        if name in ELSEWHERE:
            raise ArgumentError(f"minimize has no {name}=: {ELSEWHERE[name]}")


def _with_gradient(f: Any, grad: Any, dim: int) -> Supplied:
    if not callable(f) or not callable(grad):
        raise ArgumentError(
            f"f is {f!r} and grad is {grad!r}, expected two functions of a point: "
            "lambda x: (x**2).sum() and lambda x: 2 * x, for instance"
        )
    return Supplied(f, grad, dim)


def _maker(rule: Any, options: dict[str, Any]) -> tuple[str, Callable[[list[dict[str, Any]]], Optimizer]]:
    """Return the name of an optimizer, and a function that creates it for parameter groups."""
    if isinstance(rule, type) and issubclass(rule, Optimizer):
        check_options(f"option of {rule.__name__}", rule, options)
        return rule.__name__, lambda groups: rule(groups, **options)
    if not isinstance(rule, str):
        raise ArgumentError(f"optimizer is {rule!r}, expected a name or a class: 'adam' or optim.Adam, for instance")
    choose("optimizer", rule, optim.NAMES)
    return rule, lambda groups: optim.make(rule, groups, **options)
