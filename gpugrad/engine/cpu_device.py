"""CpuDevice: compiled loops, or the NumPy reference on a machine where Numba cannot compile them."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import warnings
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from .. import kernels
from ..errors import DeviceError
from ..kernels.contract import CHECKED
from ..kernels.cpu import CompilationError, summary
from .device import Call, Device, device, register
from .sharing import once

COMPILED, REFERENCE = "numba", "numpy"
REMEDY = 'pip install --upgrade "numba>=0.67,<0.70"'


class CpuDevice(Device):
    """The CPU, with compiled loops (toolchain "numba") or the reference alone ("numpy").

    If a loop cannot be compiled, before the first launch or in the middle of a run, the device warns once and
    uses the reference from then on. A compiled toolchain that was asked for by name raises instead.

    Attributes
    ----------
    fallback : str or None
        Reason why the device uses the reference instead of compiled loops; None if it does not.
    """

    def __init__(self, toolchain: str) -> None:
        super().__init__("cpu", toolchain)
        self.fallback: str | None = None
        self._required = False

    def __reduce__(self) -> tuple:
        default = self.fallback is not None or (self.toolchain == COMPILED and not self._required)
        return device, (self.name, None if default else self.toolchain)

    @once
    def kernels(self) -> SimpleNamespace:
        """Launchers of this device's toolchain, loaded at first use: Numba is slow to import."""
        reference = kernels.load("reference")
        if self.toolchain == REFERENCE:
            return reference
        try:
            check_compiler()
        except CompilationError as error:
            self._fall_back(error)
            return reference
        compiled = kernels.load("numba_cpu")
        for name, launcher in vars(compiled).items():
            launcher.launch = _with_fallback(launcher.launch, getattr(reference, name).launch, self._fall_back)
        return compiled

    def replayer(self, calls: Sequence[Call]) -> Call:
        """Return a function that makes all these calls; compiled loops that follow each other become one call."""
        if self.toolchain == COMPILED:
            from ..kernels.cpu.program import join_loops  # late: Numba is slow to import

            try:
                calls = join_loops(calls)
            except CompilationError as error:
                self._fall_back(error)
        return super().replayer(calls)

    def require_toolchain(self) -> None:
        """Raise instead of falling back from now on; raise DeviceError if the device has fallen back before."""
        if self.fallback is not None:
            raise DeviceError(f"device {self.name!r} with toolchain {COMPILED!r} cannot be used: {self.fallback}")
        self._required = True

    def _fall_back(self, error: CompilationError) -> None:
        """Switch to the reference and warn, once; raise the error if the compiled toolchain is required."""
        if self._required:
            raise error
        with self.lock:
            if self.fallback is not None:
                return
            self.fallback, self.toolchain = str(error), REFERENCE
            if "kernels" in vars(self):
                reference = kernels.load("reference")
                for name, launcher in vars(self.kernels).items():
                    other = getattr(reference, name)
                    launcher.launch, launcher.source, launcher.toolchain = other.launch, other.source, other.toolchain
                    launcher.prepare = None
                CHECKED.clear()  # of what was prepared to run compiled loops
        warnings.warn(f"the CPU uses the NumPy toolchain, which is slower: {error}", RuntimeWarning, stacklevel=2)


def _with_fallback(launch: Any, reference: Any, fall_back: Callable[[CompilationError], None]) -> Any:
    """Return a launcher that runs the reference if its loops cannot be compiled."""
    if isinstance(launch, functools.partial):
        return functools.partial(_with_fallback(launch.func, reference, fall_back), *launch.args, **launch.keywords)

    def launcher(*arrays: Any, **scalars: Any) -> None:
        nonlocal launch
        try:
            launch(*arrays, **scalars)
        except CompilationError as error:
            fall_back(error)
            launch = reference
            launch(*arrays, **scalars)

    launcher.loops_only = getattr(launch, "loops_only", False)  # type: ignore[attr-defined]
    launcher.compiled = launch  # type: ignore[attr-defined]
    return launcher


@functools.cache
def check_compiler() -> None:
    """Compile, or load from the cache, the function that runs recorded steps; raise CompilationError if that fails."""
    try:
        installed = importlib.util.find_spec("numba") is not None
        if installed:
            importlib.import_module("..kernels.cpu.private", __package__)
    except CompilationError:
        raise
    except Exception as error:  # An incompatible Numba fails with any kind of error.
        raise CompilationError(f"Numba cannot be used ({summary(error)}): {REMEDY}") from error
    if not installed:
        raise CompilationError(f"Numba is not installed: {REMEDY}")
    from ..kernels.cpu.shares import run_program

    run_program(0, 0, np.empty((0, 4), np.int64))


def cache_problem() -> str | None:
    """Return why every process compiles its loops again, or None if they are cached."""
    from ..kernels.cpu.shares import run_program

    return (
        None if run_program.cache_folder else "compiled loops are not cached: set NUMBA_CACHE_DIR to a writable folder"
    )


def _obstacle(toolchain: str, index: int) -> str | None:
    """Return why the loops cannot be compiled, or None."""
    if toolchain == COMPILED:
        try:
            check_compiler()
        except CompilationError as error:
            return str(error)
    return None


register(
    "cpu",
    {COMPILED: "numba_cpu", REFERENCE: "reference"},
    make=lambda toolchain, index: CpuDevice(toolchain),
    obstacle=_obstacle,
    falls_back=True,
)
