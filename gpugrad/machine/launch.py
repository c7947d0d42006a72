"""Launch kernels of both toolchains on NumPy arrays: compile them to PTX, translate, run."""

from __future__ import annotations

import functools
import os
import re
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import KernelError
from ..kernels.limits import check_sizes
from .cache import digest_of, stored, stored_translation
from .counters import machine_of
from .memory import GlobalMemory
from .program import Program
from .ptx import Module

ARCHITECTURE = "sm_90"

_programs: dict[tuple, Program] = {}


def architecture() -> str:
    """Return the architecture that kernels are compiled for: GPUGRAD_MACHINE_ARCHITECTURE, or sm_90.

    Raises
    ------
    KernelError
        If the variable names none.
    """
    named = os.environ.get("GPUGRAD_MACHINE_ARCHITECTURE") or ARCHITECTURE
    if not re.fullmatch(r"sm_\d{2,3}", named):
        raise KernelError(
            f"GPUGRAD_MACHINE_ARCHITECTURE is {named!r}, expected one such as 'sm_90': correct or unset it"
        )
    return named


def launch_cuda(source: Any, kernel: str, grid: tuple, block: tuple, arguments: tuple, shared: int) -> None:
    """Run a kernel in CUDA C++; see `gpugrad.kernels.cuda.source.on_host_with`.

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
        If a GPU would refuse the launch, the kernel does not compile, or it has a fault.
    """
    key = (source.digest, kernel, architecture())
    program = _programs.get(key)
    if program is None:
        program = _programs[key] = _compile_cuda(source, kernel, architecture())
    memory = GlobalMemory(program.variables)
    values: list[bytes] = []
    for parameter, argument in zip(source.parameters(kernel), arguments, strict=True):
        if not parameter.pointer:
            values.append(argument.tobytes())
        elif argument is None:
            values.append(bytes(8))
        else:
            writable = not parameter.const and argument.flags.writeable
            values.append(_word(memory.address(argument, parameter.name, writable)))
    _run(program, memory, grid, block, values, shared)


def launch_numba(kernel: Any, grid: Any, block: Any, arguments: list) -> None:
    """Run a Numba CUDA kernel; see `gpugrad.kernels.numba_cuda.launch.on_host_with`.

    Parameters
    ----------
    kernel : kernel
        Function with the decorator ``cuda.jit``.
    grid, block : int or tuple of int
        Blocks of the grid and threads of a block.
    arguments : list
        NumPy arrays and scalars.

    Raises
    ------
    KernelError
        If a GPU would refuse the launch, the kernel does not compile, or it has a fault.
    """
    from ..kernels.numba_cuda.launch import signature_of

    function, signature = kernel.py_func, signature_of(arguments)
    key = (function, signature, architecture())
    program = _programs.get(key)
    if program is None:
        program = _programs[key] = _compile_numba(function, signature, architecture())
    memory = GlobalMemory(program.variables)
    values: list[bytes] = []
    for name, argument in zip(function.__code__.co_varnames, arguments, strict=False):
        if isinstance(argument, np.ndarray):  # two unused words, size, itemsize, address, shape, strides
            address = memory.address(argument, name, argument.flags.writeable)
            words = (0, 0, argument.size, argument.itemsize, address, *argument.shape, *argument.strides)
            values += map(_word, words)
        else:
            values.append(argument.tobytes())
    _run(program, memory, _three(grid), _three(block), values, 0)


def _word(value: int) -> bytes:
    return struct.pack("<q", value)


def _three(sizes: int | tuple[int, ...]) -> tuple[int, int, int]:
    x, y, z = (*(sizes if isinstance(sizes, tuple) else (sizes,)), 1, 1)[:3]
    return int(x), int(y), int(z)


def _run(program: Program, memory: GlobalMemory, grid: Any, block: Any, values: list[bytes], shared: int) -> None:
    declared = sum(end - begin for begin, end, _ in program.layout)
    check_sizes(program.name, grid, block, declared + shared)
    most = program.function.threads
    if most is not None and np.prod(block) > most:
        raise KernelError(
            f"{program.name} is launched with {np.prod(block)} threads per block, its __launch_bounds__ allow {most}: "
            "launch it with fewer"
        )
    parameters = bytearray(sum(size for _, size in program.function.parameters) + 64)
    for (place, size), value in zip(program.function.parameters, values, strict=True):
        parameters[place : place + size] = value[:size]
    checks = os.environ.get("GPUGRAD_MACHINE_CHECKS", "") != "0"
    machine_of(program, memory, grid, block, bytes(parameters), shared, checks).run()


# ---- compilers ----


def _compile_cuda(source: Any, kernel: str, target: str) -> Program:
    from ..kernels.cuda import nvrtc

    def make() -> bytes:
        ptx, entry = nvrtc.compile_ptx(source, kernel, target)
        return f"{entry}\n{ptx}".encode()

    name = digest_of("cuda", source.digest, str(source.path), kernel, target, nvrtc.version())
    entry, _, ptx = stored(f"{name}.ptx", make).decode().partition("\n")
    return Program(Module(ptx), entry, kernel, functools.partial(stored_translation, ptx, entry))


def _compile_numba(function: Any, signature: str, target: str) -> Program:
    from ..kernels.numba_cuda import ptx as numba_ptx

    parts = list(_functions(function))
    texts = dict.fromkeys(part.__code__.co_filename for part in parts)

    def make() -> bytes:
        return numba_ptx.compile_ptx(function, signature, target, lines=True).encode()

    place = f"{function.__qualname__} {function.__code__.co_firstlineno}"
    name = digest_of("numba", *texts, *map(_text_of, texts), place, signature, target, numba_ptx.versions())
    ptx = stored(f"{name}.ptx", make).decode()
    module = Module(ptx)
    lines = {line: part.__code__.co_filename for part in reversed(parts) for line in _lines(part)}

    def source_of(file: str, line: int) -> tuple[str, int]:
        return lines.get(line, file), line

    (entry,) = module.entries
    return Program(module, entry, function.__name__, functools.partial(stored_translation, ptx, entry), source_of)


def _functions(function: Any) -> Iterator[Any]:
    """Yield a function and the device functions that it calls.

    Numba inlines device functions with their lines, but under the file of the kernel.
    """
    found: dict[Any, None] = {}
    waiting = [function]
    while waiting:
        current = waiting.pop()
        if current in found:
            continue
        found[current] = None
        yield current
        for name in current.__code__.co_names:
            called = current.__globals__.get(name)
            if hasattr(called, "py_func"):
                waiting.append(called.py_func)


def _lines(function: Any) -> set[int]:
    return {line for _, _, line in function.__code__.co_lines() if line is not None}


def _text_of(file: str) -> str:
    try:
        with open(file, encoding="utf-8") as text:
            return text.read()
    except OSError:  # a kernel without a file, as in a notebook: its code is not known by its text
        return os.urandom(16).hex()
