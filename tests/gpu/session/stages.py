"""The work of each stage of record.py: start work.py in processes and store their results in the run."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gpugrad import kernels

from .children import Child, Late, child
from .run import Failed, Run, Skipped

ONCE_HUNG = ("sum_elements", "clip_norm", "adagrad_norm_accumulate")  # on an H200, on 2026-11-26
START_SECONDS = 60.0  # until a process has a device: imports are slow on a freshly started machine
ONCE_HUNG_SECONDS, KERNEL_SECONDS = 30.0, 60.0  # per kernel: compiling, and running all its examples
FAULT = " failed"  # part of a kernel's problem after which the process cannot use its GPU

TESTS = ("tests/engine", "tests/gpu", "tests/lab", "tests/optim", "tests/kernels/test_toolchains.py")
OURS = "tests/gpu/test_record.py"  # starts this script itself
SANITIZER = "test_compute_sanitizer"
REHEARSED = ("tests/gpu/test_memory.py", "tests/kernels/test_toolchains.py", "-k", "test_write or clip_value")


@dataclass(frozen=True)
class Place:
    """Where the kernels of a toolchain run, and the maximum work of an example there."""

    device: str
    environment: Mapping[str, str] = field(default_factory=dict)
    most_work: float = 1e30


# The toolchains are numba and cupy; in a rehearsal Numba's simulator and the emulator replace the GPU.
PLACES = {
    "cuda": {"numba": Place("cuda"), "cupy": Place("cuda")},
    "emulator": {
        "numba": Place("simulator", {"NUMBA_ENABLE_CUDASIM": "1"}, most_work=80),
        "cupy": Place("emulator", most_work=1e5),
    },
}


@contextlib.contextmanager
def working(run: Run, work: str, environment: Mapping[str, str] | None = None, **options: Any) -> Iterator[Child]:
    """Run work.py in a process; if it fails or runs out of time, store the end of its output."""
    with child(work, json.dumps(options), environment=environment) as process:
        try:
            yield process
        except Exception:
            run.result.output = process.output()
            raise


# ---- kernels against their reference ----


def once_hung(run: Run) -> None:
    """Check each of Numba's kernels that hung, in separate processes."""
    run.result.data["kernels"] = list(ONCE_HUNG)
    for name in ONCE_HUNG:
        _check(run, "numba", [name], ONCE_HUNG_SECONDS)


def every_kernel(toolchain: str, *, but: tuple[str, ...] = ()) -> Callable[[Run], None]:
    """Check every kernel of a toolchain except these."""

    def work(run: Run) -> None:
        names = [contract.name for _, contract in kernels.contracts() if contract.name not in but]
        run.result.data["kernels"] = names
        _check(run, toolchain, names, KERNEL_SECONDS)

    return work


def _check(run: Run, toolchain: str, names: list[str], limit: float) -> None:
    """Check kernels one after another; after a kernel that hangs or ends its process, continue in a new process."""
    place, left = PLACES[run.device][toolchain], list(names)
    run.result.data["toolchain"] = toolchain
    given = {"device": place.device, "toolchain": toolchain, "limit": limit, "most_work": place.most_work}
    while left:
        with working(run, "check", place.environment, **given, names=left) as process:
            _follow(run, process, left, limit)


def _follow(run: Run, process: Child, left: list[str], limit: float) -> None:
    """Store the findings of a process and remove their kernels from `left`; hanging or ending counts as a finding."""
    until, begun = time.monotonic() + START_SECONDS, None  # the examples of left[0]; None: no device yet
    while left:
        try:
            line = process.next(min(until, run.deadline))
        except Late:
            if time.monotonic() >= run.deadline:
                run.result.data["cut"] = f"{left[0]}, {_where(begun)}"
                raise
            seconds = START_SECONDS if begun is None else limit
            return _broken(run, process, left, begun, f"did not end within {seconds:.0f} s", hung=True)
        if line is None:
            return _broken(run, process, left, begun, process.last_words(), hung=False)
        if "example" in line:
            begun = [*(begun or []), line["example"]]
            continue
        until, begun = time.monotonic() + limit, []
        if "finding" in line:
            left.remove(line["finding"]["kernel"])
            _keep(run, line["finding"])
            if any(FAULT in problem for problem in line["finding"]["problems"]):
                return None
    return None


def _broken(run: Run, process: Child, left: list[str], begun: list[str] | None, reason: str, *, hung: bool) -> None:
    """Store that a process hung or ended in the first kernel of `left`; raise Failed if it never reached a kernel."""
    if begun is None:
        raise Failed(f"the process that checks kernels has no device: it {reason}")
    run.result.output += f"{process.output()}\n"
    finding = {"kernel": left.pop(0), "examples": max(0, len(begun) - 1), "error": None, "hung": hung}
    _keep(run, {**finding, "problems": [f"{reason}, {_where(begun)}"]})


