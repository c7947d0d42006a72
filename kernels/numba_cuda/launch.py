"""Launch Numba CUDA kernels: on CuPy's current stream; NumPy arrays in Numba's simulator or in the machine.

    from ..numba_cuda.launch import THREADS, blocks, cuda, launch

    @cuda.jit
    def double_kernel(x, y):
        for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
            y[i] = TWO * x[i]

    def double(x, y):
        launch(double_kernel, blocks(x.size), THREADS, x, y)

Import `cuda` from here, not from numba, so that it is imported with our settings. None, for an optional array that is
left out, reaches the kernel as an empty array, whose size the kernel checks: a launch cannot pass None in numba-cuda
0.30, and one compiled kernel then serves both cases.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import ArgumentError, KernelError
from ..launch_log import LaunchLog
from . import private
from . import target as numba_target

cuda: Any = numba_target.load()
SIMULATED = private.simulates(cuda)

if SIMULATED:
    from .simulator import simulate

THREADS = 256  # threads per block of a grid-stride kernel or a reduction; a power of two
PER_THREAD = 4  # elements per thread of a grid-stride loop: more loads in flight, fewer threads to start
MOST_BLOCKS = 4096  # enough blocks to fill any GPU; longer arrays take more iterations of the loop


@dataclass(frozen=True)
class Launch:
    """A launch as `launches` and `dry_run` collect it.

    Parameters
    ----------
    kernel : callable
        Python function of the kernel.
    signature : str
        Types of the arguments in Numba's notation, such as ``"void(float32[::1], int32)"``.
    grid, block : int or tuple of int
        Blocks of the grid and threads of a block.
    """

    kernel: Callable[..., None]
    signature: str
    grid: Any
    block: Any


_log: LaunchLog[Launch] = LaunchLog()
launches, dry_run = _log.launches, _log.dry_run


def blocks(n: int, most: int = MOST_BLOCKS) -> int:
    """Return the blocks of a grid-stride loop; at least one, since an empty sum writes a zero.

    Parameters
    ----------
    n : int
        Elements.
    most : int, default MOST_BLOCKS
        Largest grid.

    Returns
    -------
    int
        Blocks of the grid.
    """
    return min(max(1, -(-n // (THREADS * PER_THREAD))), most)


def launch(kernel: Any, grid: int | tuple[int, ...], block: int | tuple[int, ...], *arguments: Any) -> None:
    """Launch a kernel; an empty grid does nothing.

    Parameters
    ----------
    kernel : kernel
        Function with the decorator ``cuda.jit``.
    grid, block : int or tuple of int
        Blocks of the grid and threads of a block.
    *arguments : array, None or NumPy scalar
        Arguments of the kernel; None is an array that is left out.

    Raises
    ------
    ArgumentError
        For a Python number, since Numba would compile a float as a double.
    """
    on_host = SIMULATED or any(type(argument) is np.ndarray for argument in arguments)
    given = [_absent(on_host) if argument is None else argument for argument in arguments]
    for place, argument in enumerate(given):
        if not hasattr(argument, "dtype"):
            raise ArgumentError(
                f"argument {place} of {kernel.py_func.__name__} is {argument!r}, expected an array, None or a NumPy "
                "scalar: write np.float32(…) or np.int32(…)"
            )
    if _log.listening:
        _log.note(Launch(kernel.py_func, signature_of(given), grid, block))
    if _log.dry or 0 in (grid if isinstance(grid, tuple) else (grid,)):
        return
    if on_host:
        (_inside.get() or _host_launcher)(kernel, grid, block, given)
    else:
        kernel[grid, block, _stream()](*given)


def signature_of(arguments: list[Any]) -> str:
    """Return the types of arguments in Numba's notation.

    Parameters
    ----------
    arguments : list of array or NumPy scalar
        Arguments of a kernel.

    Returns
    -------
    str
        Such as ``"void(float32[::1], int32)"``.
    """
    return f"void({', '.join(map(_type, arguments))})"


def _type(argument: Any) -> str:
    axes = getattr(argument, "ndim", 0)
    return f"{argument.dtype}[{':,' * (axes - 1)}::1]" if axes else str(argument.dtype)


def _no_host_launcher(kernel: Any, *rest: Any) -> None:
    raise KernelError(f"{kernel.py_func.__name__} got NumPy arrays outside of a device: use the device 'machine'")


HostLauncher = Callable[..., None]
_host_launcher: HostLauncher = simulate if SIMULATED else _no_host_launcher
_inside: ContextVar[HostLauncher | None] = ContextVar("inside", default=None)


@contextlib.contextmanager
def on_host_with(launcher: HostLauncher) -> Iterator[None]:
    """Send the launches on NumPy arrays within the block, in this thread, to a function.

    Parameters
    ----------
    launcher : callable
        Function of kernel, grid, block and the list of arguments, without None.

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


def _absent(on_host: bool) -> Any:
    if on_host or _log.dry:
        return np.empty(0, np.float32)
    import cupy

    return _empty_on(cupy.cuda.get_device_id())


@functools.cache
def _empty_on(index: int) -> Any:
    import cupy

    return cupy.empty(1, np.float32)[:0]  # a view, so that its pointer is a valid one


def _stream() -> Any:
    import cupy

    return _stream_at(cupy.cuda.get_current_stream().ptr)


@functools.lru_cache
def _stream_at(pointer: int) -> Any:
    return cuda.external_stream(pointer) if pointer else 0
