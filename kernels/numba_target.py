"""What numba.cuda is in this process, the GPU or Numba's own simulator: decided before its first import, then fixed."""

from __future__ import annotations

import importlib
import os
import sys
from types import ModuleType

import numba

from ..errors import DeviceError

SETTINGS = {
    # CuPy and Numba launch on one stream, in order: there is nothing to wait for. Numba would, once an array.
    "NUMBA_CUDA_ARRAY_INTERFACE_SYNC": "0",
    # The grid of a small layer is small: that is no mistake to warn of.
    "NUMBA_CUDA_LOW_OCCUPANCY_WARNINGS": "0",
}


def choose(simulator: bool) -> None:
    """Make numba.cuda the simulator, or the GPU. To be called before kernels.load("numba_cuda").

    Raises DeviceError if this process already has the other one: Numba replaces its modules at import, for good.
    """
    if "numba.cuda" in sys.modules and bool(numba.config.ENABLE_CUDASIM) != simulator:
        present, wanted = ("GPU", "simulator") if simulator else ("simulator", "GPU")
        raise DeviceError(
            f"numba.cuda already runs on the {present} in this process and cannot change to the {wanted}: "
            "use one of the two in a process of its own"
        )
    os.environ["NUMBA_ENABLE_CUDASIM"] = str(int(simulator))
    load()


def load() -> ModuleType:
    """Import numba.cuda with these settings: the simulator where NUMBA_ENABLE_CUDASIM is 1."""
    os.environ.update(SETTINGS)
    numba.config.reload_config()  # the environment was read when numba was imported, perhaps long ago for the CPU
    return importlib.import_module("numba.cuda")
