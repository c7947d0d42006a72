"""The CPU device falls back to the NumPy toolchain, with one warning, where its loops cannot be compiled."""

import copy
import os
import pickle
import subprocess
import sys
import textwrap
import tomllib
import warnings
from pathlib import Path

import numba
import numpy as np
import pytest
from numba.core import caching

import gpugrad as gg
from gpugrad import kernels
from gpugrad.engine import cpu_device
from gpugrad.engine.check import arrays_of
from gpugrad.engine.cpu_device import CpuDevice
from gpugrad.errors import DeviceError
from gpugrad.kernels.contract import tolerance
from gpugrad.kernels.cpu import CompilationError, private
from gpugrad.kernels.cpu import team as cpu_team
from gpugrad.kernels.dense import numba_cpu as dense

ROOT = Path(__file__).parents[3]
CONTRACTS = [contract for _, contract in kernels.contracts()]
WARNING = "the CPU uses the NumPy toolchain, which is slower: "


@pytest.fixture
def cpu():
    """A CPU device of its own, so that its fallback changes no other test."""
    return CpuDevice("numba")


@pytest.fixture
def breaks(monkeypatch):
    """Make the compilation of loops fail after this many loops."""
    runner = cpu_team._runner

    def fail(*arguments):
        raise CompilationError("planted")

    def break_after(count):
        seen = []

        def limited(loop, extras):
            if loop not in seen:
                seen.append(loop)
            return fail if seen.index(loop) >= count else runner(loop, extras)

        monkeypatch.setattr(cpu_team, "_runner", limited)
        monkeypatch.setattr(dense, "_compiled_sums", set())
        return seen

    return break_after


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
@pytest.mark.parametrize("count", [1, 2])
def test_a_launch_that_fails_to_compile_runs_the_reference_with_its_arguments(contract, count, breaks):
    """Also where some of its loops have run before one fails: nothing is added or counted twice."""
    reference = kernels.load("reference")
    for example in contract.draw_examples():
        device = CpuDevice("numba")
        arrays, expected = (arrays_of(contract, example, np.float32) for _ in range(2))
        getattr(reference, contract.name).launch(*expected, **example.scalars)
        seen = breaks(count)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            device.run(getattr(device.kernels, contract.name), *arrays, **example.scalars)
        if len(seen) <= count:
            continue  # every loop was compiled
        assert [str(w.message) for w in caught] == [WARNING + "planted"]
        assert device.toolchain == "numpy"
        for name, array in contract.written(tuple(arrays), {}):
            if name in kernels.contract.SCRATCH_NAMES:
                continue
            other = expected[contract.arrays.index(name)]
            np.testing.assert_array_equal(array, other, err_msg=f"{name}, {example.reason}")


def test_the_device_falls_back_once(cpu, breaks):
    breaks(0)
    x, y = np.array([-1, 2], np.float32), np.zeros(2, np.float32)
    launcher = cpu.kernels.activation_forward

    def launch():
        cpu.run(launcher, x, y, activation="relu")
        cpu.run(cpu.kernels.activation_forward, x, y, activation="relu")
        cpu.run(cpu.kernels.sum_elements, x, y[:1], cpu.partials(np.float32))

    with pytest.warns(RuntimeWarning, match=WARNING) as caught:
        launch()
    assert len(caught) == 1
    assert (launcher.source, launcher.toolchain) == ("kernels/activation/reference.py", "reference")
    assert repr(cpu) == "device('cpu', toolchain='numpy')"
    with pytest.raises(DeviceError, match="device 'cpu' with toolchain 'numba' cannot be used: planted"):
        cpu.require_toolchain()


def test_a_toolchain_asked_for_by_name_is_an_error(cpu, breaks):
    cpu.require_toolchain()
    breaks(0)
    x = np.zeros(2, np.float32)
    with pytest.raises(DeviceError, match="planted"):
        cpu.run(cpu.kernels.activation_forward, x, x, activation="relu")
    assert cpu.toolchain == "numba"


def test_other_errors_of_a_launch_are_not_swallowed(cpu, monkeypatch):
    def broken(*arguments):
        raise RuntimeError("a fault of the launch")

    monkeypatch.setattr(cpu_team, "_runner", lambda loop, extras: broken)
    x = np.zeros(2, np.float32)
    with pytest.raises(RuntimeError, match="a fault of the launch"):
        cpu.run(cpu.kernels.activation_forward, x, x, activation="relu")


