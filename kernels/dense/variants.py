"""Which variant of the CUDA C++ product runs: the side of its tiles, and over how many blocks a long sum is split.

A block computes one tile of the output, so the tiles of a product are the blocks that can run at once, and a large GPU
wants some 128 of them. Larger tiles read less: a tile of side T reads 2·T numbers for T² multiplications. Hence:

- large: tiles of 128 where these alone make `BLOCKS` blocks; the product is then bound by its arithmetic.
- otherwise tiles of 64, or of 32 where the output is so narrow that most of a 64 would lie outside it (tiny).
- skinny: where even these are fewer than `BLOCKS`, the sum over k is split over several blocks for each tile, until
  there are enough blocks or a block is left with `SHORTEST` terms; below that, adding the partial sums costs more than
  it saves. A last kernel adds them in fixed order.

The rule reads shapes only, never the device, so that one program has one order of additions on every GPU. What was
tuned on a device (`gpugrad.engine.tuning`) comes before the rule, and a `variant` block before both.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from ...errors import ArgumentError
from ..contract import CHECKED

TILES = (128, 64, 32)
BLOCKS = 128  # about the number of multiprocessors of a large GPU: 108 on A100, 132 on H100, 128 on RTX 4090
SHORTEST = 64  # terms a block sums at least when a sum is split
RESIDENT = 256  # divided by the tile: blocks that a multiprocessor holds at once, as dense.cu bounds their registers
STEP = 16  # a part of a split sum is a multiple of it: the depth of the deepest tile, and of whole 16-byte loads


class Variant(NamedTuple):
    """Tiles of tile × tile outputs; the sum over k in `splits` parts of `part` terms, the last one perhaps shorter."""

    tile: int
    splits: int
    part: int

    def __str__(self) -> str:
        return f"tile {self.tile}, {self.splits} split{'s' * (self.splits > 1)}"


class Product(NamedTuple):
    """`entries` products (m, k)·(k, n) by one kernel in one precision: what a variant is chosen for."""

    kernel: str
    precision: str
    m: int
    n: int
    k: int
    entries: int = 1

    def __str__(self) -> str:
        return f"{self.kernel}, {self.precision}, {self.m} × {self.k} · {self.k} × {self.n}"

    def scratch(self, splits: int) -> int:
        """Numbers of workspace that the partial sums take; dense_backward_w adds up db beside dw."""
        sums = self.entries * self.m * self.n + (self.n if self.kernel == "dense_backward_w" else 0)
        return splits * sums if splits > 1 else 0


# (tile, splits) of the products that were tuned on a device.
Choices = Mapping[Product, tuple[int, int]]

_choices: dict[int | None, Choices] = {}  # of each GPU by its index, and of the emulator, which has none
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
    CHECKED.clear()  # the scratch that a product needs follows from the variant
    try:
        yield
    finally:
        _forced = before
        CHECKED.clear()


def choose_variant(m: int, n: int, k: int, entries: int = 1, tuned: tuple[int, int] | None = None) -> Variant:
    """The variant for `entries` products (m, k)·(k, n).

    That of a `variant` block; outside of one `tuned`, a (tile, splits), or without it the rule's.
    """
    tile, splits = tuned if tuned is not None and _forced == (None, None) else _forced
    return _completed(m, n, k, entries, tile, splits)


@functools.lru_cache(maxsize=4096)  # asked before every launch of a product
def _completed(m: int, n: int, k: int, entries: int, tile: int | None, splits: int | None) -> Variant:
    """Return the variant of this tile and number of splits; the rule decides what is None."""
    tile = tile or _rule_for_tile(m, n, entries)
    return _variant(tile, splits or _most_splits(BLOCKS, m, n, k, entries, tile), k)


def use_choices(index: int | None, choices: Choices) -> None:
    """From now on products in the memory of this GPU, or of the emulator (None), have these variants."""
    _choices[index] = choices


def tuned_choice(product: Product, array: Any, workspace: Any) -> tuple[int, int] | None:
    """What was tuned for a product of the array's device; None too where the workspace has no room for its parts."""
    choices = _choices.get(None if isinstance(array, np.ndarray) else array.device.id)
    choice = choices.get(product) if choices else None
    if choice is None or product.scratch(choice[1]) > (0 if workspace is None else workspace.size):
        return None
    return choice


def candidates(product: Product) -> list[Variant]:
    """The variants worth measuring, the rule's first.

    These are the tiles that do not lie outside the output for the most part, with 1, 2, 4, … splits: no more blocks
    than a large GPU holds at once, no fewer than `SHORTEST` terms a part. Partial sums thus take some 16 MiB at most.
    """
    _, _, m, n, k, entries = product
    tile = _rule_for_tile(m, n, entries)
    found = [_variant(tile, _most_splits(BLOCKS, m, n, k, entries, tile), k)]
    for tile in TILES:
        if tile == TILES[-1] or min(m, n) > tile // 2:
            most = _most_splits(BLOCKS * RESIDENT // tile, m, n, k, entries, tile)
            found += [_variant(tile, 2**power, k) for power in range(most.bit_length())]
    return list(dict.fromkeys(found))


def _variant(tile: int, splits: int, k: int) -> Variant:
    part = max(STEP, _round_up(-(-k // splits), STEP))
    return Variant(tile, max(1, -(-k // part)), part)


def _most_splits(blocks: int, m: int, n: int, k: int, entries: int, tile: int) -> int:
    return max(1, min(blocks // max(1, _tiles(m, n, entries, tile)), k // SHORTEST))


def _rule_for_tile(m: int, n: int, entries: int) -> int:
    if min(m, n) > 64 and _tiles(m, n, entries, 128) >= BLOCKS:
        return 128
    return 64 if min(m, n) > 32 else 32


def _tiles(m: int, n: int, entries: int, tile: int) -> int:
    return entries * -(-m // tile) * -(-n // tile)


def _round_up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple
