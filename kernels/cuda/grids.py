"""Grids of elementwise kernels and reductions, which depend on sizes alone, never on the GPU.

The grid decides the order in which a reduction adds, so equal arrays have bit-for-bit identical sums on every GPU.
"""

from ..contract import PARTIALS

THREADS = 256  # threads per block, eight warps; eight such blocks fill a multiprocessor of 2048 threads
ELEMENTS = 4  # elements per thread: one 16-byte access

# Largest grid; with more work, threads loop. 4096 blocks keep 512 multiprocessors full.
MOST_BLOCKS = 4096


def blocks_for(items: int, in_a_block: int, most: int = MOST_BLOCKS) -> int:
    """Return the blocks for `items` work items, from 1, since an empty grid cannot be launched, to `most`."""
    return max(1, min(-(-items // in_a_block), most))


def elementwise_blocks(n: int) -> int:
    """Return the blocks of THREADS for n elements, four per thread."""
    return blocks_for(n, THREADS * ELEMENTS)


def reduction_blocks(n: int) -> int:
    """Return the blocks of a sum over n elements; each writes one partial sum, so there are at most PARTIALS."""
    return blocks_for(n, THREADS * ELEMENTS, PARTIALS)
