"""The emulator: CUDA C++ kernels run on the host, each thread of a block for itself, with checks that a GPU lacks.

`Source.launch` calls `launch` where the arrays are NumPy's; docs/emulator.md says what this can prove.
Settings, in the environment:

- GPUGRAD_EMULATOR_SEED: the order in which threads and blocks run is drawn from it (0).
- GPUGRAD_EMULATOR_THREADS: host threads that share the blocks of a launch (1).
- GPUGRAD_EMULATOR_SECONDS: the most that one launch may take (300).
- GPUGRAD_EMULATOR_SANITIZE=1: build with the address sanitizer.
- GPUGRAD_CACHE: where compiled kernels are kept.
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

import numpy as np

from ..engine.device import Device, register
from ..errors import KernelError
from ..kernels.cuda.source import launch_on_host_with
from . import compiler

# The limits of a launch that a GPU has too.
MOST_THREADS, MOST_SHARED, MOST_BLOCKS_YZ = 1024, 227 * 1024, 65535

SCALAR, ARRAY, CONST_ARRAY = range(3)  # as in memory.h
ARGUMENT = struct.Struct("<QQi4x")
MESSAGE_BYTES = 1000

_kernels: dict[tuple[str, str], Any] = {}  # (digest of the source, kernel) -> the function that calls it
_launches = itertools.count()


def obstacle() -> str | None:
    """Why the emulator cannot be used here, and what would change that; None if it can."""
    if sys.platform != "linux":
        return "the emulator runs on Linux only: use device 'cpu'"
    if compiler.find_compiler() is None:
        return "no C++ compiler is found: install g++ or clang++, or pip install ziglang, or name one in CXX"
    return None


def launch(source: Any, kernel: str, grid: tuple, block: tuple, arguments: tuple, shared: int) -> None:
    """Run a kernel whose arguments have been checked; raises KernelError for a fault, named by block and thread."""
    _check_sizes(kernel, grid, block, shared)
    key = (source.digest, kernel)
    run = _runtime()
    if key not in _kernels:
        _kernels[key] = ctypes.CDLL(str(compiler.build(source, kernel))).emulator_kernel
    parameters = source.parameters(kernel)
    packed = bytearray(ARGUMENT.size * max(1, len(arguments)))
    for place, (parameter, argument) in enumerate(zip(parameters, arguments, strict=True)):
        ARGUMENT.pack_into(packed, ARGUMENT.size * place, *_packed(parameter, argument))
    message = ctypes.create_string_buffer(MESSAGE_BYTES)
    # Another order in each launch: two runs that must agree to the bit have different ones.
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
        words = message.value.decode(errors="replace")
        for place in reversed(range(len(parameters))):
            words = words.replace(f"argument {place}", f"argument {str(parameters[place])!r}")
        raise KernelError(f"{kernel} of {source.path.name}: {words}")


def _packed(parameter: Any, argument: Any) -> tuple[int, int, int]:
    if not parameter.pointer:
        return int.from_bytes(argument.tobytes(), "little"), 0, SCALAR
    kind = CONST_ARRAY if parameter.const else ARRAY
    return (0, 0, kind) if argument is None else (argument.ctypes.data, argument.nbytes, kind)


def _check_sizes(kernel: str, grid: tuple, block: tuple, shared: int) -> None:
    threads = int(np.prod(block))
    if threads > MOST_THREADS:
        raise KernelError(f"{kernel} was launched with {threads} threads a block, a GPU has at most {MOST_THREADS}")
    if max(grid[1:]) > MOST_BLOCKS_YZ or grid[0] >= 2**31:
        raise KernelError(f"{kernel} was launched with a grid of {grid}, a GPU has at most 2147483647, 65535, 65535")
    if shared > MOST_SHARED:
        raise KernelError(
            f"{kernel} asks for {shared} bytes of shared memory, a GPU gives a block at most {MOST_SHARED}"
        )


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
    make=lambda toolchain, index: Device("emulator", toolchain),
    obstacle=lambda toolchain, index: obstacle(),
)
