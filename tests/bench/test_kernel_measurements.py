"""`gpugrad bench kernels`: measurements, errors and the record."""

import json
import time

import numba
import numpy as np
import pytest
from typer.testing import CliRunner

import gpugrad as gg
from gpugrad import kernels
from gpugrad.bench.measure import kernels as measured
from gpugrad.bench.measure import libraries, machine
from gpugrad.bench.measure.ceilings import PRODUCT_SIDE, Ceiling, Ceilings
from gpugrad.bench.measure.timing import QUICK, Budget, Timing, repeat, sampler
from gpugrad.bench.records import record, tables
from gpugrad.command.app import app
from gpugrad.errors import ArgumentError, DataError, DeviceError, KernelError
from gpugrad.kernels.activation import examples as activation
from gpugrad.kernels.binary_cross_entropy import examples as binary_cross_entropy
from gpugrad.kernels.contract import Cost
from gpugrad.kernels.dropout import examples as dropout
from gpugrad.kernels.numba_cuda import private
from gpugrad.kernels.regression import examples as regression

CPU = gg.device("cpu")
SHORT = Budget(seconds=0.001)


@pytest.fixture
def small(monkeypatch):
    """Small shapes measure all variants of elementwise work quickly."""
    for examples in (activation, binary_cross_entropy, dropout, regression):
        monkeypatch.setattr(examples, "MEASURED_SHAPES", ((4, 8), (16, 32)))


@pytest.mark.parametrize("name", [contract.name for _, contract in kernels.contracts()])
@pytest.mark.slow
def test_workloads_of_every_kernel_satisfy_its_contract(name, small):
    contract = next(contract for _, contract in kernels.contracts() if contract.name == name)
    sizes = []
    for workload in contract.draw_workloads():
        arrays = [workload.arrays[array] for array in contract.arrays]
        contract(*arrays, **workload.scalars)
        sizes.append(workload.reason)
        assert contract.cost_of(*arrays, **workload.scalars).bytes > 0
    assert len(set(sizes)) == len(sizes)
    assert len(sizes) > 1 or contract._workloads is None


def test_every_kernel_is_measured_in_a_quick_run():
    rows, ceilings = measured.measure(CPU, quick=True, budget=SHORT)
    assert {row.kernel for row in rows} == {contract.name for _, contract in kernels.contracts()}
    for row in rows:
        assert 0 < row.timing.low <= row.timing.median <= row.timing.high
        assert row.share is not None
        assert row.share > 0
        assert row.compile == 0 or row.first_call >= row.compile
    names = [(entry["name"], entry["size"]) for entry in ceilings.records()]
    assert ("float32", PRODUCT_SIDE["cpu"]) in names
    assert len(set(names)) == len(names)


def test_names_choose_kernels_and_operations():
    found = [c.name for _, c in measured.chosen(["dense_forward", "gather"])]
    assert found == ["dense_forward", "next_rows", "gather"]
    with pytest.raises(ArgumentError, match="unknown kernel or operation 'matmull': did you mean"):
        measured.chosen(["matmull"])
    refused = CliRunner().invoke(app, ["bench", "kernels", "--only", "adm"])
    assert "unknown kernel or operation 'adm': did you mean 'adam'" in str(refused.exception)
    assert not refused.output


@pytest.mark.parametrize("kind", ["emulator", "simulator"])
def test_devices_that_find_faults_are_not_timed(kind):
    device = gg.Device(kind, "cupy")
    with pytest.raises(ArgumentError, match="measure cpu or cuda"):
        measured.measure(device)


def test_a_wrong_kernel_is_not_timed(monkeypatch):
    device = gg.Device("cpu", "numpy")
    wrong = kernels.Launcher(device.kernels.clip_value.contract, lambda g, *, limit: None, "wrong.py", "reference")
    monkeypatch.setattr(device.kernels, "clip_value", wrong)
    with pytest.raises(KernelError, match=r"clip_value of wrong.py, 101770: g is wrong"):
        measured.measure(device, names=["clip_value"], budget=SHORT)


