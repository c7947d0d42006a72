"""The page of a run: the state of each stage at the top, then the results of each stage."""

from __future__ import annotations

import time
from collections.abc import Iterator

from .run import NOT_STARTED, SHOWN, SKIPPED, Result, Run, Stage
from .tables import table

REHEARSAL = """
> **A rehearsal: nothing here ran on a GPU, and no time on this page is a result.** Kernels ran in the emulator and in
> Numba's simulator, on small examples. Measurements ran on the CPU, or in these two, at tiny sizes, to check that they
> work.
""".strip()
REHEARSED = "*A rehearsal without a GPU: these times mean nothing.*"


def page(run: Run) -> str:
    """Return the current page in Markdown."""
    return "\n\n".join([*_head(run), *(part for stage in run.stages for part in _stage(run, stage))]) + "\n"


def _head(run: Run) -> Iterator[str]:
    day = run.created.date().isoformat()
    yield f"# Rehearsal in the emulator, {day}" if run.rehearsal else f"# {run.facts['gpu']['name']}, {day}"
    if run.rehearsal:
        yield REHEARSAL
    yield f"{', '.join(_described(run))}.\n{', '.join(run.facts['versions'])}."
    minutes = (time.monotonic() - run.begin) / 60
    yield (
        f"`{run.facts['command']}`, after {minutes:.1f} of {run.minutes:g} minutes. All results are in\n"
        f"[{run.name}.json]({run.name}.json); `gpugrad bench report` makes a page with pictures from it."
    )
    bad = [stage.name for stage in run.stages if run.results[stage.name].bad]
    yield f"**Wrong or failed: {', '.join(bad) or 'nothing in the completed stages'}.**"
    yield table(
        ("stage", "state", "result", "seconds", "limit"),
        [_line(run, stage, run.results[stage.name]) for stage in run.stages],
        words=3,
    )


def _described(run: Run) -> Iterator[str]:
    if gpu := run.facts["gpu"]:
        yield f"Driver {gpu['driver_version']}, {gpu['memory.total']}, compute capability {gpu['compute_cap']}"
    yield f"gpugrad {run.facts['revision'] or '(unknown revision)'}"


def _line(run: Run, stage: Stage, result: Result) -> tuple[str, ...]:
    started = result.state not in (NOT_STARTED, SKIPPED)
    times = (f"{result.seconds:.0f}", f"{result.limit:.0f}") if started else ("", "")
    return stage.name, result.state, _one_line(run.found(stage)).replace("|", "\\|"), *times


def _stage(run: Run, stage: Stage) -> Iterator[str]:
    result = run.results[stage.name]
    if result.state in (NOT_STARTED, SKIPPED):
        return
    yield f"## {stage.name[0].upper()}{stage.name[1:]}"
    yield f"{stage.what}."
    if run.rehearsal and stage.section:
        yield REHEARSED
    yield from filter(None, [run.shown(stage)[1]])
    if result.problems:
        yield "Wrong:\n\n" + "\n".join(f"- {_one_line(problem)}" for problem in result.problems[:SHOWN])
        if len(result.problems) > SHOWN:
            yield f"and {len(result.problems) - SHOWN} more, listed in the JSON file."
    if result.output:
        yield f"End of the output:\n\n```text\n{result.output.strip()}\n```"


def _one_line(text: str) -> str:
    return " ".join(text.split())
