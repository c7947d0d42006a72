"""Grids of elementwise kernels and reductions, which depend on sizes alone, never on the GPU.

The grid decides the order in which a reduction adds, so equal arrays have bit-for-bit identical sums on every GPU.
"""

from ..contract import PARTIALS

THREADS = 256  # threads per block, eight warps; eight such blocks fill a multiprocessor of 2048 threads
ELEMENTS = 4  # elements per thread: one 16-byte access

# Largest grid; with more work, threads loop. 4096 blocks keep 512 multiprocessors full.
MOST_BLOCKS = 4096


def blocks_for(items: int, in_a_block: int, most: int = MOST_BLOCKS) -> int:
    """Return the blocks of a launch; at least one, since an empty grid cannot be launched.

    Parameters
    ----------
    items : int
        Work items, such as rows.
    in_a_block : int
        Items per block.
    most : int, default MOST_BLOCKS
        Largest grid.

    Returns
    -------
    int
        Blocks of the grid.
    """
    return max(1, min(-(-items // in_a_block), most))


def elementwise_blocks(n: int) -> int:
    """Return the blocks of an elementwise kernel: THREADS threads, four elements per thread.

    Parameters
    ----------
    n : int
        Elements.

    Returns
    -------
    int
        Blocks of the grid.
    """
    return blocks_for(n, THREADS * ELEMENTS)


def reduction_blocks(n: int) -> int:
    """Return the blocks of a sum; each writes one partial sum, so there are at most PARTIALS.

    Parameters
    ----------
    n : int
        Elements.

    Returns
    -------
    int
        Blocks of the grid.
    """
    return blocks_for(n, THREADS * ELEMENTS, PARTIALS)
