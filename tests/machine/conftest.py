"""Fixtures of the machine's tests: copies of kernels with a planted fault, and kernels written in a test."""

import importlib.util
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import gpugrad as gg
from gpugrad import kernels
from gpugrad.engine.check import check_kernel
from gpugrad.engine.device import unavailable
from gpugrad.kernels.contract import Contract
from gpugrad.kernels.cuda.source import Source

KERNELS = Path(kernels.__file__).parent
CONTRACTS = {contract.name: contract for _, contract in kernels.contracts()}
MODULES = {"cupy": "cupy_cuda", "numba": "numba_cuda"}


def device_of(toolchain):
    """Return the machine with a toolchain, or skip the test."""
    obstacle = unavailable("machine", toolchain)
    if obstacle:
        pytest.skip(f"the machine with {toolchain}: {obstacle}")
    return gg.device("machine", toolchain)


@pytest.fixture
def machine():
    """Return `device_of`."""
    return device_of


@pytest.fixture
def kernel(tmp_path):
    """Return a function that launches a kernel in CUDA C++, given as text, in the machine."""
    device = device_of("cupy")

    def launch(text, name, *arguments, grid=1, block=32, shared=0):
        (tmp_path / "test.cu").write_text(f'#include "gpugrad.cuh"\n{text}')
        source = Source(tmp_path / "launcher.py", "test.cu")
        device.run(source.launch, name, grid, block, *arguments, shared=shared)
        return arguments[0]

    return launch


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """Check one kernel of a copy of an operation in which a text is replaced; yield one finding per example.

    A fault in the functions that the Numba kernels share is planted in a copy of numba_cuda/device.py.
    """

    def load(operation, name, path):
        spec = importlib.util.spec_from_file_location(f"gpugrad.kernels.{operation}.{name}", path)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        return module

    def check(toolchain, launcher, file=None, right=None, wrong=None, most_work=3e6):
        device, contract = device_of(toolchain), CONTRACTS[launcher]
        operation = contract.operation
        for path in (*(KERNELS / "cuda").glob("*.cuh"), *(KERNELS / operation).iterdir()):
            if path.is_file():
                shutil.copy(path, tmp_path)
        shutil.copy(KERNELS / "numba_cuda" / "device.py", tmp_path)
        if file:
            text = (tmp_path / file).read_text()
            assert text.count(right) == 1, f"{file} has {right!r} {text.count(right)} times, the test expects it once"
            (tmp_path / file).write_text(text.replace(right, wrong))
        if file == "device.py":
            for name in ("device.py", "numba_cuda.py"):
                text = (tmp_path / name).read_text()
                text = text.replace("from .launch", "from ..numba_cuda.launch")
                (tmp_path / name).write_text(text.replace("..numba_cuda.device", ".planted_device"))
            load(operation, "planted_device", tmp_path / "device.py")
        module = load(operation, "planted", tmp_path / f"{MODULES[toolchain]}.py")
        launch = kernels.Launcher(contract, getattr(module, launcher), "a copy", MODULES[toolchain])
        monkeypatch.setitem(vars(device), "kernels", SimpleNamespace(**{launcher: launch}))
        work = {e.reason: contract.cost_of(**e.arrays, **e.scalars).bytes for e in contract.draw_examples()}
        for example in sorted(contract.draw_examples(), key=lambda e: work[e.reason]):
            alone = Contract(contract._check, contract.outputs)
            alone.operation, alone._cost = operation, contract._cost
            alone.examples(lambda rng, example=example: iter([example]))
            yield check_kernel(device, operation, alone, most_work)

    return check
