"""Choose what numba.cuda is in this process, the GPU or Numba's simulator: before its first import, then for good."""

from __future__ import annotations

import os
from types import ModuleType

from ...errors import DeviceError
from . import private

SETTINGS = {
    # CuPy and Numba launch on one stream, in order: no wait is needed. Numba would wait once per array.
    "NUMBA_CUDA_ARRAY_INTERFACE_SYNC": "0",
    # The grid of a small layer is small on purpose: no warning is needed.
    "NUMBA_CUDA_LOW_OCCUPANCY_WARNINGS": "0",
}


def obstacle(simulator: bool) -> str | None:
    """Return why numba.cuda cannot be the simulator (or the GPU) in this process, or None if it can."""
    # Numba replaces its modules at import, for good.
    cuda = private.imported_cuda()
    if cuda is None or private.simulates(cuda) == simulator:
        return None
    present, wanted = ("GPU", "simulator") if simulator else ("simulator", "GPU")
    return (
        f"numba.cuda already runs on the {present} in this process and cannot change to the {wanted}: "
        "use one of the two per process"
    )


def choose_target(simulator: bool) -> None:
    """Make numba.cuda the simulator or the GPU; call it before ``kernels.load("numba_cuda")``.

    Raises DeviceError if this process already uses the other one.
    """
    problem = obstacle(simulator)
    if problem:
        raise DeviceError(problem)
    os.environ["NUMBA_ENABLE_CUDASIM"] = str(int(simulator))
    load()


def load() -> ModuleType:
    """Import numba.cuda with our settings: the simulator if NUMBA_ENABLE_CUDASIM is 1."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    return private.import_cuda()
