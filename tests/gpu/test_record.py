"""record.py without a GPU: hanging kernels are killed, other stages run, and a signal loses no results."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import record  # noqa: E402
from session import children, run, stages, tables, work  # noqa: E402
from session.page import page  # noqa: E402

from gpugrad import kernels  # noqa: E402
from gpugrad.bench.measure import ceilings, training, workers  # noqa: E402
from gpugrad.bench.measure import kernels as measured_kernels  # noqa: E402
from gpugrad.bench.records import record as bench_record  # noqa: E402
from gpugrad.bench.records.report import page as bench_page  # noqa: E402
from gpugrad.errors import KernelError  # noqa: E402

SECONDS = 60  # limit for work of a second or two on an idle machine

# A replacement for session.work: the name of a kernel describes its behaviour.
FAKE = """
import json, os, signal, sys, time
def emit(**found): print(json.dumps(found), flush=True)
options = json.loads(sys.argv[2])
emit(ready="fake")
for name in options["names"]:
    emit(example="small")
    emit(example="large")
    if name == "hangs":
        print("waiting", file=sys.stderr, flush=True)
        time.sleep(1000)
    if name == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    problems = {"wrong": ["large: y is wrong"], "faulty": ["large: it failed on the GPU"]}.get(name, [])
    found = {"kernel": name, "examples": 2, "left_out": 0, "error": 0.5, "problems": problems}
    emit(finding=found | {"process": os.getpid()})
"""

# A run of three stages; the second waits forever in its own process.
STOPPED = """
import sys
sys.path.insert(0, {gpu!r})
import record
from session import children, run
children.WORK = ("-c", "import os, time; from session.work import end_with_parent; end_with_parent();"
    "print(os.getpid(), flush=True); time.sleep(1000)")
show = lambda data: (data.get("found", ""), "")
def finds(run): run.result.data["found"] = "forty-two"
def waits(run):
    with children.child() as process:
        run.result.data["found"] = str(process.next(run.deadline))
        run.save()
        process.next(run.deadline)
given = {{"finds": finds, "waits": waits, "late": finds}}
record.STAGES = [run.Stage(name, 1, "", work, show) for name, work in given.items()]
sys.argv[1:] = ["--minutes", "10", "--device", "emulator", "--out", {out!r}]
record.main()
"""


def made(tmp_path, *given, minutes=10.0):
    """Return a rehearsal of these stages."""
    facts: dict[str, Any] = {"command": "python record.py", "gpu": {}, "versions": [], "revision": None}
    return run.Run(given, minutes, "emulator", tmp_path, "name", facts, page)


def stage(name, work, share=1):
    return run.Stage(name, share, name, work, tables.checked)


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Run FAKE in the processes of stages."""
    file = tmp_path / "fake.py"
    file.write_text(FAKE)
    monkeypatch.setattr(children, "WORK", (str(file),))


def checking(*names, limit=SECONDS):
    def work(run):
        run.result.data["kernels"] = list(names)
        stages._check(run, "numba", list(names), limit)

    return work


def findings(of):
    return {finding["kernel"]: finding for finding in of.data["findings"]}


# ---- kernels ----


def test_a_kernel_that_hangs_is_killed_at_its_limit_and_those_after_it_are_checked(tmp_path, fake):
    session = made(tmp_path, stage("kernels", checking("a", "hangs", "b", limit=2)))
    session.go()
    found = session.results["kernels"]
    assert found.state == run.WRONG
    assert found.problems == ["hangs: did not end within 2 s, in example 2: large"]
    assert "waiting" in found.output
    assert [finding["examples"] for finding in found.data["findings"]] == [2, 1, 2]
    assert stages._without_numba(session, "gpu") == "gpu and not numba"
    text = (tmp_path / "name.md").read_text()
    assert "| hangs | HUNG | 1 |" in text
    assert "2 of 3 kernels agree with their reference, over 4 examples" in text


