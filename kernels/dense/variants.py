"""Which variant of the CUDA C++ product runs: the side of its tiles, and over how many blocks a long sum is split.

A block computes one tile of the output, so the tiles of a product are the blocks that can run at once, and a large GPU
wants some 128 of them. Larger tiles read less: a tile of side T reads 2·T numbers for T² multiplications. Hence:

- large: tiles of 128 where these alone make `BLOCKS` blocks; the product is then bound by its arithmetic.
- otherwise tiles of 64, or of 32 where the output is so narrow that most of a 64 would lie outside it (tiny).
- skinny: where even these are fewer than `BLOCKS`, the sum over k is split over several blocks for each tile, until
  there are enough blocks or a block is left with `SHORTEST` terms; below that, adding the partial sums costs more than
  it saves. A last kernel adds them in fixed order.

The rule reads shapes only, never the device, so that one program has one order of additions on every GPU.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

from ...errors import ArgumentError

TILES = (128, 64, 32)
BLOCKS = 128  # about the number of multiprocessors of a large GPU: 108 on A100, 132 on H100, 128 on RTX 4090
SHORTEST = 64  # terms a block sums at least when a sum is split
STEP = 16  # a part of a split sum is a multiple of it: the depth of the deepest tile, and of whole 16-byte loads


class Variant(NamedTuple):
    """Tiles of tile × tile outputs; the sum over k in `splits` parts of `part` terms, the last one perhaps shorter."""

    tile: int
    splits: int
    part: int


_forced: tuple[int | None, int | None] = (None, None)


def forced() -> tuple[int | None, int | None]:
    """(tile, splits) of the innermost `variant` block; None where the rule decides."""
    return _forced


@contextlib.contextmanager
def variant(*, tile: int | None = None, splits: int | None = None) -> Iterator[None]:
    """Within the block every product uses this tile and this number of splits, at most; None leaves it to the rule.

    For tests and measurements. Raises ArgumentError for a tile that does not exist or splits below 1.
    """
    global _forced
    if tile is not None and tile not in TILES:
        raise ArgumentError(f"tile is {tile!r}, expected one of {', '.join(map(str, TILES))}, or None for the rule")
    if splits is not None and splits < 1:
        raise ArgumentError(f"splits is {splits!r}, expected an integer of at least 1, or None for the rule")
    before, _forced = _forced, (tile, splits)
    try:
        yield
    finally:
        _forced = before


def choose_variant(m: int, n: int, k: int, entries: int = 1) -> Variant:
    """The variant for `entries` products (m, k)·(k, n)."""
    tile, splits = _forced
    if tile is None:
        tile = _rule_for_tile(m, n, entries)
    if splits is None:
        splits = max(1, min(BLOCKS // max(1, _tiles(m, n, entries, tile)), k // SHORTEST))
    part = max(STEP, _round_up(-(-k // splits), STEP))
    return Variant(tile, max(1, -(-k // part)), part)


def _rule_for_tile(m: int, n: int, entries: int) -> int:
    if min(m, n) > 64 and _tiles(m, n, entries, 128) >= BLOCKS:
        return 128
    return 64 if min(m, n) > 32 else 32


def _tiles(m: int, n: int, entries: int, tile: int) -> int:
    return entries * -(-m // tile) * -(-n // tile)


def _round_up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple
