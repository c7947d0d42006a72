"""Limits of a launch on a GPU, which the emulator and the machine have too."""

from __future__ import annotations

import math

from ..errors import KernelError

# Threads per block, bytes of shared memory per block, blocks in x, and in y and z.
MOST_THREADS, MOST_SHARED, MOST_BLOCKS_X, MOST_BLOCKS_YZ = 1024, 227 * 1024, 2**31 - 1, 65535


def check_sizes(kernel: str, grid: tuple[int, int, int], block: tuple[int, int, int], shared: int) -> None:
    """Refuse a launch that a GPU would refuse.

    Parameters
    ----------
    kernel : str
        Name of the kernel, for the message.
    grid, block : tuple of int, (x, y, z)
        Number of blocks, and of threads per block.
    shared : int
        Bytes of shared memory per block.

    Raises
    ------
    KernelError
        If one of them is too large.
    """
    threads = math.prod(block)
    if threads > MOST_THREADS:
        raise KernelError(f"{kernel} has {threads} threads per block, a GPU allows at most {MOST_THREADS}")
    if max(grid[1:]) > MOST_BLOCKS_YZ or grid[0] > MOST_BLOCKS_X:
        most = (MOST_BLOCKS_X, MOST_BLOCKS_YZ, MOST_BLOCKS_YZ)
        raise KernelError(f"{kernel} has a grid of {grid}, a GPU allows at most {most}")
    if shared > MOST_SHARED:
        raise KernelError(
            f"{kernel} needs {shared} bytes of shared memory, a GPU allows at most {MOST_SHARED} per block"
        )