def test_a_kernel_that_ends_its_process_is_named_and_those_after_it_are_checked(tmp_path, fake):
    session = made(tmp_path, stage("kernels", checking("dies", "b")))
    session.go()
    found = session.results["kernels"]
    assert found.problems == ["dies: ended with code -9: no output, in example 2: large"]
    assert findings(found)["b"]["problems"] == []
    assert stages._without_numba(session, "gpu") == "gpu"


def test_after_a_fault_a_new_process_checks_the_others(tmp_path, fake):
    session = made(tmp_path, stage("kernels", checking("a", "wrong", "b", "faulty", "c")))
    session.go()
    process = {name: finding["process"] for name, finding in findings(session.results["kernels"]).items()}
    assert process["a"] == process["wrong"] == process["b"] == process["faulty"] != process["c"]
    assert [problem.partition(":")[0] for problem in session.results["kernels"].problems] == ["wrong", "faulty"]


def test_the_kernels_that_once_hung_have_a_process_each(tmp_path, fake):
    session = made(tmp_path, stage("once", stages.once_hung))
    session.go()
    found = findings(session.results["once"])
    assert tuple(found) == stages.ONCE_HUNG
    assert len({finding["process"] for finding in found.values()}) == 3


def test_a_process_that_gets_no_device_fails_its_stage(tmp_path, monkeypatch):
    monkeypatch.setattr(children, "WORK", ("-c", "import sys; sys.exit('no GPU here')"))
    session = made(tmp_path, stage("kernels", checking("a", "b")))
    session.go()
    found = session.results["kernels"]
    assert (found.state, found.problems) == (run.FAILED, [])
    assert found.reason == "the process that checks kernels has no device: it ended with code 1: no GPU here"


# ---- stages ----


@pytest.mark.slow
def test_a_stage_that_hangs_is_cut_and_the_next_ones_run(tmp_path, fake, monkeypatch):
    monkeypatch.setattr(run, "LEAST_SECONDS", 0.1)
    monkeypatch.setattr(run, "RESERVE", 0.0)
    session = made(tmp_path, stage("first", checking("a", "hangs", "b")), stage("second", checking("c")), minutes=0.2)
    session.go()
    first, second = session.results.values()
    assert (first.state, first.problems) == (run.CUT, [])
    assert first.seconds == pytest.approx(6, abs=3)
    assert first.data["cut"] == "hangs, in example 2: large"
    assert (second.state, second.problems) == (run.DONE, [])
    text = (tmp_path / "name.md").read_text()
    assert "| first | out of time | 1 of 3 kernels agree" in text
    assert "| b | not checked | 0 |" in text
    assert not session.bad


def test_stages_run_in_the_declared_order_even_if_some_fail(tmp_path):
    order = []

    def noted(name, error=None):
        def work(run):
            order.append(name)
            if error:
                raise error

        return stage(name, work)

    errors = {"a": ValueError("broken"), "b": run.Skipped("no need"), "c": None, "d": run.Failed("it broke")}
    session = made(tmp_path, *(noted(name, error) for name, error in errors.items()))
    session.go()
    assert order == list(errors)
    states = {name: (result.state, result.reason) for name, result in session.results.items()}
    assert states == {
        "a": (run.FAILED, "ValueError('broken')"),
        "b": (run.SKIPPED, "no need"),
        "c": (run.DONE, ""),
        "d": (run.FAILED, "it broke"),
    }
    assert session.bad
    assert "**Wrong or failed: a, d.**" in (tmp_path / "name.md").read_text()


def test_a_stage_for_which_no_time_is_left_is_not_started(tmp_path):
    session = made(tmp_path, stage("late", lambda run: pytest.fail("it was started")), minutes=0.1)
    session.go()
    assert session.results["late"].state == run.NOT_STARTED
    assert "| late | not started | only 1 s were left for it |" in (tmp_path / "name.md").read_text()


