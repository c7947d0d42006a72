"""Compile the Numba CUDA kernels to PTX without a GPU, and check that they stay in single precision."""

from __future__ import annotations

import importlib.util
import re
import warnings
from dataclasses import dataclass
from typing import Any

from ...errors import KernelError
from . import launch as numba_launch
from . import private
from . import target as numba_target

REMEDY = 'pip install "gpugrad[compile]", which needs no GPU'


@dataclass(frozen=True)
class Assembly:
    """A Numba kernel compiled for one architecture, and the problem of its PTX, if any."""

    kernel: str
    signature: str
    architecture: str
    problem: str | None


def obstacle() -> str | None:
    """Return why kernels cannot be compiled here and the remedy, or None if they can."""
    if importlib.util.find_spec("numba_cuda") is None:
        return f"numba-cuda is not installed: {REMEDY}"
    problem = numba_target.obstacle(simulator=False)
    if problem:
        return problem
    try:
        numba_target.load()
        private.load_nvvm()
    except Exception as error:  # the class of the error differs between versions
        return f"libNVVM cannot be loaded ({error}): {REMEDY}"
    return None


def compile_kernel(launch: numba_launch.Launch, architecture: str) -> Assembly:
    """Compile a kernel for the arguments of a launch; raise KernelError with the compiler's message if that fails."""
    cuda: Any = numba_launch.cuda
    name, number = launch.kernel.__name__, int(architecture.removeprefix("sm_"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ptx, _ = cuda.compile(
                launch.kernel,
                launch.signature,
                device=False,
                abi="numba",
                cc=divmod(number, 10),
                output="ptx",
            )
    except Exception as error:
        raise KernelError(f"{name}{launch.signature} does not compile for {architecture}: {error}") from error
    return Assembly(name, launch.signature, architecture, problem_of(ptx, double="float64" in launch.signature))


def problem_of(ptx: str, double: bool = False) -> str | None:
    """Return the problem of a kernel's PTX, or None; `double` allows double precision, for data in float64."""
    if re.search(r"\.f64\b", ptx) and not double:
        return "computes in double precision: a constant or a function of Python is not float32"
    if re.search(r"^\s*\.local\b", ptx, re.MULTILINE):
        return "keeps an array in local memory: index it by constants only"
    return None
