"""A run of record.py: execute the stages in order, each within its share of the minutes, and write the record."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gpugrad.engine.files import to_json, write_whole

from .children import Late, end_all

# States of a stage. A stage that a page shows as started was killed together with the run.
DONE, WRONG, FAILED, CUT = "done", "WRONG", "FAILED", "out of time"
STOPPED, SKIPPED, NOT_STARTED, STARTED = "stopped", "skipped", "not started", "started, not ended"

LEAST_SECONDS = 5.0  # a stage with less time is not started
RESERVE = 5.0  # seconds reserved for killing the last process and writing the last page
SAVE_SECONDS = 5.0  # minimum seconds between two pages within a stage
SHOWN = 20  # problems of a stage that are printed; the JSON file lists all


class Skipped(Exception):
    """A stage cannot run here, and why."""


class Failed(Exception):
    """A stage failed, and how."""


class Stopped(BaseException):
    """A signal that ends the run."""

    def __init__(self, signal: int) -> None:
        super().__init__(signal)
        self.signal = signal


@dataclass
class Result:
    """The result of a stage: its state and reason, its data, problems, and the end of its output."""

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
    """A stage of a run.

    Parameters
    ----------
    name : str
        Name of the stage.
    share : int
        Weight of the stage when the remaining minutes are divided.
    what : str
        Description of the stage.
    work : callable
        Runs the stage.
    show : callable
        Formats the data of the stage as a sentence and as Markdown.
    section : str, optional
        Section of its rows in a benchmark record; None for a stage without rows.
    """

    name: str
    share: int
    what: str
    work: Callable[[Run], None]
    show: Callable[[dict[str, Any]], tuple[str, str]]
    section: str | None = None


@dataclass
class Run:
    """A run; the current stage uses `result`, and `deadline` in time.monotonic().

    Parameters
    ----------
    stages : sequence of Stage
        The stages in order.
    minutes : float
        Time limit of the run.
    device : str
        Device, "cuda" or, in a rehearsal, "emulator".
    folder : Path
        Folder of the page and its JSON file.
    name : str
        Name of both files, without suffix.
    facts : dict
        Facts about the machine and the command, for the record.
    page : callable
        Formats the page.
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
        """Run the stages; if a signal ends the run, write the record and raise Stopped."""
        end = self.begin + 60 * self.minutes - RESERVE
        for i, stage in enumerate(self.stages):
            share = stage.share / sum(later.share for later in self.stages[i:])
            self._do(stage, (end - time.monotonic()) * share)

    def _do(self, stage: Stage, limit: float) -> None:
        begin = time.monotonic()
        self.result = result = self.results[stage.name]
        result.limit, self.deadline = max(0.0, limit), begin + limit
        if limit < LEAST_SECONDS:
            result.reason = f"only {result.limit:.0f} s were left for it"
            return self.save()
        result.state = STARTED
        try:
            self.save()
            print(f"{stage.name}, at most {limit:.0f} s: {stage.what}", flush=True)
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
        """Summarize the result of a stage and the reason for its state; only count rows of a rehearsed measurement."""
        result = self.results[stage.name]
        if result.state in (NOT_STARTED, SKIPPED):
            return result.reason
        found, _ = self.shown(stage)
        if self.rehearsal and stage.section:
            found = f"{len(result.data.get('rows', []))} rows; their times mean nothing"
        return "; ".join(filter(None, [found, result.reason]))

    def shown(self, stage: Stage) -> tuple[str, str]:
        """Format the data of a stage; an error in it must not end the run."""
        try:
            return stage.show(self.results[stage.name].data)
        except Exception as error:
            return f"its data cannot be shown ({error!r}): see the JSON file", ""

    # ---- the record ----

    def save_now_and_then(self) -> None:
        """Write the record unless it was just written."""
        if time.monotonic() - self._saved > SAVE_SECONDS:
            self.save()

    def save(self) -> None:
        """Write the current record: NAME.json and the page NAME.md."""
        write_whole(self.folder / f"{self.name}.json", to_json(self.record(), indent=1) + "\n")
        write_whole(self.folder / f"{self.name}.md", self.page(self))
        self._saved = time.monotonic()

    def record(self) -> dict[str, Any]:
        """Return a record for `gpugrad bench report` and `compare`, with the stages in addition."""
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