def test_a_stage_that_cannot_be_shown_does_not_end_the_run(tmp_path):
    def finds(run):
        run.result.data["findings"] = [{"unexpected": True}]

    session = made(tmp_path, stage("odd", finds), stage("next", lambda run: None))
    session.go()
    assert [result.state for result in session.results.values()] == [run.DONE, run.DONE]
    assert "its data cannot be shown (KeyError('kernel')): see the JSON file" in (tmp_path / "name.md").read_text()


def test_the_most_important_stages_come_first():
    assert [given.name for given in record.STAGES][:6] == [
        "Numba's kernels that once hung",
        "Numba's other kernels",
        "CuPy's kernels",
        "training steps",
        "kernels and ceilings",
        "tests",
    ]
    assert len({given.name for given in record.STAGES}) == len(record.STAGES)


# ---- stops ----


def stopped(tmp_path, number):
    """Send a signal in the second stage; return the exit code, the states of the stages, and the page."""
    script = STOPPED.format(gpu=str(HERE), out=str(tmp_path))
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.DEVNULL)
    try:
        while not (waiting := found_by_second(tmp_path)):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(number)
        code = process.wait(SECONDS)
    finally:
        process.kill()
        process.wait()
    (file,) = tmp_path.glob("*.json")
    states = [entry["state"] for entry in json.loads(file.read_text())["stages"]]
    return code, states, file.with_suffix(".md").read_text(), waiting


def found_by_second(folder):
    """Return the id of the process that the second stage waits for, once it is in the record."""
    for file in folder.glob("*.json"):
        if found := json.loads(file.read_text())["stages"][1]["data"].get("found"):
            return int(found)
    return None


