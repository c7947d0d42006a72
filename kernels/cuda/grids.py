"""How many blocks a launch of elementwise work or of a reduction has: from sizes alone, never from the GPU.

A reduction adds in an order that its grid decides, so the same array gives the same bits on every GPU.
"""

from ..contract import PARTIALS

THREADS = 256  # a block: eight warps; eight such blocks fill a multiprocessor of 2048 threads
ELEMENTS = 4  # one 16-byte access a thread

# Beyond it threads take several turns. 4096 blocks keep 512 multiprocessors full.
MOST_BLOCKS = 4096


def blocks_for(items: int, in_a_block: int, most: int = MOST_BLOCKS) -> int:
    """Blocks that take `items` once, or `most` if those are fewer; at least one, since an empty grid is no launch."""
    return max(1, min(-(-items // in_a_block), most))


def elementwise_blocks(n: int) -> int:
    """Blocks of THREADS that take n elements, four a thread."""
    return blocks_for(n, THREADS * ELEMENTS)


def reduction_blocks(n: int) -> int:
    """Blocks of a sum over n elements: each leaves one partial sum, so at most PARTIALS."""
    return blocks_for(n, THREADS * ELEMENTS, PARTIALS)
