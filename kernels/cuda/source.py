"""Launch CUDA C++ kernels: by CuPy on a GPU, by the emulator on NumPy arrays, with the same checks.

    SOURCE = Source(__file__, "adam.cu")
    SOURCE.launch("adam_step", blocks, THREADS, g, lr, p, np.float32(beta1), np.int64(n))

A raw launch accepts any bytes: a Python float for a `float` parameter reaches the kernel as half a double, without an
error. So a launch compares its arguments with the kernel's declaration, which is read from the text of the file.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ArgumentError, KernelError, counted
from ..launch_log import LaunchLog

HEADERS = Path(__file__).parent

# Types of arrays and of scalars that a kernel may have as parameters: C++ type -> NumPy type of the argument.
ARRAYS = {
    "float": np.float32,
    "double": np.float64,
    "half_bits": np.float16,
    "int": np.int32,
    "unsigned": np.uint32,
    "unsigned char": np.uint8,
    "long long": np.int64,
    "unsigned long long": np.uint64,
}
SCALARS = {
    "float": np.float32,
    "int": np.int32,
    "unsigned": np.uint32,
    "long long": np.int64,
    "unsigned long long": np.uint64,
}
LARGEST_DEFAULT_SHARED = 48 * 1024  # bytes of dynamic shared memory that a kernel may use without raising its limit


@dataclass(frozen=True)
class Parameter:
    """A parameter of a kernel.

    Parameters
    ----------
    name : str
        Name in the declaration.
    type : str
        C++ type, without pointer and const.
    pointer : bool
        Whether it is a pointer.
    const : bool
        Whether it points to const elements.
    dtype : numpy.dtype
        Dtype of the argument.
    """

    name: str
    type: str
    pointer: bool
    const: bool
    dtype: np.dtype

    def __str__(self) -> str:
        return f"{'const ' * self.const}{self.type}{'*' * self.pointer} {self.name}"


@dataclass(frozen=True)
class Launch:
    """A launch as `launches` and `dry_run` collect it.

    Parameters
    ----------
    source : Source
        The .cu file.
    kernel : str
        Name of the kernel or template instance.
    grid, block : tuple of int
        Sizes of the grid in blocks and of a block in threads.
    shared : int
        Bytes of dynamic shared memory.
    """

    source: Source
    kernel: str
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    shared: int


class Source:
    """A .cu file next to the launchers that use it.

    Parameters
    ----------
    neighbour : str or Path
        A file in the same folder, usually the launchers' ``__file__``.
    name : str
        Name of the .cu file.
    """

    def __init__(self, neighbour: str | Path, name: str) -> None:
        self.path = Path(neighbour).parent / name
        self._kernels: dict[str, tuple[Parameter, ...]] = {}
        self._functions: dict[tuple[int, str], Any] = {}

    def __repr__(self) -> str:
        return f"<source {self.path.name}>"

    @cached_property
    def text(self) -> str:
        """Text of the file."""
        return self.path.read_text()

    @cached_property
    def files(self) -> dict[Path, str]:
        """Text of the file and of every file that it includes, by path."""
        found: dict[Path, str] = {}
        waiting = [self.path]
        while waiting:
            path = waiting.pop()
            if path not in found:
                found[path] = path.read_text()
                for name in re.findall(r'^\s*#\s*include\s+"([^"]+)"', found[path], re.MULTILINE):
                    places = [folder / name for folder in (path.parent, *self.folders) if (folder / name).exists()]
                    if not places:
                        raise ArgumentError(
                            f"{path} includes {name!r}, which is neither in its folder nor in {HEADERS}: "
                            "correct the name or add the header"
                        )
                    waiting.append(places[0])
        return found

    @property
    def folders(self) -> tuple[Path, Path]:
        """Folders that are searched for headers."""
        return (self.path.parent, HEADERS)

    @cached_property
    def digest(self) -> str:
        """Hash of the file and of every file that it includes."""
        return hashlib.sha256("\0".join(self.files.values()).encode()).hexdigest()

    def parameters(self, kernel: str) -> tuple[Parameter, ...]:
        """Return the parameters of a kernel, from its declaration.

        Parameters
        ----------
        kernel : str
            Name of a kernel or template instance.

        Returns
        -------
        tuple of Parameter
            The parameters, in order.

        Raises
        ------
        ArgumentError
            If the file has no such kernel, or a parameter has a type that launches do not support.
        """
        if kernel not in self._kernels:
            self._kernels[kernel] = _parameters(self, kernel)
        return self._kernels[kernel]

    def launch(
        self,
        kernel: str,
        grid: int | tuple[int, ...],
        block: int | tuple[int, ...],
        *arguments: Any,
        shared: int = 0,
    ) -> None:
        """Launch a kernel on the device of its arrays; on a GPU, return before the work is done.

        Parameters
        ----------
        kernel : str
            Name of a kernel, or an instance of a template such as ``"gather<unsigned char>"``.
        grid, block : int or tuple of int
            Blocks of the grid and threads of a block, in up to three dimensions.
        *arguments : array, None or NumPy scalar
            One per parameter: an array of its dtype, None for a null pointer, or a NumPy scalar of exactly its type.
        shared : int, default 0
            Bytes of dynamic shared memory.

        Raises
        ------
        ArgumentError
            If the arguments do not fit the declaration.
        """
        parameters = self._kernels.get(kernel) or self.parameters(kernel)
        if len(arguments) != len(parameters):
            raise ArgumentError(
                f"{self.path.name}: {kernel} takes {counted(len(parameters), 'argument')} "
                f"({', '.join(map(str, parameters))}), {len(arguments)} were given: pass one per parameter"
            )
        on_host = True
        for parameter, argument in zip(parameters, arguments, strict=True):
            kind = type(argument)
            if parameter.pointer:
                if argument is None:
                    continue
                if getattr(argument, "dtype", None) != parameter.dtype or isinstance(argument, np.generic):
                    raise _mismatch(self, kernel, parameter, argument)
                on_host = kind is np.ndarray
            elif kind is not parameter.dtype.type:
                raise _mismatch(self, kernel, parameter, argument)
        grid, block = _sizes("grid", grid), _sizes("block", block)
        if _log.listening:
            _log.note(Launch(self, kernel, grid, block, shared))
        if _log.dry:
            return
        if on_host:
            (_inside.get() or _host_launcher)(self, kernel, grid, block, arguments, shared)
        else:
            self._launch_on_gpu(kernel, grid, block, arguments, shared)

    def _launch_on_gpu(self, kernel: str, grid: Any, block: Any, arguments: tuple, shared: int) -> None:
        import cupy

        device = cupy.cuda.runtime.getDevice()
        function = self._functions.get((device, kernel))
        if function is None:
            global _build_seconds
            start = time.perf_counter()
            # CuPy's cache ignores the included files; with the digest in the text a change in them makes a new entry.
            module = cupy.RawModule(
                code=f"// {self.digest}\n{self.text}",
                options=("-std=c++17", *(f"-I{folder}" for folder in self.folders)),
                name_expressions=[kernel],
            )
            function = self._functions[device, kernel] = module.get_function(kernel)
            _build_seconds += time.perf_counter() - start
        if shared > LARGEST_DEFAULT_SHARED and function.max_dynamic_shared_size_bytes < shared:
            function.max_dynamic_shared_size_bytes = shared
        function(grid, block, tuple(NULL if a is None else a for a in arguments), shared_mem=shared)


NULL = np.uint64(0)


HostLauncher = Callable[..., None]


def _no_host_launcher(source: Source, kernel: str, *rest: Any) -> None:
    raise KernelError(
        f"{kernel} of {source.path.name} got NumPy arrays, but the emulator is not loaded: use the device 'emulator'"
    )


_host_launcher: HostLauncher = _no_host_launcher
_inside: ContextVar[HostLauncher | None] = ContextVar("inside", default=None)


def launch_on_host_with(launcher: HostLauncher) -> None:
    """Send later launches on NumPy arrays to a function.

    Parameters
    ----------
    launcher : callable
        Function of source, kernel, grid, block, arguments and shared.
    """
    global _host_launcher
    _host_launcher = launcher


@contextlib.contextmanager
def on_host_with(launcher: HostLauncher) -> Iterator[None]:
    """Send the launches on NumPy arrays within the block, in this thread, to a function.

    Parameters
    ----------
    launcher : callable
        Function of source, kernel, grid, block, arguments and shared.

    Yields
    ------
    None
        The block.
    """
    token = _inside.set(launcher)
    try:
        yield
    finally:
        _inside.reset(token)


_build_seconds = 0.0


def build_seconds() -> float:
    """Return the time that this process has spent building kernels for GPUs, or loading them from CuPy's cache.

    Returns
    -------
    float
        Seconds.
    """
    return _build_seconds


_log: LaunchLog[Launch] = LaunchLog()
launches, dry_run = _log.launches, _log.dry_run


# ---- declarations ----


def _parameters(source: Source, kernel: str) -> tuple[Parameter, ...]:
    name, _, given = kernel.partition("<")
    texts = [re.sub(r"//[^\n]*|/\*.*?\*/", " ", text, flags=re.DOTALL) for text in source.files.values()]
    pattern = (
        r"(?:template\s*<(?P<template>[^<>]*)>\s*)?__global__\s+(?:__launch_bounds__\s*\([^()]*\)\s*)?void\s+"
        rf"(?:__launch_bounds__\s*\([^()]*\)\s*)?{re.escape(name)}\s*\((?P<parameters>[^()]*)\)"
    )
    found = [match for text in texts for match in re.finditer(pattern, text)]
    if len(found) != 1:
        how = "has no kernel" if not found else f"has {len(found)} kernels"
        raise ArgumentError(f"{source.path.name} {how} {name!r}, expected one plain declaration: check the name")
    types = _template_types(source, kernel, found[0]["template"], given)
    texts = [text for text in found[0]["parameters"].split(",") if text.strip()]
    return tuple(_parameter(source, kernel, text, types) for text in texts)


def _template_types(source: Source, kernel: str, declared: str | None, given: str) -> dict[str, str]:
    """Return {template parameter: type} for the type parameters of an instance."""
    names = [entry.split() for entry in (declared or "").split(",") if entry.strip()]
    values = [value.strip() for value in given.removesuffix(">").split(",") if value.strip()]
    if len(names) != len(values) or bool(given) != given.endswith(">"):
        raise ArgumentError(
            f"{source.path.name}: {kernel} has {len(values)} template arguments, expected {len(names)}: "
            'name an instance as in "gemm<64, true>"'
        )
    pairs = zip(names, values, strict=True)
    return {words[-1]: value for words, value in pairs if words[0] in ("typename", "class")}


def _parameter(source: Source, kernel: str, text: str, types: dict[str, str]) -> Parameter:
    """Return a declaration such as `const float* __restrict__ x` as a Parameter."""
    words = text.replace("*", " * ").replace("__restrict__", " ").split()
    *words, name = words
    pointer = "*" in words
    const = pointer and "const" in words[: words.index("*")]
    base = " ".join(types.get(word, word) for word in words if word not in ("const", "*"))
    base = {"unsigned int": "unsigned", "unsigned long long int": "unsigned long long"}.get(base, base)
    allowed: dict[str, type] = ARRAYS if pointer else SCALARS
    if base not in allowed or words.count("*") > 1:
        raise ArgumentError(
            f"{source.path.name}: parameter {text.strip()!r} of {kernel} has a type that launches do not support: "
            f"use {'a pointer to ' if pointer else ''}{', '.join(allowed)}"
        )
    return Parameter(name, base, pointer, const, np.dtype(allowed[base]))


def _mismatch(source: Source, kernel: str, parameter: Parameter, argument: Any) -> ArgumentError:
    expected = f"an array of {parameter.dtype} or None" if parameter.pointer else f"np.{parameter.dtype}(…)"
    given = f"an array of {argument.dtype}" if hasattr(argument, "strides") and np.ndim(argument) else None
    given = given or f"{argument!r} of type {type(argument).__name__}"
    return ArgumentError(
        f"{source.path.name}: parameter {str(parameter)!r} of {kernel} was given {given}, expected {expected}"
    )


def _sizes(what: str, sizes: int | tuple[int, ...]) -> tuple[int, int, int]:
    sizes = sizes if isinstance(sizes, tuple) else (sizes,)
    if not 1 <= len(sizes) <= 3 or any(not isinstance(size, int) or size < 1 for size in sizes):
        raise ArgumentError(f"the {what} is {sizes}, expected one to three positive whole numbers (Python int)")
    x, y, z = (*sizes, 1, 1)[:3]
    return x, y, z