def ended(process):
    """Return whether a process has ended, possibly as a zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_stopped_ends_its_processes_and_leaves_its_record(tmp_path, number):
    code, states, text, waiting = stopped(tmp_path, number)
    assert code == 128 + number
    assert states == [run.DONE, run.STOPPED, run.NOT_STARTED]
    assert "| finds | done | forty-two |" in text
    assert "| late | not started |" in text
    assert ended(waiting)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_a_run_that_is_killed_leaves_the_finished_stages_and_no_process(tmp_path):
    code, states, text, waiting = stopped(tmp_path, signal.SIGKILL)
    until = time.monotonic() + SECONDS
    while not ended(waiting):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert code == -signal.SIGKILL
    assert states == [run.DONE, run.STARTED, run.NOT_STARTED]
    assert "| finds | done | forty-two |" in text
    assert "| waits | started, not ended |" in text


# ---- processes ----


def test_a_check_emits_each_example_as_it_begins_and_each_finding():
    emitted = []
    names = ["sum_elements", "clip_norm"]
    work.check(lambda **found: emitted.append(found), device="cpu", toolchain="numpy", names=names, limit=SECONDS)
    found = [entry["finding"] for entry in emitted if "finding" in entry]
    assert [finding["kernel"] for finding in found] == names
    assert len([entry for entry in emitted if "example" in entry]) == sum(finding["examples"] for finding in found)
    assert list(emitted[0]) == ["ready"]
    assert list(emitted[1]) == ["example"]


def test_an_engine_that_fails_is_left_out_and_named(monkeypatch):
    measured, emitted = [], []

    def measure_steps(problem, entries, device, **_):
        measured.append([entry.name for entry in entries])
        if "scikit-learn" in measured[-1]:
            raise workers.EngineError("scikit-learn", "scikit-learn failed")
        return []

    monkeypatch.setattr(training, "measure_steps", measure_steps)
    work.training(lambda **found: emitted.append(found), device="cpu", quick=True)
    assert measured[0].count("scikit-learn") == 1
    assert measured[1] == [name for name in measured[0] if name != "scikit-learn"]
    assert {"problem": "784-16-10, batch 32: scikit-learn failed"} in emitted


class NoLimits:
    """A replacement for the ceilings, which take seconds to measure."""

    def __init__(self, *_):
        pass

    def copy(self, *_, **__):
        pass

    product = measure_again = copy

    def records(self):
        return []


def test_a_kernel_that_cannot_be_measured_is_named_and_the_others_run(monkeypatch):
    def measure_kernel(target, contract, *_, **__):
        if contract.name == "adam_step":
            raise KernelError("adam_step compiles again")
        yield SimpleNamespace(record=lambda: contract.name)

    emitted = []
    monkeypatch.setattr(ceilings, "Ceilings", NoLimits)
    monkeypatch.setattr(measured_kernels, "measure_kernel", measure_kernel)
    monkeypatch.setattr(measured_kernels, "next_to", lambda _, row: row)
    work.kernels(lambda **found: emitted.append(found), device="cpu")
    rows = [found["row"] for found in emitted if "row" in found]
    assert rows == emitted[-1]["rows"]
    assert {*rows, "adam_step"} == {contract.name for _, contract in kernels.contracts()}
    assert [found["problem"] for found in emitted if "problem" in found] == ["adam_step: adam_step compiles again"]
    assert rows[0] == "dense_forward"  # part of a step


def test_a_table_of_training_names_the_fastest_peer():
    row = {"network": "784-128-10", "batch": 64, "data": "mnist", "low": 3e-5, "high": 4e-5, "first": 1.0}
    rows = [
        {**row, "engine": name, "median": median, "times_ours": times, "accuracy": 0.98}
        for name, median, times in (("gpugrad", 3.3e-5, 1.0), ("JAX scan", 4.1e-5, 1.25), ("PyTorch", 4e-4, 12.0))
    ]
    sentence, shown = tables.trained({"rows": rows, "missing": ["scikit-learn"]})
    assert sentence == "784-128-10, batch 64: 33.0 µs, the fastest peer, JAX scan, 1.25 times as long"
    assert "| 784-128-10, batch 64 | PyTorch | 400 µs (30.0 µs – 40.0 µs) | 12.00 | 1.00 s | 0.9800 |" in shown
    assert "Not available here: scikit-learn." in shown


def test_without_a_gpu_the_message_says_so(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SystemExit, match=r"nvidia-smi finds no GPU .* or with --device emulator"):
        record.gpu()


def test_a_second_record_of_a_day_leaves_the_first_alone(tmp_path):
    assert record.free_name(tmp_path, "day") == "day"
    (tmp_path / "day.md").touch()
    assert record.free_name(tmp_path, "day") == "day-2"


@pytest.mark.long
@pytest.mark.slow(80)
def test_the_rehearsal_runs_from_end_to_end(tmp_path):
    command = [sys.executable, str(HERE / "record.py"), "--minutes", "20", "--device", "emulator"]
    result = subprocess.run(
        [*command, "--out", str(tmp_path)], capture_output=True, text=True, timeout=1500, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    (file,) = tmp_path.glob("*.json")
    found = bench_record.read(file)
    states = {entry["name"]: entry["state"] for entry in found["stages"]}
    skipped = {"time to an accuracy", "compute sanitizer"}
    assert {name for name, state in states.items() if state == run.SKIPPED} == skipped
    assert {state for name, state in states.items() if name not in skipped} == {run.DONE}
    assert found["rehearsal"]
    assert found["quick"]
    assert "A quick run" in bench_page(found, [])
    text = file.with_suffix(".md").read_text()
    assert text.startswith("# Rehearsal in the emulator")
    assert "no time on this page is a result" in text
    for entry in found["stages"]:
        assert f"| {entry['name']} | {entry['state']} |" in text
    for name in ("Training steps", "Kernels and ceilings", "Launches", "Growth", "Memory", "Start"):
        assert f"## {name}\n" in text
        assert "these times mean nothing" in text.partition(f"## {name}\n")[2].partition("\n## ")[0]
