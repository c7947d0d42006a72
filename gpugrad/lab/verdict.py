"""The verdict on a path, and its reason in one sentence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..optim import SGD
from ..training.evaluation import quiet
from .hessian import FLAT, MAXIMUM, SADDLE, Curvature, curvature
from .objective import Objective
from .running import DIVERGED, TOLERANCE

VERDICTS = ("converged", "slow", "oscillating", "diverged", "stuck at a saddle", "max_steps")

AT_REST = 1e-12  # a gradient this short is zero, whatever the tolerance
FEWEST = 8  # steps from which a trend can be read
BACK_AND_FORTH = 4.0  # a path this many times as long as its ends are apart gets nowhere
NEAR = 1e-2  # a gradient shorter than this share of the first one is near a stationary point
FALLING = 0.1  # of the whole fall in the last quarter: it goes on
NEARLY = 0.9  # of the stable learning rate: steps that are this long go back and forth
SHOWN = 4  # eigenvalues that are written out


@dataclass(frozen=True)
class Rule:
    """What a verdict needs to know of an optimizer: its learning rate, and for how large an η·λ it is stable.

    limit: None for a rule whose steps are not proportional to the gradient.
    """

    lr: float
    limit: float | None
    momentum: float
    weight_decay: float
    noisy: bool

    @classmethod
    def of(cls, optimizer: Any, group: dict[str, Any], noisy: bool) -> Rule:
        """The rule of a parameter group of an optimizer."""
        beta = group.get("momentum", 0.0)
        limit = None
        if isinstance(optimizer, SGD):
            # On a parabola of curvature λ, from the roots of the recurrence of x.
            limit = 2 * (1 + beta) / (1 + 2 * beta) if group["nesterov"] else 2 * (1 + beta)
        return cls(group["lr"], limit, beta, group["weight_decay"], noisy)


@dataclass(frozen=True)
class Judgement:
    """A verdict (one of VERDICTS), its reason in one sentence, and the curvature at the end."""

    verdict: str
    reason: str
    curvature: Curvature


@quiet
def judge(
    objective: Objective, points: np.ndarray, values: np.ndarray, norms: np.ndarray, end: str, tol: float, rule: Rule
) -> Judgement:
    """Judge a path: points (steps + 1, dim), values and norms (steps + 1,), and why it ended."""
    if end == DIVERGED:
        return _diverged(objective, points, values, rule)
    found = curvature(objective, points[-1])
    if end == TOLERANCE or norms[-1] <= AT_REST:
        return _at_rest(found, values, norms, tol, rule)
    return _on_its_way(found, points, values, norms, tol, rule)


def _diverged(objective: Objective, points: np.ndarray, values: np.ndarray, rule: Rule) -> Judgement:
    """The end is far away, so it is the curvature at the start that says why."""
    found, n = curvature(objective, points[0]), len(points) - 1
    if n == 0:
        return Judgement("diverged", "the value or the gradient at the start is not a finite number", found)
    if values[-1] < values[0] and np.isfinite(points[-1]).all():
        went = f"its value went from {_number(values[0])} to {_number(values[-1])} in {n} steps"
        return Judgement("diverged", f"the surface falls without bound: {went}", found)
    reason = f"each step overshoots and lands farther away: after {n} steps the point is out of reach"
    if rule.limit is not None and found.eigenvalues is not None:
        product = rule.lr * float(found.eigenvalues[-1])
        if product > rule.limit:
            reason = (
                f"{_product(found, product)} at the start, more than {rule.limit:.3g}: "
                "each step overshoots and lands farther away"
            )
    return Judgement("diverged", reason, found)


def _at_rest(found: Curvature, values: np.ndarray, norms: np.ndarray, tol: float, rule: Rule) -> Judgement:
    n = len(norms) - 1
    small = f"the gradient's norm is {norms[-1]:.1e} after {n} steps"
    if found.kind in (SADDLE, MAXIMUM):
        what = f"at {found.kind}, which only noise or another start leaves"
        return Judgement("stuck at a saddle", f"{small}, {what}{_eigenvalues(found)}", found)
    if found.kind == FLAT:
        return Judgement("slow", f"{small}, on {FLAT} that is no minimum{_eigenvalues(found)}", found)
    below = ""
    if rule.limit is not None and found.eigenvalues is not None:
        product = rule.lr * float(found.eigenvalues[-1])
        one = len(found.eigenvalues) == 1
        if product < rule.limit:
            below = f", and {'η·f″' if one else 'η times the largest'} is {product:.3g}, less than {rule.limit:.3g}"
    return Judgement("converged", f"{small}, at {found.kind}{_eigenvalues(found)}{below}", found)


def _on_its_way(
    found: Curvature, points: np.ndarray, values: np.ndarray, norms: np.ndarray, tol: float, rule: Rule
) -> Judgement:
    n = len(points) - 1
    if n < FEWEST:
        return Judgement("max_steps", f"{n} steps are too few to see where they lead", found)
    quarter = n // 4
    third, last = (float(np.median(norms[-2 * quarter : -quarter])), float(np.median(norms[-quarter:])))
    shrinks = last < third
    more = math.inf  # steps to the tolerance, if the gradient goes on to shrink as it did in the last half
    if shrinks:
        more = math.log(max(norms[-1], AT_REST) / max(tol, AT_REST)) / math.log(third / max(last, AT_REST)) * quarter
    if found.kind == SADDLE and shrinks and last < NEAR * norms[0]:
        return Judgement(
            "stuck at a saddle",
            f"the path still comes nearer to a saddle after {n} steps{_eigenvalues(found)}",
            found,
        )
    if more <= n:
        return Judgement("max_steps", f"on its way after {n} steps: about {_rounded(more)} more are needed", found)
    if _back_and_forth(points[-2 * quarter :]):
        return Judgement("oscillating", _why_oscillating(found, points, rule, shrinks), found)
    if rule.weight_decay and _moved(points[-quarter:]) < NEAR * _moved(points):
        reason = f"weight decay holds the point where the gradient's norm is {norms[-1]:.2g}: set weight_decay=0"
        return Judgement("max_steps", reason, found)
    if not shrinks and _still_falls(values, quarter):
        reason = f"the value still falls: it went from {_number(values[0])} to {_number(values[-1])} in {n} steps"
        return Judgement("max_steps", reason, found)
    return Judgement("slow", _why_slow(found, norms, more, rule), found)


def _back_and_forth(points: np.ndarray) -> bool:
    """Whether the path gets nowhere for its length."""
    length = np.linalg.norm(np.diff(points, axis=0), axis=1).sum()
    return bool(length > BACK_AND_FORTH * _moved(points))


def _moved(points: np.ndarray) -> float:
    return float(np.linalg.norm(points[-1] - points[0]))


def _still_falls(values: np.ndarray, quarter: int) -> bool:
    """Whether the value has fallen far, and a good part of it lately."""
    fall = values[0] - values[-1]
    return bool(fall > 1 + abs(values[0]) and values[-1 - quarter] - values[-1] > FALLING * fall)


def _why_oscillating(found: Curvature, points: np.ndarray, rule: Rule, shrinks: bool) -> str:
    if rule.noisy:
        return "the noise of the gradients keeps the point moving: lower the learning rate as it comes near"
    swing = _moved(points[-2:])
    if _moved(points[-3::2]) < 1e-6 * swing:
        return f"{_too_stiff(found, rule)}the steps jump between two points"
    if rule.momentum and shrinks:
        return f"momentum {rule.momentum:g} carries the point past the minimum, and its swings die down slowly"
    return f"{_too_stiff(found, rule)}the steps go back and forth, the last one by {swing:.2g}, and come no nearer"


def _too_stiff(found: Curvature, rule: Rule) -> str:
    """The beginning of a sentence, where the curvature at the end is about what the learning rate can take."""
    if rule.limit is None or found.eigenvalues is None:
        return ""
    product = rule.lr * float(found.eigenvalues[-1])
    return f"{_product(found, product)}: " if product > NEARLY * rule.limit else ""


def _why_slow(found: Curvature, norms: np.ndarray, more: float, rule: Rule) -> str:
    left = f"the gradient's norm is still {norms[-1]:.2g} after {len(norms) - 1} steps"
    if math.isfinite(more):
        left += f" and would take about {_rounded(more)} more"
    if rule.limit is None or found.eigenvalues is None:
        return left + _eigenvalues(found)
    slowest = rule.lr * float(found.eigenvalues[0]) / (1 - min(rule.momentum, 0.999))
    if found.kind in (SADDLE, MAXIMUM) or slowest <= 0:
        return left + _eigenvalues(found)
    name = "η·f″" if len(found.eigenvalues) == 1 else "η times the smallest eigenvalue"
    over = " / (1 − momentum)" if rule.momentum else ""
    return f"{name}{over} is {slowest:.2g}, so that a step goes {100 * slowest:.2g}% of the way: {left}"


def _product(found: Curvature, product: float) -> str:
    assert found.eigenvalues is not None
    name = "η·f″" if len(found.eigenvalues) == 1 else "η times the Hessian's largest eigenvalue"
    return f"{name} = {product:.4g}" if len(found.eigenvalues) == 1 else f"{name} is {product:.4g}"


def _eigenvalues(found: Curvature) -> str:
    """The eigenvalues as the end of a sentence."""
    if found.eigenvalues is None:
        return ""
    if len(found.eigenvalues) == 1:
        return f": f″ = {_number(found.eigenvalues[0])}"
    if len(found.eigenvalues) <= SHOWN:
        return f": the Hessian's eigenvalues are {' and '.join(map(_number, found.eigenvalues))}"
    return f": the Hessian's eigenvalues go from {_number(found.eigenvalues[0])} to {_number(found.eigenvalues[-1])}"


def _number(value: float) -> str:
    return f"{value:.4g}".replace("-", "−") if abs(value) >= 1e-7 else "0"


def _rounded(steps: float) -> str:
    return f"{steps:.2g}" if steps > 1e6 else f"{round(steps, -max(len(str(round(steps))) - 2, 0)):.0f}"
