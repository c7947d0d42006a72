"""What numba.cuda is in this process, the GPU or Numba's own simulator: decided before its first import, then fixed."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import warnings
from collections.abc import Iterator
from types import ModuleType

import numba
import numpy as np

from ...errors import DeviceError

SETTINGS = {
    # CuPy and Numba launch on one stream, in order: there is nothing to wait for. Numba would, once an array.
    "NUMBA_CUDA_ARRAY_INTERFACE_SYNC": "0",
    # The grid of a small layer is small: that is no mistake to warn of.
    "NUMBA_CUDA_LOW_OCCUPANCY_WARNINGS": "0",
}


def obstacle(simulator: bool) -> str | None:
    """Why numba.cuda cannot be the simulator, or the GPU, in this process; None if it can."""
    # Numba replaces its modules at import, for good.
    if "numba.cuda" not in sys.modules or bool(numba.config.ENABLE_CUDASIM) == simulator:
        return None
    present, wanted = ("GPU", "simulator") if simulator else ("simulator", "GPU")
    return (
        f"numba.cuda already runs on the {present} in this process and cannot change to the {wanted}: "
        "use one of the two in a process of its own"
    )


def choose_target(simulator: bool) -> None:
    """Make numba.cuda the simulator, or the GPU. To be called before kernels.load("numba_cuda").

    Raises DeviceError if this process already has the other one.
    """
    problem = obstacle(simulator)
    if problem:
        raise DeviceError(problem)
    os.environ["NUMBA_ENABLE_CUDASIM"] = str(int(simulator))
    load()


def load() -> ModuleType:
    """Import numba.cuda with these settings: the simulator where NUMBA_ENABLE_CUDASIM is 1."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    numba.config.reload_config()  # the environment was read when numba was imported, perhaps long ago for the CPU
    with _old_names_of_numpy(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of numba-cuda itself
        cuda = importlib.import_module("numba.cuda")
        if not numba.config.ENABLE_CUDASIM:
            importlib.import_module("numba.cuda.np.arrayobj")  # else imported by the first compilation
    return cuda


@contextlib.contextmanager
def _old_names_of_numpy() -> Iterator[None]:
    """numba-cuda 0.30 names np.row_stack as it is imported, which NumPy 2.5 no longer has."""
    if hasattr(np, "row_stack"):
        yield
        return
    np.row_stack = np.vstack  # noqa: NPY201
    try:
        yield
    finally:
        del np.row_stack  # noqa: NPY201
