"""Races described by texts, for the command and the page: optimizers with their rates, from one start or several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import optim
from ..errors import ArgumentError, choose
from .minimize import Path, minimize

USUAL = ("sgd", "momentum", "adam")  # default optimizers of the command and the page
WITH_MOMENTUM = tuple(name for name, rule in optim.RULES.items() if "momentum" in rule.options)


def entrants(text: str, lr: str | None, f: Any, called: str = "--optimizer") -> list[tuple[str, list[float]]]:
    """Return the optimizers of a text such as "sgd,adam:0.1", with their learning rates.

    Parameters
    ----------
    text : str
        Names separated by commas, each with its own rate after a colon or without one.
    lr : str or None
        Rates separated by commas, for the optimizers without their own; None uses a rate that suits the surface.
    f : Surface or NetworkLoss
        The surface.
    called : str, default "--optimizer"
        Name of the text in messages.

    Returns
    -------
    list of (str, list of float)
        Name and learning rates of each optimizer.

    Raises
    ------
    ArgumentError
        If an optimizer is unknown, a rate is not a number, there is no optimizer, or each has a rate and `lr` too.
    """
    common = [number("--lr", part, "a learning rate such as 0.1") for part in _parts(lr)]
    found = []
    for part in _parts(text):
        name, colon, own = part.partition(":")
        choose("optimizer", name, optim.NAMES)
        given = [number(f"the rate of {name}", own, "a learning rate such as 0.1")] if colon else common
        found.append((name, given or [f.rate(name)]))
    if not found:
        raise ArgumentError(f"{called} is {text!r}, expected at least one optimizer: adam,sgd for instance")
    if common and all(":" in part for part in _parts(text)):
        raise ArgumentError(f"--lr is {lr}, but {text} sets the rate of each optimizer: leave out one of them")
    return found


def _parts(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def point(text: str, called: str = "--start") -> list[float]:
    """Return the numbers of a text such as "-1.5,2".

    Parameters
    ----------
    text : str
        Numbers separated by commas.
    called : str, default "--start"
        Name of the text in messages.

    Returns
    -------
    list of float
        The numbers.

    Raises
    ------
    ArgumentError
        If the text is anything else.
    """
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ArgumentError(
            f"{called} is {text!r}, expected numbers separated by commas: -1.5,2 for instance"
        ) from None


def number(called: str, text: str, expected: str) -> float:
    """Return the number of a text.

    Parameters
    ----------
    called : str
        Name of the text in messages.
    text : str
        The number.
    expected : str
        Description of a valid text, for messages.

    Returns
    -------
    float
        The number.

    Raises
    ------
    ArgumentError
        If the text is not a number.
    """
    try:
        return float(text)
    except ValueError:
        raise ArgumentError(f"{called} is {text!r}, expected {expected}") from None


def race(
    f: Any,
    starts: Sequence[Sequence[float]],
    entered: Sequence[tuple[str, list[float]]],
    *,
    momentum: float | None = None,
    **options: Any,
) -> list[Path]:
    """Return the paths of optimizers from one start or several.

    Parameters
    ----------
    f : Surface, NetworkLoss or callable
        Function, as `minimize` accepts it.
    starts : sequence of points
        The starts.
    entered : sequence of (str, list of float)
        Names and learning rates, from `entrants`.
    momentum : float, optional
        Momentum of the rules that have one.
    **options
        Options of `minimize`.

    Returns
    -------
    list of Path
        The paths: optimizers outermost, then learning rates, then starts.
    """
    paths: list[Path] = []
    for name, rates in entered:
        own: dict[str, Any] = {"momentum": momentum} if momentum is not None and name in WITH_MOMENTUM else {}
        paths += minimize(f, starts, name, lr=rates, **own, **options)
    return paths