def trained(device, epochs=2):
    gg.manual_seed(0)
    model = gg.nn.Sequential(gg.nn.Dense(4, 8, activation="tanh"), gg.nn.Dense(8, 3))
    model.to(device)
    optimizer = gg.optim.Adam(model.parameters(), lr=0.01)
    rng = np.random.default_rng(0)
    x = gg.tensor(rng.standard_normal((16, 4)).astype(np.float32), device=device)
    labels = gg.tensor(rng.integers(0, 3, 16).astype(np.int32), device=device)
    loss_of = gg.nn.CrossEntropyLoss()

    def step():
        optimizer.zero_grad()
        loss = loss_of(model(x), labels)
        loss.backward()
        optimizer.step()
        return loss

    recorded = gg.record(step, device)
    return [recorded().numpy().item() for _ in range(6)]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 6])
def test_a_recorded_step_continues_wherever_it_fails(count, cpu, breaks):
    expected = trained(CpuDevice("numpy"))
    breaks(count)
    with pytest.warns(RuntimeWarning, match=WARNING) as caught:
        losses = trained(cpu)
    assert len(caught) == 1
    np.testing.assert_allclose(losses, expected, rtol=100 * tolerance(np.float32, 8))


def test_a_program_that_cannot_be_compiled_leaves_the_launches_single(cpu, monkeypatch):
    def fail(*arguments):
        raise CompilationError("planted")

    expected = trained(CpuDevice("numba"))
    monkeypatch.setattr(cpu_team, "run_program", fail)
    with pytest.warns(RuntimeWarning, match=WARNING):
        losses = trained(cpu)
    np.testing.assert_allclose(losses, expected, rtol=100 * tolerance(np.float32, 8))


def test_copies_are_devices_by_name(cpu):
    default = gg.device("cpu")
    assert copy.deepcopy(default) is default
    assert pickle.loads(pickle.dumps(default)) is default
    numpy = gg.device("cpu", "numpy")
    assert pickle.loads(pickle.dumps(numpy)) is numpy
    cpu.fallback = "planted"
    assert cpu.__reduce__() == (gg.device, ("cpu", None))


def test_the_remedy_names_the_versions_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    (numba,) = [each for each in project["dependencies"] if each.startswith("numba")]
    assert f'"{numba}"' in cpu_device.REMEDY


# ---- whole programs ----

BLOCKED = """
    import sys
    sys.modules["numba"] = None
"""
INCOMPATIBLE = """
    import numba.core.codegen
    del numba.core.codegen.JITCodeLibrary
"""
CANNOT_COMPILE = """
    import llvmlite.binding
    def broken(*arguments, **keywords):
        raise RuntimeError("LLVM ERROR: planted")
    llvmlite.binding.parse_assembly = broken
"""
READ_ONLY = """
    from numba.core import caching
    for locator in (caching.InTreeCacheLocator, caching.UserWideCacheLocator, caching.UserProvidedCacheLocator):
        locator.from_function = classmethod(lambda cls, function, file: None)
"""
LATE = """
    from gpugrad.kernels.cpu import outline
    def broken(*arguments):
        raise AttributeError("planted")
    outline.compiled_version = broken
"""


