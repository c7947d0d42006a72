"""`gpugrad check`: one kernel or all, and the folder that it prints."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from gpugrad import kernels
from gpugrad.command.app import app
from gpugrad.command.check import show
from gpugrad.engine.check import Finding, available_devices, check_kernel, chosen
from gpugrad.engine.device import device
from gpugrad.errors import ArgumentError, KernelError

ROOT = Path(__file__).parents[2]


def check(*arguments):
    result = CliRunner().invoke(app, ["check", "--device", "cpu", *arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def checked(*arguments):
    findings = json.loads(check(*arguments, "--toolchain", "numba", "--json").output.splitlines()[-1])["findings"]
    return [finding["kernel"] for finding in findings]


def test_kernels_and_operations_by_name():
    assert checked("adam") == ["adam_step"]
    assert checked("sgd_step", "gather") == checked("--only", "gather, sgd_step") == ["next_rows", "gather", "sgd_step"]
    assert checked("clip_norm", "--only", "clipping") == ["clip_norm", "clip_value"]


def test_an_unknown_name_suggests_one():
    with pytest.raises(ArgumentError, match=r"unknown kernel or operation 'adm': did you mean 'adam'\?"):
        check("adm")


def test_a_folder_that_is_not_an_operation_yet(tmp_path, monkeypatch):
    (tmp_path / "softplus").mkdir()
    (tmp_path / "softplus" / "__init__.py").touch()
    monkeypatch.setattr(kernels, "FOLDER", tmp_path)
    with pytest.raises(ArgumentError, match=r"kernels/softplus is not an operation: .* has a reference\.py"):
        check("softplus")


def test_a_folder_without_a_contract(monkeypatch):
    monkeypatch.setattr(kernels, "contracts", list(kernels.contracts())[:1].__iter__)
    with pytest.raises(ArgumentError, match=r"kernels/sgd/__init__\.py has no contract"):
        check("sgd")


def test_nothing_to_check_is_an_error():
    with pytest.raises(ArgumentError, match="there is no name in ',', expected one or more"):
        check("--only", ",")
    with pytest.raises(ArgumentError, match="unknown kernel or operation ''"):
        check("")
    with pytest.raises(ArgumentError, match=r"unknown toolchain 'numpyy': did you mean 'numpy'\?"):
        available_devices(toolchain="numpyy")


def test_the_folder_is_printed():
    report = json.loads(check("adam", "--json").output.splitlines()[-1])
    assert report["folder"] == str(kernels.FOLDER)
    assert f"each kernel in {kernels.FOLDER}" in check("adam").output


def test_an_operation_without_compiled_loops_is_not_called_right(capsys):
    findings = [
        Finding("softplus", "softplus_forward", "cpu", toolchain, f"kernels/softplus/{file}.py", examples=3)
        for toolchain, file in (("numba", "reference"), ("numba", "numba_cpu"), ("numpy", "reference"))
    ]
    show(findings)
    verdicts = [line.split("0", 1)[1].strip() for line in capsys.readouterr().out.splitlines() if "softplus" in line]
    assert verdicts == ["ran the reference", "right", "right"]


def test_a_kernel_that_fails_counts_its_examples_and_has_no_error_of_zero(monkeypatch):
    def refuse(*arrays, **scalars):
        raise KernelError("sgd_step reads element 4 of p, which has 4")

    target = device("cpu", "numpy")
    monkeypatch.setattr(target, "kernels", SimpleNamespace(sgd_step=refuse))
    ((operation, contract),) = chosen(["sgd_step"])
    finding = check_kernel(target, operation, contract)
    assert (finding.passed, finding.error) == (False, float("inf"))
    assert finding.examples == len(finding.problems) == len(list(contract.draw_examples()))


def test_the_same_problem_of_several_examples_is_printed_once(capsys):
    problems = ["one row: g++ cannot compile f: error", "one column: p is wrong", "ragged: g++ cannot compile f: error"]
    show([Finding("sgd", "sgd_step", "cpu", "numpy", examples=3, problems=problems)])
    lines = [line.partition("numpy): ")[2] for line in capsys.readouterr().out.splitlines() if "numpy)" in line]
    assert lines == ["one row: g++ cannot compile f: error (and in 1 more example)", "one column: p is wrong"]


def test_counts_are_singular_and_plural(capsys):
    show([Finding("sgd", "sgd_step", "cpu", "numpy", examples=2)])
    assert "1 kernel, 1 toolchain, 1 check, 2 examples: 0 failed" in capsys.readouterr().out


@pytest.mark.slow
def test_one_operation_is_compiled(tmp_path):
    pytest.importorskip("cuda.core")
    result = check("sgd", "--compile")
    assert "CUDA C++: 2 kernels × 7 architectures, 0 failed" in result.output


# ---- a checkout, with gpugrad installed from elsewhere ----


@pytest.fixture
def checkout(tmp_path):
    """Create a checkout and an installed copy of the package; return the checkout."""
    for name in ("gpugrad", "kernels"):
        shutil.copytree(ROOT / name, tmp_path / "checkout" / name, ignore=shutil.ignore_patterns("__pycache__"))
    installed = tmp_path / "site" / "gpugrad"
    shutil.copytree(ROOT / "gpugrad", installed, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "kernels", installed / "kernels", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "checkout"


def run(folder, *command):
    environment = {**os.environ, "PYTHONPATH": str(folder.parent / "site"), "NUMBA_CACHE_DIR": str(folder / "cache")}
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )


def test_python_in_a_checkout_runs_the_checkout(checkout):
    where = run(checkout, "-c", "import gpugrad.kernels.adam.reference as found; print(found.__file__)")
    assert where.stdout.strip() == str(checkout / "kernels" / "adam" / "reference.py"), where.stderr


@pytest.mark.slow
def test_an_edited_kernel_is_seen_in_a_checkout(checkout):
    kernel = checkout / "kernels" / "sgd" / "numba_cpu.py"
    kernel.write_text(kernel.read_text().replace("p[i] -= ", "p[i] += "))
    assert "p[i] += " in kernel.read_text()
    done = run(checkout, "-m", "gpugrad", "check", "sgd", "--device", "cpu", "--toolchain", "numba")
    assert (done.returncode, "WRONG" in done.stdout) == (1, True), done.stdout + done.stderr
    assert f"each kernel in {checkout / 'kernels'}" in done.stdout


@pytest.mark.slow
def test_the_installed_command_warns_in_another_checkout(checkout):
    (checkout / "kernels" / "sgd" / "reference.py").write_text("# edited\n")
    program = "import sys; sys.argv[:] = ['gpugrad', 'check', 'sgd', '--device', 'cpu']\n"
    program += "from gpugrad.command.app import main; main()"
    done = run(checkout, "-P", "-c", program)  # an installed script does not search the current folder
    assert done.returncode == 0, done.stderr
    assert f"each kernel in {checkout.parent / 'site' / 'gpugrad' / 'kernels'}" in done.stdout
    assert done.stderr == (
        f"gpugrad: running from {checkout.parent / 'site' / 'gpugrad'}, not from this checkout: use python -m gpugrad\n"
    )
