"""Every private name of Numba and numba-cuda that the Numba CUDA kernels need, in one place.

Read in Numba 0.68.1 and numba-cuda 0.30.4. Another release may rename these; then only this file has to
change. Neither library is changed: the simulator's classes are subclassed, and its contexts are entered at a launch
and left after it. The one exception is a name that numba-cuda expects of NumPy, see `_with_row_stack`.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import warnings
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import numba
import numpy as np


def import_cuda() -> ModuleType:
    """Import numba.cuda with the settings in the environment.

    `reload_config`: Numba reads the environment when it is imported, which may have been long ago for the CPU.
    `numba.cuda.np.arrayobj`: otherwise the first compilation imports it, outside `_with_row_stack`.
    """
    numba.config.reload_config()
    with _with_row_stack(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # numba-cuda's own
        cuda = importlib.import_module("numba.cuda")
        if not simulates(cuda):
            importlib.import_module("numba.cuda.np.arrayobj")
    return cuda


def imported_cuda() -> ModuleType | None:
    """Return numba.cuda if this process has imported it."""
    return sys.modules.get("numba.cuda")


def simulates(cuda: ModuleType) -> bool:
    """Return whether this numba.cuda is the simulator: `config` has no public way to ask."""
    return bool(cuda.config.ENABLE_CUDASIM)


def compile_listener() -> Any:
    """Return a context whose value is a listener: its `duration` is the seconds that numba-cuda spent compiling.

    numba-cuda reports only that it holds its compiler lock.
    """
    event = importlib.import_module("numba.cuda.core.event")
    return event.install_listener("numba-cuda:compiler_lock", event.TimingListener())


def load_nvvm() -> None:
    """Load libNVVM, or raise what numba-cuda raises: the compiler's only public entry compiles a kernel."""
    importlib.import_module("numba.cuda.cudadrv.nvvm").NVVM()


def simulator() -> SimpleNamespace:
    """Return the parts of the simulator that our own launches are built from.

    - ``Thread``: a thread of a block; the simulated ``cuda`` asks the current thread for its indices and barriers.
    - ``Cuda``: the module that a running kernel sees under the name ``cuda``.
    - ``Index``: a place or size with x, y and z.
    - ``running(function, cuda)``: within the block, the kernel `function` and the device functions that it calls see
      this ``cuda``.
    """
    kernel = importlib.import_module("numba.cuda.simulator.kernel")
    kernelapi = importlib.import_module("numba.cuda.simulator.kernelapi")

    @contextlib.contextmanager
    def running(function: Callable[..., None], cuda: Any) -> Iterator[None]:
        with kernel._push_kernel_context(cuda), kernelapi.swapped_cuda_module(function, cuda):
            yield

    return SimpleNamespace(
        Thread=kernel.BlockThread, Cuda=kernelapi.FakeCUDAModule, Index=kernelapi.Dim3, running=running
    )


@contextlib.contextmanager
def _with_row_stack() -> Iterator[None]:
    """Within the block, NumPy has `row_stack`: NumPy 2.5 removed it, and numba-cuda 0.30 needs it to be imported."""
    if hasattr(np, "row_stack"):
        yield
        return
    np.row_stack = np.vstack  # noqa: NPY201
    try:
        yield
    finally:
        del np.row_stack  # noqa: NPY201