def run(program, tmp_path, **environment):
    """Run a Python program with an empty cache; return its output and its warnings."""
    environment = {"NUMBA_CACHE_DIR": str(tmp_path / "cache"), **environment}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={**os.environ, **environment, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, [line for line in done.stderr.splitlines() if "Warning" in line]


COMMAND = """
    import sys
    from gpugrad.command.app import main
    sys.argv = ["gpugrad", *{arguments}]
    main()
"""
TRAIN = COMMAND.format(arguments=["train", "digits", "--epochs", "1", "--hidden", "8"])
TRAINER = """
    import numpy as np
    import gpugrad as gg
    model = gg.nn.Sequential(gg.nn.Dense(4, 8, activation="relu"), gg.nn.Dense(8, 3))
    trainer = gg.Trainer(model, optimizer=gg.optim.Adam(model.parameters()), loss=gg.nn.CrossEntropyLoss())
    x = np.random.default_rng(0).standard_normal((256, 4)).astype(np.float32)
    trainer.fit(x, np.argmax(x[:, :3], axis=1), epochs=2)
    print("toolchain", trainer.device.toolchain)
"""


@pytest.mark.parametrize(
    ("fault", "program", "reason"),
    [
        pytest.param(BLOCKED, TRAIN, "Numba is not installed: pip install", id="the command, no Numba"),
        pytest.param(BLOCKED, TRAINER, "Numba is not installed: pip install", id="no Numba"),
        pytest.param(INCOMPATIBLE, TRAINER, "Numba cannot be used (ImportError: cannot import", id="another Numba"),
        pytest.param(CANNOT_COMPILE, TRAINER, "RuntimeError: LLVM ERROR: planted", id="LLVM fails"),
        pytest.param(LATE, TRAIN, "planted", id="the command, a loop fails"),
    ],
)
def test_training_runs_with_one_warning(fault, program, reason, tmp_path):
    output, found = run(textwrap.dedent(fault) + textwrap.dedent(program), tmp_path)
    assert len(found) == 1, found
    assert WARNING in found[0]
    assert reason in found[0]
    assert ("accuracy" if program is TRAIN else "toolchain numpy") in output


@pytest.mark.slow
def test_training_without_a_folder_for_the_cache_warns_of_nothing(tmp_path):
    output, found = run(textwrap.dedent(READ_ONLY) + textwrap.dedent(TRAINER), tmp_path)
    assert found == []
    assert "toolchain numba" in output
    output, found = run(textwrap.dedent(READ_ONLY) + textwrap.dedent(COMMAND.format(arguments=["info"])), tmp_path)
    assert "are not cached" in " ".join(output.split())


@pytest.mark.parametrize("fault", [BLOCKED, INCOMPATIBLE, CANNOT_COMPILE], ids=["no Numba", "another", "LLVM fails"])
def test_an_explicit_toolchain_is_an_error_of_one_sentence(fault, tmp_path):
    program = """
        import gpugrad as gg
        try:
            gg.device("cpu", "numba")
        except gg.errors.DeviceError as error:
            print(error)
    """
    output, found = run(textwrap.dedent(fault) + textwrap.dedent(program), tmp_path)
    assert found == []
    assert output.startswith("device 'cpu' with toolchain 'numba' cannot be used: Numba ")
    assert len(output.splitlines()) == 1


def test_info_shows_it(tmp_path):
    output, found = run(textwrap.dedent(BLOCKED) + textwrap.dedent(COMMAND.format(arguments=["info"])), tmp_path)
    assert found == []
    assert "Numba is not installed" in " ".join(output.split())


# ---- the cache ----


def plus_one(x):
    return x + 1


def compiled_anew():
    """The result of a function that is compiled or loaded as in a new process, and whether it was loaded."""
    function = private.cached_function(plus_one)
    return function(1.0), bool(sum(function.stats.cache_hits.values()))


@pytest.mark.parametrize(
    ("suffix", "damage"),
    [
        ("nbc", lambda content: content[: len(content) // 2]),
        ("nbc", lambda content: content[:-1] + bytes([content[-1] ^ 1])),
        ("nbc", lambda content: b""),
        ("nbi", lambda content: content[:-9]),
        ("nbi", lambda content: b"not an index"),
    ],
    ids=["half of the code", "one bit of the code", "no code", "half an index", "no index"],
)
def test_a_damaged_cache_is_compiled_again(suffix, damage, tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    assert compiled_anew() == (2, False)
    assert compiled_anew() == (2, True)
    (file,) = tmp_path.rglob(f"*.{suffix}")
    file.write_bytes(damage(file.read_bytes()))
    assert compiled_anew() == (2, False)
    assert compiled_anew() == (2, True)


def test_a_missing_file_of_the_cache_is_compiled_again(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    assert compiled_anew() == (2, False)
    for file in tmp_path.rglob("*.nbc"):
        file.unlink()
    assert compiled_anew() == (2, False)


def test_without_a_folder_for_the_cache_each_process_compiles(tmp_path, monkeypatch):
    """The folder's name is a file's, and the other places are read-only."""
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "file"))
    for locator in (caching.InTreeCacheLocator, caching.UserWideCacheLocator):
        monkeypatch.setattr(locator, "from_function", lambda function, file: None)
    for _ in range(2):
        assert compiled_anew() == (2, False)
    assert private.cached_function(plus_one).cache_folder is None


def test_a_folder_that_becomes_read_only_keeps_nothing(tmp_path, monkeypatch):
    def refuse(self, path):
        raise PermissionError(path)

    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(caching.IndexDataCacheFile, "_open_for_write", refuse)
    for _ in range(2):
        assert compiled_anew() == (2, False)


def test_an_import_hook_that_blocks_numba_is_like_a_numba_that_cannot_be_used(monkeypatch):
    from gpugrad.engine import cpu_device
    from gpugrad.kernels.cpu import CompilationError

    def blocked(name):
        raise ImportError(f"{name} is blocked")

    monkeypatch.setattr(cpu_device.importlib.util, "find_spec", blocked)
    with pytest.raises(CompilationError, match=r"Numba cannot be used \(ImportError: numba is blocked\)"):
        cpu_device.check_compiler.__wrapped__()
