"""Verdicts on paths, each with a reason in one sentence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import counted
from ..optim import SGD
from ..training.evaluation import quiet
from .hessian import FLAT, MAXIMUM, SADDLE, Curvature, curvature
from .objective import Objective
from .running import DIVERGED, TOLERANCE

# Verdicts in words, with two cases that a verdict alone does not tell apart; see `words`.
WORDS = {
    "converged": "converged after {steps}",
    "slow": "not there yet after {steps}",
    "oscillating": "still oscillating after {steps}",
    "diverged": "diverged after {steps}",
    "stuck at a saddle": "stuck at a saddle after {steps}",
    "max_steps": "still moving after {steps}",
    "falling": "still falling after {steps}",
    "left": "left the view after {steps}",
}
VERDICTS = ("converged", "slow", "oscillating", "diverged", "stuck at a saddle", "max_steps")

AT_REST = 1e-12  # a gradient this short is zero, whatever the tolerance
FEWEST = 8  # fewest steps that show a trend
BACK_AND_FORTH = 4.0  # a path this many times longer than the distance between its ends gets nowhere
NEAR = 1e-2  # a gradient shorter than this share of the first one is near a stationary point
FALLING = 0.1  # the value still falls if the last quarter of the steps made this share of the whole fall
NEARLY = 0.9  # steps go back and forth from this share of the largest stable learning rate
HALVINGS = 12  # of a step across a possible kink: a continuous slope then changes by a small share of what it did
SHOWN = 4  # largest number of eigenvalues that a reason lists


@dataclass(frozen=True)
class Rule:
    """Settings of an optimizer that verdicts depend on.

    Parameters
    ----------
    lr : float
        Learning rate η.
    limit : float or None
        The steps are stable while η·λ is less, where λ is the largest eigenvalue of the Hessian. None for a rule whose
        steps are not proportional to the gradient.
    momentum : float
        Momentum, 0 for none.
    weight_decay : float
        Weight decay, 0 for none.
    noisy : bool
        Whether the steps use noisy gradients or minibatches.

    Notes
    -----
    The limit of gradient descent with momentum β is 2(1 + β), that of Nesterov's momentum 2(1 + β)/(1 + 2β).
    """

    lr: float
    limit: float | None
    momentum: float
    weight_decay: float
    noisy: bool

    @classmethod
    def of(cls, optimizer: Any, group: dict[str, Any], noisy: bool) -> Rule:
        """Return the rule of a parameter group of an optimizer.

        Parameters
        ----------
        optimizer : Optimizer
            The optimizer.
        group : dict
            One of its parameter groups.
        noisy : bool
            Whether the steps use noisy gradients or minibatches.

        Returns
        -------
        Rule
            The settings.
        """
        beta = group.get("momentum", 0.0)
        limit = None
        if isinstance(optimizer, SGD):
            # On a parabola of curvature λ, from the roots of the recurrence of x.
            limit = 2 * (1 + beta) / (1 + 2 * beta) if group["nesterov"] else 2 * (1 + beta)
        return cls(group["lr"], limit, beta, group["weight_decay"], noisy)


@dataclass(frozen=True)
class Judgement:
    """Verdict on a path.

    Parameters
    ----------
    verdict : str
        One of `VERDICTS`.
    reason : str
        Reason, in one sentence without a period.
    curvature : Curvature
        Second derivatives at the end; of a path that diverged, at the start.
    """

    verdict: str
    reason: str
    curvature: Curvature


def words(path: Any, bounds: Any = None) -> str:
    """Return how a path ended, in words for readers of a legend or table.

    Parameters
    ----------
    path : Path
        The path.
    bounds : tuple, optional
        Limits (low, high) of each coordinate of the view, to say when the path left it.

    Returns
    -------
    str
        Such as "converged after 66 steps" or "left the view after 34 steps".
    """
    n = len(path.values) - 1
    key, after = path.verdict, n
    gone = None if bounds is None or key in ("converged", "stuck at a saddle") else left_after(path.points, bounds)
    if gone is not None:
        key, after = "left", gone
    elif key == "max_steps" and path.values[-1] < path.values[n - math.ceil(n / 4)]:
        key = "falling"
    return WORDS[key].format(steps=counted(after, "step"))


def left_after(points: np.ndarray, bounds: Any) -> int | None:
    """Return the step after which a path stays outside a view.

    Parameters
    ----------
    points : ndarray, (n, dim)
        Points from the start to the end.
    bounds : tuple
        Limits (low, high) of each coordinate.

    Returns
    -------
    int or None
        The step; None if the last point is in the view, or the start is not.
    """
    low, high = np.transpose(bounds)
    inside = ((points >= low) & (points <= high)).all(axis=1)
    return None if inside[-1] or not inside[0] else int(np.flatnonzero(inside)[-1]) + 1


@quiet
def judge(
    objective: Objective, points: np.ndarray, values: np.ndarray, norms: np.ndarray, end: str, tol: float, rule: Rule
) -> Judgement:
    """Judge a path.

    Parameters
    ----------
    objective : Objective
        The function.
    points : ndarray, (steps + 1, dim)
        Points from the start to the end.
    values, norms : ndarray, (steps + 1,)
        Values and gradient norms at the points.
    end : {"tolerance", "diverged", "max_steps"}
        Why the path ended.
    tol : float
        Gradient norm at which a path ends.
    rule : Rule
        Settings of the optimizer.

    Returns
    -------
    Judgement
        Verdict, reason and curvature.
    """
    if end == DIVERGED:
        return _diverged(objective, points, values, rule)
    at_rest = end == TOLERANCE or bool(norms[-1] <= AT_REST)
    found = curvature(objective, points[-1], at_rest=at_rest)
    if at_rest:
        return _at_rest(found, values, norms, tol, rule)
    slopes = None if rule.noisy or len(points) <= FEWEST else _across_a_kink(objective, *points[-2:])
    if slopes is not None:
        jump = f"the slope jumps from {_number(slopes[0])} to {_number(slopes[1])} at a kink that the last step crosses"
        return Judgement("oscillating", f"{jump}: a smaller learning rate ends closer to it", found)
    return _on_its_way(found, points, values, norms, tol, rule)


def _diverged(objective: Objective, points: np.ndarray, values: np.ndarray, rule: Rule) -> Judgement:
    """Judge a path that left: its end is far away, so the curvature at the start gives the reason."""
    found, n = curvature(objective, points[0], at_rest=False), len(points) - 1
    if n == 0:
        return Judgement("diverged", "the value or the gradient at the start is not a finite number", found)
    if values[-1] < values[0] and np.isfinite(points[-1]).all():
        went = f"its value went from {_number(values[0])} to {_number(values[-1])} in {counted(n, 'step')}"
        return Judgement("diverged", f"the surface falls without bound: {went}", found)
    reason = f"each step overshoots and lands farther away: after {counted(n, 'step')} the point is out of reach"
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
    small = f"the gradient's norm is {norms[-1]:.1e} after {counted(n, 'step')}"
    if found.kind in (SADDLE, MAXIMUM):
        inflection = found.kind == SADDLE and found.eigenvalues is not None and len(found.eigenvalues) == 1
        what = f"at {found.kind}{' (an inflection point)' * inflection}, which only noise or another start escapes"
        return Judgement("stuck at a saddle", f"{small}, {what}{_eigenvalues(found)}", found)
    if found.kind == FLAT:
        return Judgement("slow", f"{small}, on {FLAT}, not at a minimum{_eigenvalues(found)}", found)
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
        return Judgement("max_steps", f"{counted(n, 'step')} {'is' if n == 1 else 'are'} too few to judge", found)
    quarter = n // 4
    third, last = (float(np.median(norms[-2 * quarter : -quarter])), float(np.median(norms[-quarter:])))
    shrinks = last < third
    more = math.inf  # steps to the tolerance, if the gradient keeps shrinking as it did in the last half
    if shrinks:
        more = math.log(max(norms[-1], AT_REST) / max(tol, AT_REST)) / math.log(third / max(last, AT_REST)) * quarter
    if found.kind == SADDLE and shrinks and last < NEAR * norms[0]:
        return Judgement(
            "stuck at a saddle",
            f"the path still approaches a saddle after {counted(n, 'step')}{_eigenvalues(found)}",
            found,
        )
    if more <= n:
        return Judgement(
            "max_steps", f"on its way after {counted(n, 'step')}: about {_rounded(more)} more are needed", found
        )
    if _back_and_forth(points[-2 * quarter :]):
        return Judgement("oscillating", _why_oscillating(found, points, rule, shrinks), found)
    if rule.weight_decay and _moved(points[-quarter:]) < NEAR * _moved(points):
        reason = f"weight decay holds the point where the gradient's norm is {norms[-1]:.2g}: set weight_decay=0"
        return Judgement("max_steps", reason, found)
    if not shrinks and _still_falls(values, quarter):
        reason = (
            f"the value still falls: it went from {_number(values[0])} to {_number(values[-1])} in {counted(n, 'step')}"
        )
        return Judgement("max_steps", reason, found)
    return Judgement("slow", _why_slow(found, norms, more, rule), found)


def _across_a_kink(objective: Objective, before: np.ndarray, after: np.ndarray) -> tuple[float, float] | None:
    """Return the slopes along a step on both sides of a minimum where they jump, or None if there is none on it."""
    length = float(np.linalg.norm(after - before))
    if not length:
        return None
    direction = (after - before) / length
    low, high = objective.gradients(np.stack([before, after]))[1] @ direction
    jump = high - low
    for _ in range(HALVINGS):
        if not low < 0 <= high:
            return None
        middle = (before + after) / 2
        slope = float(objective.gradients(middle[None])[1][0] @ direction)
        before, low, after, high = (middle, slope, after, high) if slope < 0 else (before, low, middle, slope)
    return (low, high) if high - low > jump / 4 else None


def _back_and_forth(points: np.ndarray) -> bool:
    """Return whether the path is much longer than the distance between its ends."""
    length = np.linalg.norm(np.diff(points, axis=0), axis=1).sum()
    return bool(length > BACK_AND_FORTH * _moved(points))


def _moved(points: np.ndarray) -> float:
    return float(np.linalg.norm(points[-1] - points[0]))


def _still_falls(values: np.ndarray, quarter: int) -> bool:
    """Return whether the value has fallen far, a good part of it in the last quarter of the steps."""
    fall = values[0] - values[-1]
    return bool(fall > 1 + abs(values[0]) and values[-1 - quarter] - values[-1] > FALLING * fall)


def _why_oscillating(found: Curvature, points: np.ndarray, rule: Rule, shrinks: bool) -> str:
    if rule.noisy:
        return "the noise of the gradients keeps the point moving: lower the learning rate near the minimum"
    swing = _moved(points[-2:])
    if _moved(points[-3::2]) < 1e-6 * swing:
        return f"{_too_stiff(found, rule)}the steps jump between two points"
    if rule.momentum and shrinks:
        return f"momentum {rule.momentum:g} carries the point past the minimum, and its swings decay slowly"
    return f"{_too_stiff(found, rule)}the steps go back and forth, the last one by {swing:.2g}, and get no closer"


def _too_stiff(found: Curvature, rule: Rule) -> str:
    """Return the beginning of a sentence if the learning rate is close to unstable at the end."""
    if rule.limit is None or found.eigenvalues is None:
        return ""
    product = rule.lr * float(found.eigenvalues[-1])
    return f"{_product(found, product)}: " if product > NEARLY * rule.limit else ""


def _why_slow(found: Curvature, norms: np.ndarray, more: float, rule: Rule) -> str:
    left = f"the gradient's norm is still {norms[-1]:.2g} after {counted(len(norms) - 1, 'step')}"
    if math.isfinite(more):
        left += f" and would take about {_rounded(more)} more"
    if rule.limit is None or found.eigenvalues is None:
        return f"{left}{_eigenvalues(found)}; a larger learning rate may help"
    slowest = rule.lr * float(found.eigenvalues[0]) / (1 - min(rule.momentum, 0.999))
    if found.kind in (SADDLE, MAXIMUM) or slowest <= 0:
        return left + _eigenvalues(found)
    name = "η·f″" if len(found.eigenvalues) == 1 else "η times the smallest eigenvalue"
    over = " / (1 − momentum)" if rule.momentum else ""
    stable = rule.limit / float(found.eigenvalues[-1])
    advice = f"raise the learning rate, which is stable here below {stable:.2g}"
    if rule.lr > stable / 2:
        advice = "a larger learning rate would not be stable here, momentum or adam may help"
    return f"{name}{over} is {slowest:.2g}, so a step covers {100 * slowest:.2g}% of the distance: {left}; {advice}"


def _product(found: Curvature, product: float) -> str:
    assert found.eigenvalues is not None
    name = "η·f″" if len(found.eigenvalues) == 1 else "η times the Hessian's largest eigenvalue"
    return f"{name} = {product:.4g}" if len(found.eigenvalues) == 1 else f"{name} is {product:.4g}"


def _eigenvalues(found: Curvature) -> str:
    """Return the eigenvalues as the end of a sentence."""
    if found.eigenvalues is None:
        return ""
    if len(found.eigenvalues) == 1:
        return f": f″ = {_number(found.eigenvalues[0])}"
    if len(found.eigenvalues) <= SHOWN:
        return f": the Hessian's eigenvalues are {' and '.join(map(_number, found.eigenvalues))}"
    return f": the Hessian's eigenvalues go from {_number(found.eigenvalues[0])} to {_number(found.eigenvalues[-1])}"


def _number(value: float) -> str:
    return f"{value:.4g}" if abs(value) >= 1e-7 else "0"


def _rounded(steps: float) -> str:
    return f"{steps:.2g}" if steps > 1e6 else f"{round(steps, -max(len(str(round(steps))) - 2, 0)):.0f}"
