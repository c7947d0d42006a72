"""A run of record.py: stages in their order, each within its share of the minutes, and the record they leave."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gpugrad.engine.files import to_json, write_whole

from .children import Late, end_all

# How a stage ended. What a page calls started was killed in it, with the run.
DONE, WRONG, FAILED, CUT = "done", "WRONG", "FAILED", "out of time"
STOPPED, SKIPPED, NOT_STARTED, STARTED = "stopped", "skipped", "not started", "started, not ended"

LEAST_SECONDS = 5.0  # a stage that would have less is not started
RESERVE = 5.0  # seconds of the minutes, for killing the last process and for the last page
SAVE_SECONDS = 5.0  # between two pages within a stage
SHOWN = 20  # problems of a stage that are printed; the JSON file has all


class Skipped(Exception):
    """A stage that cannot be done here, and why."""


class Failed(Exception):
    """A stage that broke, and how."""


class Stopped(BaseException):
    """A signal that ends the run."""

    def __init__(self, signal: int) -> None:
        super().__init__(signal)
        self.signal = signal


@dataclass
class Result:
    """What became of a stage: how it ended and why, what it found, what was wrong, the end of what it printed."""

    state: str = NOT_STARTED
    reason: str = ""
    seconds: float = 0.0
    limit: float = 0.0
    problems: list[str] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    output: str = ""

    @property
    def bad(self) -> bool:
        return self.state == FAILED or bool(self.problems)


@dataclass(frozen=True)
class Stage:
    """A stage: its share of the minutes, in parts of those of all; what it does; and how a page shows what it found.

    show: a sentence, and Markdown. section: where its rows are in the record of a benchmark, None for what is none.
    """

    name: str
    share: int
    what: str
    work: Callable[[Run], None]
    show: Callable[[dict[str, Any]], tuple[str, str]]
    section: str | None = None


@dataclass
class Run:
    """What stages know of the run, and the stage that is at work: `result`, and `deadline` in time.monotonic().

    facts: of the machine and the command, for the record. page: makes the text of the page. name: of its two files.
    """

    stages: Sequence[Stage]
    minutes: float
    device: str
    folder: Path
    name: str
    facts: dict[str, Any]
    page: Callable[[Run], str]

    def __post_init__(self) -> None:
        self.begin = time.monotonic()
        self.created = datetime.datetime.now(datetime.UTC)
        self.results = {stage.name: Result() for stage in self.stages}
        self.result = Result()
        self.deadline = self.begin
        self.machine: dict[str, Any] = {}
        self._saved = 0.0

    @property
    def rehearsal(self) -> bool:
        return self.device != "cuda"

    @property
    def bad(self) -> bool:
        return any(result.bad for result in self.results.values())

    def go(self) -> None:
        """Do the stages. Raises Stopped, the record written, where a signal ends it."""
        end = self.begin + 60 * self.minutes - RESERVE
        for i, stage in enumerate(self.stages):
            share = stage.share / sum(later.share for later in self.stages[i:])
            self._do(stage, (end - time.monotonic()) * share)

    def _do(self, stage: Stage, limit: float) -> None:
        begin = time.monotonic()
        self.result = result = self.results[stage.name]
        result.limit, self.deadline = max(0.0, limit), begin + limit
        if limit < LEAST_SECONDS:
            result.reason = f"{result.limit:.0f} s of the minutes were left for it"
            return self.save()
        result.state = STARTED
        try:
            self.save()
            print(f"{stage.name}, {limit:.0f} s at most: {stage.what}", flush=True)
            stage.work(self)
            result.state = WRONG if result.problems else DONE
        except Late:
            result.state = CUT
        except Skipped as error:
            result.state, result.reason = SKIPPED, str(error)
        except Stopped:
            result.state = STOPPED
            raise
        except Exception as error:
            result.state, result.reason = FAILED, str(error) if isinstance(error, Failed) else repr(error)
        finally:
            end_all()
            result.seconds = time.monotonic() - begin
            self.save()
            print(f"{stage.name}: {result.state} after {result.seconds:.0f} s: {self.found(stage)}", flush=True)
            print("".join(f"  {problem}\n" for problem in result.problems[:SHOWN]), end="", flush=True)

    def found(self, stage: Stage) -> str:
        """Say what a stage found, and why it ended as it did; of what a rehearsal measured only that it runs."""
        result = self.results[stage.name]
        if result.state in (NOT_STARTED, SKIPPED):
            return result.reason
        found, _ = self.shown(stage)
        if self.rehearsal and stage.section:
            found = f"{len(result.data.get('rows', []))} rows: it runs; no result"
        return "; ".join(filter(None, [found, result.reason]))

    def shown(self, stage: Stage) -> tuple[str, str]:
        """Show what a stage found; a page that lacks one stage is better than a run that ends for want of it."""
        try:
            return stage.show(self.results[stage.name].data)
        except Exception as error:
            return f"what it found cannot be shown ({error!r}): see the JSON file", ""

    # ---- the record ----

    def save_now_and_then(self) -> None:
        """Write the record, unless it has just been written."""
        if time.monotonic() - self._saved > SAVE_SECONDS:
            self.save()

    def save(self) -> None:
        """Write the record as it stands: NAME.json and the page NAME.md."""
        write_whole(self.folder / f"{self.name}.json", to_json(self.record(), indent=1) + "\n")
        write_whole(self.folder / f"{self.name}.md", self.page(self))
        self._saved = time.monotonic()

    def record(self) -> dict[str, Any]:
        """Make a record of `gpugrad bench`, which its report and its comparison read, with the stages besides."""
        results = [(stage, self.results[stage.name]) for stage in self.stages]
        return {
            "format": 1,
            "created": self.created.isoformat(timespec="seconds"),
            "command": self.facts["command"],
            "quick": self.rehearsal,
            "rehearsal": self.rehearsal,
            "machine": self.machine,
            "sections": {s.section: result.data for s, result in results if s.section and result.data.get("rows")},
            "facts": self.facts,
            "stages": [
                {"name": s.name, "what": s.what, **asdict(result), "data": {} if s.section else result.data}
                for s, result in results
            ],
        }
