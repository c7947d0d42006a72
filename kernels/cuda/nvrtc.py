"""Compile CUDA C++ kernels with NVRTC, without a driver or GPU: to machine code, for its resources, or to PTX."""

from __future__ import annotations

import importlib.util
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import DeviceError, KernelError
from .source import Source

# Architectures that every kernel is compiled for: Turing, A100, Ampere, Ada, Hopper, large and small Blackwell.
ARCHITECTURES = ("sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120")


@dataclass(frozen=True)
class Resources:
    """Resources of a kernel.

    Parameters
    ----------
    registers : int
        Registers per thread.
    shared : int
        Bytes of static shared memory per block.
    stack : int
        Bytes of the stack frame per thread, in local memory, which is slow.
    spilled : int
        Bytes of registers spilled to local memory per thread.
    """

    registers: int
    shared: int
    stack: int
    spilled: int


def obstacle() -> str | None:
    """Return why kernels cannot be compiled here.

    Returns
    -------
    str or None
        The obstacle and the remedy; None if they can.
    """
    if importlib.util.find_spec("cuda") is None or importlib.util.find_spec("cuda.core") is None:
        return 'cuda-core is not installed: pip install "gpugrad[compile]", which needs no GPU'
    try:
        from cuda.bindings import nvrtc

        nvrtc.nvrtcVersion()
    except Exception as error:  # the class of the error differs between versions
        return f'NVRTC cannot be loaded ({error}): pip install "gpugrad[compile]", which needs no GPU'
    return None


def version() -> str:
    """Return the version of NVRTC, such as "12.9".

    Returns
    -------
    str
        The version.
    """
    from cuda.bindings import nvrtc

    return ".".join(map(str, nvrtc.nvrtcVersion()[1:]))


def compile_kernels(source: Source, names: Sequence[str], architecture: str) -> dict[str, Resources]:
    """Compile kernels of a .cu file and return their resources.

    Parameters
    ----------
    source : Source
        The .cu file.
    names : sequence of str
        Kernels and template instances.
    architecture : str
        Target, such as "sm_90".

    Returns
    -------
    dict of (str, Resources)
        Resources by name.

    Raises
    ------
    DeviceError
        If NVRTC is missing.
    KernelError
        If the compiler refuses the file; the message is the compiler's.
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
        diag_suppress=177,  # warning about a function of a header that this file does not use
    )
    log = io.StringIO()
    try:
        code = Program(source.text, "c++", options).compile("cubin", name_expressions=tuple(names), logs=log)
    except Exception as error:  # the class of cuda-core's error has moved between versions
        raise KernelError(f"{source.path.name} does not compile for {architecture}: {error}") from error
    taken = _read_log(log.getvalue())
    return {name: taken[_text(code.symbol_mapping[name])] for name in names}


def compile_ptx(source: Source, kernel: str, architecture: str) -> tuple[str, str]:
    """Compile a kernel to PTX with the lines of its source, as CuPy compiles it.

    CuPy adds ``-ftz=true``, so subnormal numbers count as zero. cuda-core's own way to PTX needs a driver.

    Parameters
    ----------
    source : Source
        The .cu file.
    kernel : str
        Kernel or template instance.
    architecture : str
        Target, such as "sm_90".

    Returns
    -------
    tuple of (str, str)
        PTX, and the kernel's name in it.

    Raises
    ------
    DeviceError
        If NVRTC is missing.
    KernelError
        If the compiler refuses the file; the message is the compiler's.
    """
    problem = obstacle()
    if problem:
        raise DeviceError(problem)
    from cuda.bindings import nvrtc

    def call(result: tuple) -> Any:
        code, *values = result
        if code != nvrtc.nvrtcResult.NVRTC_SUCCESS:
            raise KernelError(f"{source.path.name}: NVRTC fails with {code!r}: check its installation")
        return values[0] if values else None

    options = [f"--gpu-architecture={architecture.replace('sm_', 'compute_')}", "--std=c++17", "-ftz=true", "-lineinfo"]
    options += ["--diag-suppress=177", *(f"-I{folder}" for folder in source.folders)]
    program = call(nvrtc.nvrtcCreateProgram(source.text.encode(), str(source.path).encode(), 0, [], []))
    try:
        call(nvrtc.nvrtcAddNameExpression(program, kernel.encode()))
        (code,) = nvrtc.nvrtcCompileProgram(program, len(options), [option.encode() for option in options])
        if code != nvrtc.nvrtcResult.NVRTC_SUCCESS:
            log = bytearray(call(nvrtc.nvrtcGetProgramLogSize(program)))
            call(nvrtc.nvrtcGetProgramLog(program, log))
            message = log.decode(errors="replace").rstrip("\0 \n")
            raise KernelError(f"{source.path.name} does not compile for {architecture}: {message}")
        text = bytearray(call(nvrtc.nvrtcGetPTXSize(program)))
        call(nvrtc.nvrtcGetPTX(program, text))
        return text.decode().rstrip("\0"), _text(call(nvrtc.nvrtcGetLoweredName(program, kernel.encode())))
    finally:
        nvrtc.nvrtcDestroyProgram(program)


def _text(symbol: str | bytes) -> str:
    return symbol.decode() if isinstance(symbol, bytes) else symbol


def _read_log(log: str) -> dict[str, Resources]:
    """Return {mangled name: resources} from the output of `ptxas -v`."""
    found = {}
    for part in log.split("Compiling entry function")[1:]:
        name = re.search(r"'([^']+)'", part)
        frame = re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", part)
        registers = re.search(r"Used (\d+) registers", part)
        if not (name and frame and registers):
            raise KernelError(f"the output of ptxas for a kernel has an unknown format: {part.strip()}")
        shared = re.search(r"(\d+) bytes smem", part)
        stack, stores, loads = map(int, frame.groups())
        found[name[1]] = Resources(int(registers[1]), int(shared[1]) if shared else 0, stack, stores + loads)
    return found
