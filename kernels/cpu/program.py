"""A recorded step on the CPU: its loops joined into a few calls of compiled code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .team import Job, NotOnlyLoops, Program, collecting

Call = Callable[[], Any]


def loops_only(launch: Any) -> Any:
    """Mark a launcher that only runs loops, with arguments that depend on its own arguments alone.

    If it does anything else, it calls `runs_host_code` first. A launcher that reads an array on the host, such as the
    learning rate, must not be marked: a replay would repeat the value of the recording.
    """
    launch.loops_only = True
    return launch


def join_loops(calls: Sequence[Any]) -> list[Call]:
    """Return calls with the same effect as these calls of launchers (functools.partial), with adjacent loops joined.

    Raises CompilationError if a loop cannot be compiled.
    """
    joined: list[Call] = []
    jobs: list[Job] = []

    def end_program() -> None:
        if jobs:
            joined.append(Program(jobs))
            jobs.clear()

    for call in calls:
        collected = _loops_of(call)
        if collected is None:
            end_program()
            joined.append(call)
        else:
            jobs.extend(collected)
    end_program()
    return joined


def _loops_of(call: Any) -> list[Job] | None:
    """Return the jobs of a call, or None if it does more than run loops."""
    launch = getattr(call, "func", None)
    if not getattr(launch, "loops_only", False):
        return None
    compiled = getattr(launch, "compiled", launch)  # without the fallback of the CPU device, which would run here
    try:
        with collecting() as jobs:
            compiled(*call.args, **call.keywords)
    except NotOnlyLoops:
        return None
    return jobs
