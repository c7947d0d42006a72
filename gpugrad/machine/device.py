"""The device "machine": arrays of the host, kernels of both CUDA toolchains."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .. import kernels
from ..engine.device import Call, register
from ..engine.device_in_turns import DeviceInTurns
from ..kernels.contract import SCRATCH_NAMES
from ..kernels.cuda.source import on_host_with

TOOLCHAINS = {"cupy": "cupy_cuda", "numba": "numba_cuda"}


class MachineDevice(DeviceInTurns):
    """Runs what a GPU would run, the PTX of a toolchain, on arrays of the host.

    Parameters
    ----------
    toolchain : {"cupy", "numba"}
        CUDA C++ or Numba.
    """

    def __init__(self, toolchain: str) -> None:
        super().__init__("machine", toolchain)

    def run(self, launch: Any, *arrays: Any, **scalars: Any) -> None:
        """Launch one piece of work; a kernel that writes to an input fails.

        Parameters
        ----------
        launch : function
            A launcher of `kernels`, or a function of NumPy with `out=`.
        *arrays : array or None
            Its arrays.
        **scalars : object
            Its other arguments.
        """
        with self.lock, self._launcher(), _read_only(launch, arrays):  # locked: other threads may share the arrays
            super().run(launch, *arrays, **scalars)

    def replayer(self, calls: Sequence[Call]) -> Call:
        """Return a function that makes all these calls in order.

        Parameters
        ----------
        calls : sequence of function
            The calls, without arguments.

        Returns
        -------
        function
            Can be called again and again.
        """
        replay = super().replayer(calls)

        def replay_here() -> None:
            with self._launcher():
                replay()

        return replay_here

    def _launcher(self) -> contextlib.AbstractContextManager[None]:
        from . import launch  # late: so that the package is imported quickly

        if self.toolchain == "cupy":
            return on_host_with(launch.launch_cuda)
        from ..kernels.numba_cuda.launch import on_host_with as numba_on_host_with

        return numba_on_host_with(launch.launch_numba)


@contextlib.contextmanager
def _read_only(launch: Any, arrays: tuple) -> Iterator[None]:
    """Within the block, the inputs of a launcher cannot be written to."""
    inputs = []
    if isinstance(launch, kernels.Launcher):
        changed = {*launch.contract.outputs, *SCRATCH_NAMES}
        for name, array in zip(launch.contract.arrays, arrays, strict=False):
            if name not in changed and isinstance(array, np.ndarray) and array.flags.writeable:
                inputs.append(array)
    for array in inputs:
        array.flags.writeable = False
    try:
        yield
    finally:
        for array in inputs:
            array.flags.writeable = True


def obstacle(toolchain: str) -> str | None:
    """Return why the machine cannot run a toolchain here, and the remedy; None if it can.

    Parameters
    ----------
    toolchain : {"cupy", "numba"}
        The toolchain.

    Returns
    -------
    str or None
        One sentence, or None.
    """
    if toolchain == "cupy":
        from ..kernels.cuda import nvrtc

        return nvrtc.obstacle()
    if importlib.util.find_spec("numba_cuda") is None:
        return 'numba-cuda is not installed: pip install "gpugrad[compile]", which needs no GPU'
    try:
        from ..kernels.numba_cuda import target  # late: Numba is slow to import
    except ImportError as error:
        return f"Numba cannot be imported ({error}): install gpugrad again"

    return target.obstacle(simulator=False)


def _make(toolchain: str, index: int) -> MachineDevice:
    if toolchain == "numba":
        from ..kernels.numba_cuda import target

        target.choose_target(simulator=False)
    return MachineDevice(toolchain)


register("machine", TOOLCHAINS, make=_make, obstacle=lambda toolchain, index: obstacle(toolchain))