def test_a_kernel_that_compiles_at_every_call_is_refused(monkeypatch):
    device = gg.Device("cpu", "numpy")
    reference = device.kernels.clip_value

    def forgetful(g, *, limit):
        numba.njit(lambda x: x + 1)(1)
        reference.launch(g, limit=limit)

    launcher = kernels.Launcher(reference.contract, forgetful, "forgetful.py", "reference")
    monkeypatch.setattr(device.kernels, "clip_value", launcher)
    with pytest.raises(KernelError, match="compiles again at its second call"):
        measured.measure(device, names=["clip_value"], budget=SHORT)


def test_a_second_call_does_not_compile_and_the_first_reports_its_time():
    double = numba.njit(lambda x: x + x)
    for compiles in (True, False):
        with measured.compiling() as seconds:
            double(1.5)
        assert (seconds() > 0) == compiles


def test_the_compiler_for_gpus_reports_its_time_too():
    pytest.importorskip("numba_cuda")
    cuda = private.import_cuda()
    if not hasattr(cuda, "compile_ptx"):
        pytest.skip("numba.cuda is the simulator in this process")
    with measured.compiling() as seconds:
        cuda.compile_ptx(lambda x: None, (numba.float32[::1],), cc=(9, 0))
    assert seconds() > 0


# ---- libraries ----


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.slow
def test_libraries_do_the_same_work(library):
    if library == "torch":
        pytest.importorskip("torch")
    rows, _ = measured.measure(CPU, quick=True, against=[library], budget=SHORT)
    theirs = [row for row in rows if row.by == library]
    ways = libraries.TORCH_WAYS if library == "torch" else libraries.ARRAY_WAYS
    assert {row.kernel for row in theirs} == set(ways)
    for row in theirs:
        (own,) = [r for r in rows if (r.kernel, r.size, r.by) == (row.kernel, row.size, "gpugrad")]
        assert row.times_ours == row.timing.median / own.timing.median
        assert row.compile is None


@pytest.mark.parametrize("name", ["activation", "regression_loss"])
def test_pytorch_does_the_same_work_in_every_variant(name, small):
    pytest.importorskip("torch")
    rows, _ = measured.measure(CPU, names=[name], against=["torch"], budget=SHORT)
    assert len([row for row in rows if row.by == "torch"]) == len(rows) // 2


def test_a_library_that_computes_something_else_is_found(monkeypatch):
    monkeypatch.setitem(libraries.ARRAY_WAYS, "sum_elements", lambda xp, a, scalars: lambda: {"out": a.x.mean()})
    with pytest.raises(KernelError, match="sum_elements through numpy, 64: out differs from the reference"):
        measured.measure(CPU, names=["sum_elements"], against=["numpy"], budget=SHORT)


def test_libraries_must_be_installed_and_compute_on_the_device(monkeypatch):
    with pytest.raises(ArgumentError, match="'cupy', expected one of numpy, torch"):
        measured.measure(CPU, against=["cupy"])
    monkeypatch.setattr(libraries, "installed_version", lambda name: None)
    with pytest.raises(DeviceError, match="torch is not installed"):
        measured.measure(CPU, against=["torch"])


# ---- timing and limits ----


def test_timing_finds_the_time_of_a_sleep():
    timing = repeat(sampler(CPU, lambda: time.sleep(0.002)), Budget(seconds=0.2, precision=0.2))
    assert 0.002 <= timing.median < 0.02
    assert timing.runs >= 7


def test_repeat_stops_when_settled_or_when_the_time_is_up():
    settled = repeat(lambda: 1.0, Budget(seconds=5))
    assert settled == Timing(1.0, 1.0, 1.0, 7, True)
    rng = np.random.default_rng(0)

    def noisy():
        time.sleep(0.001)
        return float(rng.lognormal(0, 2))

    spent = repeat(noisy, Budget(seconds=0.02, precision=1e-6))
    assert not spent.settled
    assert 7 <= spent.runs <= 25


def test_a_copy_reads_memory_that_was_written(monkeypatch):
    """Unwritten memory maps to one page of zeros, so copying it seems twice as fast."""
    copyto, sources = np.copyto, []
    monkeypatch.setattr(np, "copyto", lambda target, source: (sources.append(source), copyto(target, source)))
    Ceilings(CPU, QUICK).copy(1 << 22)
    copied = [source for source in sources if isinstance(source, np.ndarray)]  # NumPy also fills arrays with it
    assert copied
    assert all(source.all() for source in copied)


