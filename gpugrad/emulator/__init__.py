"""The emulator: run CUDA C++ kernels on the host, thread by thread, with checks that a GPU does not have.

`Source.launch` calls `launch` for NumPy arrays; docs/emulator.md describes what the emulator can verify.
Environment variables:

- GPUGRAD_EMULATOR_SEED: seed of the order in which threads and blocks run (default 0).
- GPUGRAD_EMULATOR_THREADS: number of host threads that share the blocks of a launch (default 1).
- GPUGRAD_EMULATOR_SECONDS: time limit of a launch in seconds (default 300).
- GPUGRAD_EMULATOR_SANITIZE=1: build with the address sanitizer.
- GPUGRAD_CACHE: folder of the compiled kernels.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import os
import struct
import sys
from collections.abc import Callable
from typing import Any

from ..engine.device import register
from ..engine.device_in_turns import DeviceInTurns
from ..errors import KernelError
from ..kernels.cuda.source import launch_on_host_with
from ..kernels.limits import check_sizes
from . import compiler

__all__ = ["launch", "obstacle"]

SCALAR, ARRAY, CONST_ARRAY = range(3)  # kinds of arguments, as in memory.h
ARGUMENT = struct.Struct("<QQii")  # the struct Argument of memory.h: value, bytes, kind, bytes per element
MESSAGE_BYTES = 1000

_kernels: dict[tuple[str, str], Any] = {}  # (digest of the source, kernel) -> compiled entry point
_launches = itertools.count()


def obstacle() -> str | None:
    """Return why the emulator cannot be used here, and the remedy; None if it can.

    Returns
    -------
    str or None
        One sentence, or None.
    """
    if sys.platform != "linux":
        return "the emulator runs on Linux only: use device 'cpu'"
    if compiler.find_compiler() is None:
        return "no C++ compiler found: install g++ or clang++, pip install ziglang, or set CXX"
    return None


def launch(source: Any, kernel: str, grid: tuple, block: tuple, arguments: tuple, shared: int) -> None:
    """Run a kernel on the host.

    Parameters
    ----------
    source : gpugrad.kernels.cuda.source.Source
        The source that declares the kernel.
    kernel : str
        Name of the kernel, with template arguments.
    grid, block : tuple of int, (x, y, z)
        Number of blocks, and of threads per block.
    arguments : tuple
        NumPy arrays, scalars or None, already checked against the declaration.
    shared : int
        Bytes of dynamic shared memory.

    Raises
    ------
    KernelError
        If a GPU would refuse the launch, the kernel does not compile, or it has a fault; a fault is reported with
        its block and thread.
    """
    check_sizes(kernel, grid, block, shared)
    key = (source.digest, kernel)
    run = _runtime()
    if key not in _kernels:
        _kernels[key] = compiler.load(source, kernel).emulator_kernel
    parameters = source.parameters(kernel)
    packed = bytearray(ARGUMENT.size * max(1, len(arguments)))
    for place, (parameter, argument) in enumerate(zip(parameters, arguments, strict=True)):
        ARGUMENT.pack_into(packed, ARGUMENT.size * place, *_packed(parameter, argument))
    message = ctypes.create_string_buffer(MESSAGE_BYTES)
    # Each launch has another order, so two runs that must agree bit for bit differ in theirs.
    seed = _setting("SEED", 0, int) * 1_000_003 + next(_launches)
    failed = run(
        _kernels[key],
        (ctypes.c_uint * 6)(*grid, *block),
        shared,
        (ctypes.c_char * len(packed)).from_buffer(packed),
        len(arguments),
        seed,
        _setting("THREADS", 1, int),
        _setting("SECONDS", 300.0, float),
        message,
        MESSAGE_BYTES,
    )
    if failed:
        text = message.value.decode(errors="replace")
        for place in reversed(range(len(parameters))):
            text = text.replace(f"argument {place}", parameters[place].name)
        raise KernelError(f"{kernel} of {source.path.name}: {text}")


def _packed(parameter: Any, argument: Any) -> tuple[int, int, int, int]:
    """Return the fields of ARGUMENT."""
    if not parameter.pointer:
        return int.from_bytes(argument.tobytes(), "little"), 0, SCALAR, 0
    kind = CONST_ARRAY if parameter.const else ARRAY
    return (0, 0, kind, 0) if argument is None else (argument.ctypes.data, argument.nbytes, kind, argument.itemsize)


@functools.cache
def _runtime() -> Callable[..., Any]:
    run = compiler.load_runtime().emulator_launch
    size, text = ctypes.c_uint64, ctypes.c_void_p
    run.argtypes = [text, text, size, text, ctypes.c_int, size, ctypes.c_uint, ctypes.c_double, text, ctypes.c_size_t]
    run.restype = ctypes.c_int
    return run


def _setting(name: str, default: Any, convert: Callable[[str], Any]) -> Any:
    value = os.environ.get(f"GPUGRAD_EMULATOR_{name}", "")
    try:
        return convert(value) if value else default
    except ValueError:
        raise KernelError(f"GPUGRAD_EMULATOR_{name} is {value!r}, expected a number: correct or unset it") from None


launch_on_host_with(launch)
register(
    "emulator",
    {"cupy": "cupy_cuda"},
    make=lambda toolchain, index: DeviceInTurns("emulator", toolchain),
    obstacle=lambda toolchain, index: obstacle(),
)
