"""`gpugrad bench scaling`, `startup`, `memory` and `all`: measurements and messages."""

import contextlib
import io
import tracemalloc

import numpy as np
import pytest
from typer.testing import CliRunner

import gpugrad as gg
from gpugrad.bench.measure import memory, networks, scaling, startup, workers
from gpugrad.bench.measure.timing import Budget
from gpugrad.bench.records import record
from gpugrad.command.app import app
from gpugrad.command.bench.app import _startup
from gpugrad.command.bench.options import measuring
from gpugrad.errors import ArgumentError, KernelError

CPU = gg.device("cpu")


def silent(row):
    pass


# ---- scaling ----


def grown(times, operations, values=(1, 2, 4, 8)):
    return [{"value": v, "median": t, "operations": o} for v, t, o in zip(values, times, operations, strict=True)]


@pytest.mark.parametrize(
    ("times", "operations", "slope", "words"),
    [
        ([1, 1, 1.1, 1.2], [1, 2, 4, 8], 0.13, "up to width 8, launches dominate the time of a step"),
        ([1, 1.2, 5, 20], [1, 4, 16, 64], 2.0, "up to width 2 the time hardly grows"),
        ([1, 1.2, 5, 20], [1, 4, 16, 64], 2.0, "power 2.00 of the width, and the time equally: products dominate it"),
        ([1, 2, 3, 5], [1, 4, 16, 64], 0.74, "launches matter less in a larger step"),
        ([1, 4, 16, 256], [1, 4, 16, 64], 4.0, "a larger step exceeds the caches"),
    ],
)
def test_a_slope_is_the_power_of_the_upper_half_and_is_explained(times, operations, slope, words):
    found = scaling.slope("width", grown(times, operations))
    assert found["slope"] == pytest.approx(slope, abs=0.01)
    assert (found["from"], found["to"]) == (4, 8)
    assert words in found["explanation"]


@pytest.mark.slow
def test_networks_grow_along_each_axis():
    rows, slopes = scaling.measure(CPU, budget=Budget(seconds=0.001, least_runs=1), most_values=2, on_row=silent)
    names = ["width", "width", "depth", "depth", "batch size", "batch size"]
    assert [row["axis"] for row in rows] == names
    assert [row["network"] for row in rows][:3] == ["784-64-64-10", "784-128-128-10", "784-256-10"]
    assert [row["batch"] for row in rows] == [128, 128, 128, 128, 16, 32]
    assert [slope["axis"] for slope in slopes] == ["width", "depth", "batch size"]
    first = rows[0]
    assert first["operations"] == 2 * 128 * (3 * (784 * 64 + 64 * 64 + 64 * 10) - 784 * 64)
    assert first["update_bytes"] == 28 * (784 * 64 + 64 + 64 * 64 + 64 + 64 * 10 + 10)
    assert first["low"] <= first["median"] <= first["high"]


# ---- startup ----


def a_second_start_finds_the_kernels_of_the_first(rows):
    seconds = {(row["cache"], row["what"]): row["seconds"] for row in rows}
    assert seconds["empty", "kernels"] > seconds["warm", "kernels"] > 0
    for cache in ("empty", "warm"):
        assert seconds[cache, "total"] == pytest.approx(sum(seconds[cache, part] for part in startup.PARTS[:-1]))


def test_a_folder_of_the_same_name_is_not_started(tmp_path, monkeypatch):
    """A checkout has such a folder, which lacks the kernels if the package was installed as a copy."""
    (tmp_path / "gpugrad").mkdir()
    (tmp_path / "gpugrad" / "__init__.py").write_text("raise ImportError('not this one')")
    monkeypatch.chdir(tmp_path)
    assert len(startup.start(gg.device("cpu", "numpy"), str(tmp_path))) == len(startup.PARTS)


def test_a_failing_start_reports_the_reason(monkeypatch):
    monkeypatch.setattr(startup, "SCRIPT", "raise RuntimeError('no such kernel')")
    with pytest.raises(KernelError, match="no such kernel"):
        startup.measure(CPU, rounds=1, on_row=silent)