def test_share_is_that_of_the_slower_limit():
    ceilings = Ceilings(CPU, QUICK)
    copy = ceilings.copy(1 << 22)
    product = ceilings.product("float32")
    assert copy is ceilings.copy((1 << 22) - 1)  # measured once
    assert product is not None
    seconds = (1 << 22) / copy.rate
    assert ceilings.share(Cost(1 << 22, 1), 2 * seconds, "float32") == ("memory", pytest.approx(0.5))
    work = Cost(1 << 20, int(product.rate))
    assert ceilings.share(work, 4.0, "float32") == ("arithmetic", pytest.approx(0.25, rel=1e-3))
    assert ceilings.share(work, 4.0, "bfloat16") == ("arithmetic", None)  # no library multiplies in bfloat16 on a CPU


def test_limits_are_measured_again_and_rows_refer_to_the_faster_ones(monkeypatch):
    rates = iter([100.0, 1e9, 400.0, 1.0])

    def slow_host(self, name, size, cold):
        return Ceiling(name, size, "hot", next(rates), Timing(1.0, 1.0, 1.0, 7, True))

    shown = []
    monkeypatch.setattr(Ceilings, "_measure", slow_host)
    (row,), ceilings = measured.measure(CPU, names=["clip_value"], quick=True, budget=SHORT, on_row=shown.append)
    assert sorted(entry["rate"] for entry in ceilings.records()) == [400.0, 1e9]
    assert row.limit == shown[0].limit == "memory"
    assert row.share == pytest.approx(shown[0].share / 4)


def test_threads_bind_the_process_to_cores():
    before = machine.usable_cores()
    with machine.cores(1):
        assert machine.usable_cores() == 1
    assert machine.usable_cores() == before
    with pytest.raises(ArgumentError, match="expected 1 to"), machine.cores(before + 1):
        pass


# ---- the command and its record ----


def test_the_command_prints_every_row_and_writes_a_record(tmp_path):
    path = tmp_path / "record.json"
    options = ["--device", "cpu", "--quick", "--only", "clipping", "--against", "numpy", "--json", str(path)]
    result = CliRunner().invoke(app, ["bench", "kernels", *options])
    assert result.exit_code == 0, result.output
    found = record.read(path)
    rows = found["sections"]["kernels"]["rows"]
    assert {(row["kernel"], row["by"]) for row in rows} == {
        ("clip_norm", "gpugrad"),
        ("clip_norm", "numpy"),
        ("clip_value", "gpugrad"),
        ("clip_value", "numpy"),
    }
    for row in rows:
        assert row["bandwidth"] == pytest.approx(row["bytes"] / row["median"])
        assert row["intensity"] == pytest.approx(row["operations"] / row["bytes"])
        assert row["size"] in result.output
    assert found["quick"] is True
    assert found["machine"]["cores"] == machine.usable_cores()
    assert found["machine"]["packages"]["numpy"] == np.__version__


def test_files_that_are_not_records_are_refused(tmp_path):
    with pytest.raises(DataError, match="there is no file"):
        record.read(tmp_path / "none.json")
    for content in ("{", "[]", json.dumps({"format": 99, "sections": {}})):
        path = tmp_path / "other.json"
        path.write_text(content)
        with pytest.raises(DataError, match=r"(cannot read .*other.json|other.json is not a record)"):
            record.read(path)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(1.5, "1.50 s"), (0.0123, "12.3 ms"), (0.000123, "123 µs"), (3.21e-6, "3.21 µs"), (2e-7, "0.20 µs")],
)
def test_durations_have_three_digits(seconds, words):
    assert tables.duration(seconds) == words


@pytest.mark.parametrize("size", [1, 1000, 1 << 18])
def test_the_copy_that_measures_the_limit_copies(size):
    from gpugrad.bench.measure.copying import copy_by_the_team

    source, target = np.arange(size, dtype=np.float32), np.full(size, np.nan, np.float32)
    copy_by_the_team(source, target)
    np.testing.assert_array_equal(target, source)
