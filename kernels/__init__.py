"""The kernels: one folder per operation, with its contract, a NumPy reference and one file per toolchain.

A folder with a `reference.py` is an operation. Its `__init__.py` holds the contracts, one per launcher: a function of
the launcher's name and parameters whose docstring is the specification and whose body checks the arguments. Examples
are next to them, or in `examples.py` where both would not fit on a screen. `reference.py`, `numba_cpu.py`,
`numba_cuda.py` and `cupy_cuda.py` hold the launchers, which trust the checks of the contract and get its defaults. The
launcher of an elementwise kernel in CUDA C++ follows from the contract and need not be written. The other folders,
`cpu`, `cuda` and `numba_cuda`, hold the shared parts of the kernels of one toolchain.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..errors import ArgumentError, DeviceError
from .contract import CHECKED, Contract, remember

FOLDER = Path(__file__).parent

OPERATIONS = tuple(sorted(file.parent.name for file in FOLDER.glob("*/reference.py")))

# Files that may hold a toolchain's launchers; the first one with the launcher wins. Only the CPU has a second choice:
# its reference is complete. A GPU toolchain without a launcher is an error.
LAUNCHER_FILES = {
    "reference": ("reference",),
    "numba_cpu": ("numba_cpu", "reference"),
    "cupy_cuda": ("cupy_cuda",),
    "numba_cuda": ("numba_cuda",),
}

# Toolchains that compute in single precision: they write float32 or integers.
SINGLE_PRECISION = ("cupy_cuda", "numba_cuda")


_UNKNOWN: Any = object()  # in place of a value of CHECKED


class Launcher:
    """One operation in one toolchain: a call checks the arguments by the contract, then launches.

    A recording keeps `launch` alone: arguments that were checked once need no second check.

    Parameters
    ----------
    contract : Contract
        The contract, which declares the defaults of the scalars.
    launch : callable
        The toolchain's function; it gets every scalar of the contract.
    source : str
        File of the function.
    toolchain : str
        A key of `LAUNCHER_FILES`.

    Attributes
    ----------
    launch : callable
        The toolchain's function with the contract's defaults bound, without checks.
    prepare : callable or None
        The attribute `prepare` of the toolchain's function: from arrays and scalars to a function of such arrays that
        does the same faster, or None.
    """

    __slots__ = ("__name__", "contract", "launch", "prepare", "source", "toolchain")

    def __init__(self, contract: Contract, launch: Callable[..., None], source: str, toolchain: str) -> None:
        self.__name__ = contract.name
        self.contract = contract
        # A partial of a partial is flat, so the defaults cost a recorded call nothing.
        self.launch = functools.partial(launch, **contract.defaults) if contract.defaults else launch
        self.prepare = getattr(launch, "prepare", None)
        self.source = source
        self.toolchain = toolchain

    def __call__(self, *arrays: Any, **scalars: Any) -> None:
        """Check the arguments unless they passed before, then launch."""
        try:
            key = (
                self,
                *[None if array is None else (array.shape, array.strides, array.dtype) for array in arrays],
                *scalars.items(),
                *map(type, scalars.values()),
            )
            prepared = CHECKED.get(key, _UNKNOWN)
        except (AttributeError, TypeError):  # arrays by keyword, or something else that only the check can refuse
            key, prepared = (), _UNKNOWN
        if prepared is _UNKNOWN:
            self.check(*arrays, **scalars)
            self.launch(*arrays, **scalars)
            if key:
                remember(key, self.prepare and self.prepare(*arrays, **(self.contract.defaults | scalars)))
        elif prepared is None:
            self.launch(*arrays, **scalars)
        else:
            prepared(*arrays)

    def remember(self, key: tuple, arrays: Sequence[Any], scalars: dict[str, Any]) -> None:
        """Prepare launches like one that passed its check, for whoever finds them in `CHECKED` by a key of its own.

        Parameters
        ----------
        key : tuple
            This launcher, and whatever shapes, strides, dtypes and scalars of the launch follow from.
        arrays : sequence of array or None
            Arrays of the launch.
        scalars : dict
            Scalars of the launch.
        """
        if key not in CHECKED:
            remember(key, self.prepare and self.prepare(*arrays, **(self.contract.defaults | scalars)))

    def check(self, *arrays: Any, **scalars: Any) -> None:
        """Refuse arguments that this launcher cannot accept.

        Parameters
        ----------
        *arrays : array or None
            Arrays of the call, in the order of the contract.
        **scalars : Any
            Scalars of the call; the others have their defaults.

        Raises
        ------
        ArgumentError
            For arguments that the contract refuses, and for float64 outputs of a toolchain in single precision.
        """
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
    """Yield every contract; a complete toolchain has a launcher for each.

    Yields
    ------
    tuple of (str, Contract)
        A contract and its operation.
    """
    for operation in OPERATIONS:
        package = importlib.import_module(f"{__name__}.{operation}")
        for value in list(vars(package).values()):
            if isinstance(value, Contract) and value.operation == operation:
                yield operation, value


def load(toolchain: str) -> SimpleNamespace:
    """Return the launchers of a toolchain as a namespace: ``load("reference").dense_forward(x, w, b, y, …)``.

    Parameters
    ----------
    toolchain : str
        A key of `LAUNCHER_FILES`.

    Returns
    -------
    types.SimpleNamespace
        Launchers by the names of their contracts.

    Raises
    ------
    DeviceError
        If a launcher is missing; the message names the file to write.
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
    """Return a contract's launcher in a file of its operation, or None, and the path of the source."""
    folder = FOLDER / operation
    if (folder / f"{file}.py").exists():
        module = importlib.import_module(f"{__name__}.{operation}.{file}")
        return getattr(module, contract.name, None), f"kernels/{operation}/{file}.py"
    if file == "cupy_cuda" and (folder / f"{operation}.cu").exists():
        from .cuda.elementwise import elementwise_launcher  # late: a start on the CPU does not need it

        launcher = elementwise_launcher(contract, folder / f"{operation}.cu")
        return launcher, f"kernels/{operation}/{operation}.cu"
    return None, ""