# ---- memory ----


def test_a_start_is_printed_without_a_verdict(monkeypatch):
    monkeypatch.setattr(startup, "start", lambda device, folder: [1.0, 1.0, 20.0, 1.0, 23.0])
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        _startup(CPU, True, 1)
    lines = printed.getvalue().splitlines()
    assert [line.split() for line in lines if "total" in line] == [
        [cache, "total", "23.000", "23.000–23.000", "1"] for cache in ("empty", "warm")
    ]


def test_the_parts_of_the_bound_and_the_peak():
    (row,) = memory.measure(CPU, networks=[((16,), 64)], rows=6_500, on_row=silent)
    assert row["rows"] == 6_464  # full batches
    assert row["data"] == 6_464 * (784 + 4 + 4)
    assert row["parameters"] == 4 * (784 * 16 + 16 + 16 * 10 + 10)
    assert row["activations"] == 4 * 64 * (784 + 2 * (16 + 10) + 16)
    assert row["bound"] == row["data"] + 8 * row["parameters"] + row["activations"] + row["constant"]
    assert row["peak"] > row["constant"] + row["data"] / 2
    assert row["holds"] == (row["peak"] <= row["bound"])


@pytest.mark.slow
def test_training_keeps_no_second_copy_of_the_data_and_less_than_eight_of_the_parameters():
    """Measure NumPy's allocations; the command measures the process, where no other tests interfere."""
    small = networks.random_problem((16,), 64, 2)
    memory.train(small, CPU)
    problem = networks.random_problem((1024, 512), 64, 200)
    tracemalloc.start()
    try:
        memory.train(problem, CPU)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    parameters = 4 * problem.parameters
    assert problem.x.nbytes > parameters  # a copy of the data would be visible
    assert 6 * parameters < peak < 8 * parameters + memory.activation_bytes(problem)


@pytest.mark.parametrize("measure", [memory.measure, startup.measure, scaling.measure])
def test_a_device_that_cannot_be_measured_is_refused(measure):
    options = {"budget": Budget()} if measure is scaling.measure else {}
    with pytest.raises(ArgumentError, match="measure cpu or cuda"):
        measure(gg.Device("simulator", "numba"), **options)


# ---- all ----


@pytest.mark.long  # its sections have tests of their own
@pytest.mark.slow(35)
def test_one_command_measures_everything_into_one_record(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "PAUSE", 0)
    path = tmp_path / "record.json"
    options = ["--device", "cpu", "--quick", "--engines", "scikit-learn", "--json", str(path)]
    result = CliRunner().invoke(app, ["bench", "all", *options])
    assert result.exit_code == 0, result.output
    made = record.read(path)
    assert made["quick"]
    assert set(made["sections"]) == {"kernels", "training", "time_to_accuracy", "scaling", "startup", "memory"}
    for name in ("kernels", "training", "scaling", "startup", "memory"):
        assert made["sections"][name]["rows"], name
    a_second_start_finds_the_kernels_of_the_first(made["sections"]["startup"]["rows"])
    assert np.isfinite([row["median"] for row in made["sections"]["scaling"]["rows"]]).all()
    for words in ("Limits of this machine", "slope", "From process start", "bound"):
        assert words in result.output


def fail_after(sections, path):
    with measuring("cpu", None, record=path) as (_, filled):
        filled.update(sections)
        raise KernelError("the next section fails")


def test_results_before_a_failure_are_kept(tmp_path):
    one, none = {"startup": {"rows": []}}, tmp_path / "none.json"
    with pytest.raises(KernelError, match="the next section fails"):
        fail_after(one, tmp_path / "one.json")
    assert record.read(tmp_path / "one.json")["sections"] == one
    with pytest.raises(KernelError, match="the next section fails"):
        fail_after({}, none)
    assert not none.exists()
