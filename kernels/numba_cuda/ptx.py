"""Compile the Numba CUDA kernels to PTX without a GPU, and check that they stay in single precision."""

from __future__ import annotations

import importlib.util
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
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
    ptx = compile_ptx(launch.kernel, launch.signature, architecture)
    problem = problem_of(ptx, double="float64" in launch.signature)
    return Assembly(launch.kernel.__name__, launch.signature, architecture, problem)


def versions() -> str:
    """Return the versions of the compiler's parts, by which PTX may be stored."""
    return " ".join(version(name) for name in ("numba", "numba-cuda", "nvidia-cuda-nvcc-cu12") if _installed(name))


def _installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def compile_ptx(kernel: Callable[..., None], signature: str, architecture: str, lines: bool = False) -> str:
    """Return the PTX of a kernel, with the lines of its source if wanted; raise KernelError if it does not compile."""
    cuda: Any = numba_launch.cuda
    options = {"cc": divmod(int(architecture.removeprefix("sm_")), 10), "abi": "numba", "lineinfo": lines}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ptx, _ = cuda.compile(kernel, signature, device=False, output="ptx", **options)
    except Exception as error:
        raise KernelError(f"{kernel.__name__}{signature} does not compile for {architecture}: {error}") from error
    return ptx


def problem_of(ptx: str, double: bool = False) -> str | None:
    """Return the problem of a kernel's PTX, or None; `double` allows double precision, for data in float64."""
    if re.search(r"\.f64\b", ptx) and not double:
        return "computes in double precision: a constant or a function of Python is not float32"
    if re.search(r"^\s*\.local\b", ptx, re.MULTILINE):
        return "keeps an array in local memory: index it by constants only"
    return None
