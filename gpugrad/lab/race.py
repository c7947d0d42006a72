"""A race asked for in words, as the command and the page do: optimizers with their rates, from one start or several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import optim
from ..errors import ArgumentError, choose
from .minimize import Path, minimize

USUAL = ("sgd", "momentum", "adam")  # of the command and the page, where none is asked for
WITH_MOMENTUM = tuple(name for name, rule in optim.RULES.items() if "momentum" in rule.options)


def entrants(text: str, lr: str | None, f: Any, called: str = "--optimizer") -> list[tuple[str, list[float]]]:
    """(name, learning rates) of each optimizer of "sgd,adam:0.1".

    lr: rates with commas between, of those that bring none; None: what suits the surface f. called: what messages call
    the text. Raises ArgumentError for an unknown optimizer, a rate that is no number, or no optimizer at all.
    """
    common = [number("--lr", part, "a learning rate such as 0.1") for part in _parts(lr)]
    found = []
    for part in _parts(text):
        name, colon, own = part.partition(":")
        choose("optimizer", name, optim.NAMES)
        given = [number(f"the rate of {name}", own, "a learning rate such as 0.1")] if colon else common
        found.append((name, given or [f.rate(name)]))
    if not found:
        raise ArgumentError(f"{called} names none, expected at least one: adam,sgd for instance")
    return found


def _parts(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def point(text: str, called: str = "--start") -> list[float]:
    """The numbers of "-1.5,2"; raises ArgumentError for anything else."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ArgumentError(
            f"{called} is {text!r}, expected numbers with commas between: -1.5,2 for instance"
        ) from None


def number(called: str, text: str, expected: str) -> float:
    """The number that a text is; raises ArgumentError for one that is none."""
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
    """The paths of `entrants` from starts; momentum is for the rules that have it, options are those of `minimize`."""
    paths: list[Path] = []
    for name, rates in entered:
        own: dict[str, Any] = {"momentum": momentum} if momentum is not None and name in WITH_MOMENTUM else {}
        paths += minimize(f, starts, name, lr=rates, **own, **options)
    return paths