def _where(begun: list[str] | None) -> str:
    return f"in example {len(begun)}: {begun[-1]}" if begun else "before the first example"


def _keep(run: Run, finding: dict[str, Any]) -> None:
    run.result.data.setdefault("findings", []).append(finding)
    problems = finding["problems"] or ([] if finding["examples"] else ["no example was small enough"])
    run.result.problems += [f"{finding['kernel']}: {problem}" for problem in problems]
    run.save()


def hung(run: Run) -> bool:
    """Return whether a Numba kernel hung in this run, so that other stages would hang too."""
    found = [result.data for result in run.results.values() if result.data.get("toolchain") == "numba"]
    return any(finding.get("hung") for data in found for finding in data.get("findings", []))


# ---- benchmarks ----


def bench(work: str, **environment: str) -> Callable[[Run], None]:
    """Measure a section of `gpugrad bench`; in a rehearsal briefly, on the CPU."""

    def stage(run: Run) -> None:
        device = "cpu" if run.rehearsal else run.device
        with working(run, work, environment, device=device, quick=run.rehearsal) as process:
            _collect(run, process)

    return stage


def launches(run: Run) -> None:
    """Measure the cost of launches in each toolchain; Numba reads its setting for waits at import."""
    waits = {"NUMBA_CUDA_ARRAY_INTERFACE_SYNC": "1"}
    for toolchain, name, environment in (("cupy", "cupy", {}), ("numba", "numba", {}), ("numba", "numba waits", waits)):
        place = PLACES[run.device][toolchain]
        if toolchain == "numba" and hung(run):
            run.result.data["left out"] = "Numba, since one of its kernels hung"
            continue
        options = {"device": place.device, "toolchain": toolchain, "quick": run.rehearsal, "alone": bool(environment)}
        with working(run, "launches", {**place.environment, **environment}, **options) as process:
            _collect(run, process, toolchain=name)


def _collect(run: Run, process: Child, **more: Any) -> None:
    """Store the rows of a process, with more columns, and its other results; raise Failed if it fails."""
    for line in process.found(run.deadline):
        if "skipped" in line:
            raise Skipped(line["skipped"])
        if "row" in line:
            run.result.data.setdefault("rows", []).append({**line["row"], **more})
        elif "problem" in line:
            run.result.problems.append(line["problem"])
        elif "machine" in line:
            run.machine = line["machine"]
        else:
            run.result.data.update(line)
        run.save_now_and_then()
    if process.code() != 0:
        raise Failed(f"the process {process.last_words()}")


# ---- tests ----


def suite(run: Run) -> None:
    """Run the GPU tests except the compute sanitizer's."""
    if run.rehearsal:
        return _test(run, *REHEARSED, parallel=False)
    chosen = f"(gpu or cuda) and not {SANITIZER}"
    return _test(run, *TESTS, f"--ignore={OURS}", "--require-gpu", "-k", _without_numba(run, chosen))


def sanitizer(run: Run) -> None:
    """Run the compute sanitizer's tests."""
    if run.rehearsal:
        raise Skipped("the compute sanitizer needs a GPU")
    _test(run, "tests/gpu/test_kernels.py", "--require-gpu", "-k", _without_numba(run, SANITIZER))


def _without_numba(run: Run, chosen: str) -> str:
    if hung(run):
        run.result.data["left out"] = "Numba's tests, since one of its kernels hung"
        return f"{chosen} and not numba"
    return chosen


def _test(run: Run, *arguments: str, parallel: bool = True) -> None:
    """Run pytest and store the number of tests by outcome, and the failures."""
    data = run.result.data
    data |= {"collected": 0, "passed": 0, "failed": 0, "skipped": 0, "reasons": {}, "tracebacks": {}}
    with working(run, "tests", arguments=arguments, parallel=parallel) as process:
        for line in process.found(run.deadline):
            if "collected" in line:
                data["collected"] = line["collected"]
                continue
            data[line["outcome"]] += 1
            if line["outcome"] == "failed":
                run.result.problems.append(f"{line['test']}: {line['why']}")
                data["tracebacks"][line["test"]] = line["traceback"]
            elif line["outcome"] == "skipped":
                data["reasons"][line["why"]] = data["reasons"].get(line["why"], 0) + 1
            run.save_now_and_then()
        if process.code() != 0:
            raise Failed(f"the process {process.last_words()}")
