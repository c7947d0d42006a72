"""Compiles CUDA C++ kernels to machine code with NVRTC, which needs no driver and no GPU, and reads what each takes."""

from __future__ import annotations

import importlib.util
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import DeviceError, KernelError
from .source import Source

# The architectures that every kernel is compiled for: Turing, A100, Ampere, Ada, Hopper, Blackwell and its small ones.
ARCHITECTURES = ("sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120")


@dataclass(frozen=True)
class Resources:
    """What a kernel takes: registers of a thread, bytes of static shared memory of a block, and bytes of local memory
    of a thread, which is slow: its stack frame, and what was spilled there for want of registers.
    """

    registers: int
    shared: int
    stack: int
    spilled: int


def obstacle() -> str | None:
    """Why kernels cannot be compiled here, and what would change that; None if they can."""
    if importlib.util.find_spec("cuda") is None or importlib.util.find_spec("cuda.core") is None:
        return 'cuda-core is not installed: pip install "gpugrad[compile]", which needs no GPU'
    try:
        from cuda.bindings import nvrtc

        nvrtc.nvrtcVersion()
    except Exception as error:  # the library is looked for at the first call; what is raised differs by version
        return f'NVRTC cannot be loaded ({error}): pip install "gpugrad[compile]", which needs no GPU'
    return None


def compile_kernels(source: Source, names: Sequence[str], architecture: str) -> dict[str, Resources]:
    """Compile kernels and template instances of a .cu file; {name: what it takes}.

    Raises DeviceError if NVRTC is missing, KernelError with the compiler's words if it refuses the file.
    """
    problem = obstacle()
    if problem:
        raise DeviceError(problem)
    from cuda.core import Program, ProgramOptions

    options = ProgramOptions(
        arch=architecture,
        std="c++17",
        include_path=[str(folder) for folder in source.folders],
        ptxas_options=["-v"],
        diag_suppress=177,  # a function of a header that this file does not use
    )
    log = io.StringIO()
    try:
        code = Program(source.text, "c++", options).compile("cubin", name_expressions=tuple(names), logs=log)
    except Exception as error:  # cuda-core's own class of error has moved between versions
        raise KernelError(f"{source.path.name} does not compile for {architecture}: {error}") from error
    taken = _read_log(log.getvalue())
    return {name: taken[_text(code.symbol_mapping[name])] for name in names}


def _text(symbol: str | bytes) -> str:
    return symbol.decode() if isinstance(symbol, bytes) else symbol


def _read_log(log: str) -> dict[str, Resources]:
    """{mangled name: what it takes} from what `ptxas -v` prints."""
    found = {}
    for part in log.split("Compiling entry function")[1:]:
        name = re.search(r"'([^']+)'", part)
        frame = re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", part)
        registers = re.search(r"Used (\d+) registers", part)
        if not (name and frame and registers):
            raise KernelError(f"ptxas describes a kernel in words that are not understood: {part.strip()}")
        shared = re.search(r"(\d+) bytes smem", part)
        stack, stores, loads = map(int, frame.groups())
        found[name[1]] = Resources(int(registers[1]), int(shared[1]) if shared else 0, stack, stores + loads)
    return found
