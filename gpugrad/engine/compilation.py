"""Compile every CUDA kernel for every architecture, without a GPU.

CUDA C++ kernels: registers, shared memory and occupancy. Numba's: whether they stay in float32.
"""

from __future__ import annotations

import contextlib
import functools
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import kernels
from ..errors import DeviceError
from ..kernels.contract import FLOATS
from ..kernels.cuda import nvrtc
from ..kernels.cuda import source as cuda
from ..kernels.cuda.nvrtc import ARCHITECTURES, Resources
from .check import arrays_of, chosen

if TYPE_CHECKING:
    from ..kernels.numba_cuda.ptx import Assembly

REGISTERS = 65536  # registers per multiprocessor on every architecture here, allocated to warps 256 at a time
WARP = 32
RESERVED = 1024  # bytes of shared memory per block that the system reserves, since sm_80


@dataclass(frozen=True)
class Multiprocessor:
    """Limits of one multiprocessor.

    Parameters
    ----------
    threads : int
        Resident threads.
    blocks : int
        Resident blocks.
    shared : int
        Bytes of shared memory.
    shared_of_block : int
        Maximum bytes of shared memory per block.

    References
    ----------
    CUDA C++ Programming Guide, technical specifications per compute capability.
    """

    threads: int
    blocks: int
    shared: int  # bytes
    shared_of_block: int  # bytes


MULTIPROCESSORS = {
    "sm_75": Multiprocessor(1024, 16, 64 * 1024, 64 * 1024),
    "sm_80": Multiprocessor(2048, 32, 164 * 1024, 163 * 1024),
    "sm_86": Multiprocessor(1536, 16, 100 * 1024, 99 * 1024),
    "sm_89": Multiprocessor(1536, 24, 100 * 1024, 99 * 1024),
    "sm_90": Multiprocessor(2048, 32, 228 * 1024, 227 * 1024),
    "sm_100": Multiprocessor(2048, 32, 228 * 1024, 227 * 1024),
    "sm_120": Multiprocessor(1536, 24, 100 * 1024, 99 * 1024),
}


@dataclass(frozen=True)
class Compiled:
    """A kernel as its launcher launches it, compiled for one architecture.

    Parameters
    ----------
    file, kernel, architecture : str
        File, kernel and target architecture.
    threads : int
        Threads per block.
    dynamic_shared : int
        Maximum over the examples, in bytes.
    resources : Resources
        Resources that the compiler reports.
    """

    file: str
    kernel: str
    architecture: str
    threads: int  # per block
    dynamic_shared: int  # bytes, the maximum over the examples
    resources: Resources

    @property
    def shared(self) -> int:
        """Bytes of shared memory of a block."""
        return self.resources.shared + self.dynamic_shared

    @property
    def occupancy(self) -> float:
        """Share of a multiprocessor's threads that can be resident at once; 0 if not even one block can."""
        limits = MULTIPROCESSORS[self.architecture]
        warps = -(-self.threads // WARP)
        registers = -(-self.resources.registers * WARP // 256) * 256 * warps
        shared = self.shared + (RESERVED if self.architecture != "sm_75" else 0)
        if self.shared > limits.shared_of_block:
            return 0.0
        blocks = min(
            limits.threads // (warps * WARP), limits.blocks, REGISTERS // registers, limits.shared // max(1, shared)
        )
        return blocks * warps * WARP / limits.threads

    @property
    def problem(self) -> str | None:
        """Why the kernel should not be used; None if nothing is wrong."""
        if self.resources.spilled:
            return f"spills {self.resources.spilled} bytes: it needs more registers than a thread may have"
        if self.occupancy == 0:
            return f"cannot run: a block needs {self.shared} bytes of shared memory"
        return None


@functools.cache
def instances(only: tuple[str, ...] = ()) -> dict[tuple[cuda.Source, str], tuple[int, int]]:
    """Return all kernels that the examples of the contracts launch, without running them.

    Parameters
    ----------
    only : tuple of str
        Names of kernels and operations; all if empty.

    Returns
    -------
    dict
        From (file, kernel or template instance) to (threads per block, bytes of dynamic shared memory).
    """
    found: dict[tuple[cuda.Source, str], tuple[int, int]] = defaultdict(lambda: (0, 0))
    for launch in _launches("cupy_cuda", cuda.dry_run, only):
        threads, shared = found[launch.source, launch.kernel]
        size = launch.block[0] * launch.block[1] * launch.block[2]
        found[launch.source, launch.kernel] = max(threads, size), max(shared, launch.shared)
    return dict(found)


def _launches(toolchain: str, dry_run: Callable[[], Any], only: Collection[str] = ()) -> Iterator[Any]:
    """Yield every launch that the examples of the contracts lead to in a toolchain, without running it."""
    launchers = kernels.load(toolchain)
    for _, contract in chosen(only):
        for example in contract.draw_examples():
            with dry_run() as seen, contextlib.suppress(DeviceError):  # a precision that the toolchain refuses
                getattr(launchers, contract.name)(*arrays_of(contract, example, FLOATS[0]), **example.scalars)
            yield from seen


def compile_all(architectures: tuple[str, ...] = ARCHITECTURES, only: Collection[str] = ()) -> list[Compiled]:
    """Compile every kernel of the CUDA C++ files.

    Parameters
    ----------
    architectures : tuple of str
        Such as "sm_90"; all by default.
    only : collection of str
        Names of kernels and operations; all if empty.

    Returns
    -------
    list of Compiled
        One per kernel and architecture.

    Raises
    ------
    KernelError
        If a kernel does not compile.
    """
    of_source: dict[cuda.Source, dict[str, tuple[int, int]]] = defaultdict(dict)
    for (source, kernel), launch in instances(tuple(only)).items():
        of_source[source][kernel] = launch
    return [
        Compiled(source.path.name, kernel, architecture, *wanted[kernel], taken)
        for source, wanted in of_source.items()
        for architecture in architectures
        for kernel, taken in nvrtc.compile_kernels(source, list(wanted), architecture).items()
    ]


def assemble_all(architectures: tuple[str, ...] = ARCHITECTURES, only: Collection[str] = ()) -> list[Assembly]:
    """Compile every Numba CUDA kernel to PTX.

    Parameters
    ----------
    architectures : tuple of str
        Such as "sm_90"; all by default.
    only : collection of str
        Names of kernels and operations; all if empty.

    Returns
    -------
    list of Assembly
        One per kernel and architecture.

    Raises
    ------
    DeviceError
        If numba-cuda or libNVVM is missing.
    KernelError
        If a kernel does not compile.
    """
    from ..kernels.numba_cuda import ptx as numba_ptx

    problem = numba_ptx.obstacle()
    if problem:
        raise DeviceError(f"the Numba CUDA kernels cannot be compiled: {problem}")
    from ..kernels.numba_cuda import launch as numba_launch

    launches = {(l.kernel.__name__, l.signature): l for l in _launches("numba_cuda", numba_launch.dry_run, only)}
    return [numba_ptx.compile_kernel(launch, a) for launch in launches.values() for a in architectures]
