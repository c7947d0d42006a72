"""A recorded step on the CPU: what its launches run, put together into a few calls of compiled code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .team import Job, NotCollectable, Program, collecting

Call = Callable[[], Any]


def loops_only(launch: Any) -> Any:
    """Marks a launcher that does nothing but run loops, with arguments that follow from its own alone.

    What else it does, it announces with `at_once`. A launcher that reads an array on the host, such as the learning
    rate, is none: the next time it may read another number.
    """
    launch.loops_only = True
    return launch


def put_together(calls: Sequence[Any]) -> list[Call]:
    """Calls that do the same as these calls of launchers (functools.partial), fewer if some run nothing but loops."""
    found: list[Call] = []
    jobs: list[Job] = []

    def end_program() -> None:
        if jobs:
            found.append(Program(jobs))
            jobs.clear()

    for call in calls:
        collected = _loops_of(call)
        if collected is None:
            end_program()
            found.append(call)
        else:
            jobs.extend(collected)
    end_program()
    return found


def _loops_of(call: Any) -> list[Job] | None:
    if not getattr(getattr(call, "func", None), "loops_only", False):
        return None
    try:
        with collecting() as jobs:
            call()
    except NotCollectable:
        return None
    return jobs
