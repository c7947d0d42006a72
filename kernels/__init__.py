"""The kernels, one folder an operation: its contract, a NumPy reference, and one file for each toolchain.

Every folder with a `reference.py` is an operation. Its `__init__.py` holds its contracts: for each launcher a function
of the same name and signature whose docstring is the specification and whose body checks the arguments.
`reference.py`, `numba_cpu.py`, `numba_cuda.py` and `cupy_cuda.py` hold the launchers, which trust what the contract
has checked; that of an elementwise kernel in CUDA C++ follows from its contract and need not be written. The other
folders, `cpu`, `cuda` and `numba_cuda`, hold what the kernels of one toolchain share.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..errors import ArgumentError, DeviceError
from .contract import CHECKED, Contract, remember

FOLDER = Path(__file__).parent

# A folder with a reference is an operation; the others hold what the kernels of one toolchain share.
OPERATIONS = tuple(sorted(file.parent.name for file in FOLDER.glob("*/reference.py")))

# The files that may hold a toolchain's launchers, the first one that has it wins. Only the CPU has a second choice:
# its reference is complete and says so; a GPU toolchain without a launcher is an error.
LAUNCHER_FILES = {
    "reference": ("reference",),
    "numba_cpu": ("numba_cpu", "reference"),
    "cupy_cuda": ("cupy_cuda",),
    "numba_cuda": ("numba_cuda",),
}

# They compute in single precision: what they write is float32 or an integer.
SINGLE_PRECISION = ("cupy_cuda", "numba_cuda")


class Launcher:
    """One operation in one toolchain. Calling it checks the arguments by the contract, then launches.

    A recording keeps `launch` alone: what was checked once with these arrays need not be checked again.
    """

    __slots__ = ("__name__", "contract", "launch", "source", "toolchain")

    def __init__(self, contract: Contract, launch: Any, source: str, toolchain: str) -> None:
        self.__name__ = contract.name
        self.contract = contract
        self.launch = launch
        self.source = source
        self.toolchain = toolchain

    def __call__(self, *arrays: Any, **scalars: Any) -> None:
        try:
            key = (
                self,
                *[None if array is None else (array.shape, array.strides, array.dtype) for array in arrays],
                *scalars.items(),
                *map(type, scalars.values()),
            )
            checked = key in CHECKED
        except (AttributeError, TypeError):  # arrays by keyword, or something else that only the check can refuse
            key, checked = (), False
        if not checked:
            self.check(*arrays, **scalars)
            if key:
                remember(key)
        self.launch(*arrays, **scalars)

    def check(self, *arrays: Any, **scalars: Any) -> None:
        """Raise ArgumentError for arguments that this launcher cannot take."""
        self.contract(*arrays, **scalars)
        if self.toolchain in SINGLE_PRECISION:
            for name, array in self.contract.written(arrays, scalars):
                if array.dtype == np.float64:
                    raise ArgumentError(
                        f"{name} has dtype float64, the CUDA kernels compute in float32: "
                        "convert the arrays, or use device 'cpu'"
                    )

    def __repr__(self) -> str:
        return f"<launcher {self.__name__} of {self.source}>"


def contracts() -> Iterator[tuple[str, Contract]]:
    """Yield (operation, contract) for every launcher that a complete toolchain has."""
    for operation in OPERATIONS:
        package = importlib.import_module(f"{__name__}.{operation}")
        for value in list(vars(package).values()):
            if isinstance(value, Contract) and value.operation == operation:
                yield operation, value


def load(toolchain: str) -> SimpleNamespace:
    """Return the launchers of a toolchain as a plain namespace: `load("reference").dense_forward(x, w, b, y, …)`.

    Raises DeviceError that names the file to write where a launcher is missing.
    """
    launchers = {}
    for operation, contract in contracts():
        for file in LAUNCHER_FILES[toolchain]:
            launch, source = _find(operation, contract, file)
            if launch is not None:
                launchers[contract.name] = Launcher(contract, launch, source, toolchain)
                break
        else:
            place = f"kernels/{operation}/{file}.py"
            if file == "cupy_cuda":
                place += f", or an elementwise kernel in {operation}.cu alone"
            raise DeviceError(f"the toolchain {toolchain!r} has no {contract.name}: write it in {place}")
    return SimpleNamespace(**launchers)


def _find(operation: str, contract: Contract, file: str) -> tuple[Any, str]:
    """The launcher of a contract in a file of its operation, None if there is none, and where it is written."""
    folder = FOLDER / operation
    if (folder / f"{file}.py").exists():
        module = importlib.import_module(f"{__name__}.{operation}.{file}")
        return getattr(module, contract.name, None), f"kernels/{operation}/{file}.py"
    if file == "cupy_cuda" and (folder / f"{operation}.cu").exists():
        from .cuda.elementwise import elementwise_launcher  # not for a start on the CPU

        launcher = elementwise_launcher(contract, folder / f"{operation}.cu")
        return launcher, f"kernels/{operation}/{operation}.cu"
    return None, ""
