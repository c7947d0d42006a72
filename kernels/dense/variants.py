"""Choose the variant of the CUDA C++ product: the side of its tiles, and the number of parts of a long sum.

A block computes one tile of the output, so the tiles of a product are the blocks that can run at once, and a large GPU
needs about 128 of them. Larger tiles read less: a tile of side T reads 2·T numbers for T² multiplications. Hence:

- large: tiles of 128 if these alone make `BLOCKS` blocks; the product is then bound by its arithmetic.
- otherwise tiles of 64, or of 32 if the output is so narrow that most of a 64 would be outside it (tiny).
- skinny: if even these make fewer than `BLOCKS` blocks, the sum over k is split over several blocks per tile, until
  there are enough blocks or a block is left with `SHORTEST` terms; below that, adding the partial sums costs more than
  it saves. A last kernel adds them in a fixed order.

The rule depends on shapes only, never on the device, so that a program has one order of additions on every GPU. A
choice tuned on a device (`gpugrad.engine.tuning`) overrides the rule, and a `variant` block overrides both.
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
SHORTEST = 64  # fewest terms per block of a split sum
RESIDENT = 256  # RESIDENT / tile blocks run on a multiprocessor at once, by the bounds on registers in dense.cu
STEP = 16  # the terms of a part are a multiple of this: the depth of the deepest tile, and of whole 16-byte loads


class Variant(NamedTuple):
    """Tiles of tile × tile outputs, with the sum over k in parts.

    Parameters
    ----------
    tile : int
        Side of the tiles.
    splits : int
        Number of parts.
    part : int
        Terms per part; the last part may be shorter.
    """

    tile: int
    splits: int
    part: int

    def __str__(self) -> str:
        return f"tile {self.tile}, {self.splits} split{'s' * (self.splits > 1)}"


class Product(NamedTuple):
    """A product that a variant is chosen for.

    Parameters
    ----------
    kernel : str
        Name of the kernel.
    precision : str
        Precision of the factors.
    m, n, k : int
        Sizes of the product (m, k)·(k, n).
    entries : int, default 1
        Number of such products.
    """

    kernel: str
    precision: str
    m: int
    n: int
    k: int
    entries: int = 1

    def __str__(self) -> str:
        return f"{self.kernel}, {self.precision}, {self.m} × {self.k} · {self.k} × {self.n}"

    def scratch(self, splits: int) -> int:
        """Return the elements of workspace of the partial sums; dense_backward_w also sums db.

        Parameters
        ----------
        splits : int
            Number of parts.

        Returns
        -------
        int
            Elements, 0 without a split.
        """
        sums = self.entries * self.m * self.n + (self.n if self.kernel == "dense_backward_w" else 0)
        return splits * sums if splits > 1 else 0


# (tile, splits) of the products tuned on a device.
Choices = Mapping[Product, tuple[int, int]]

_choices: dict[int | None, Choices] = {}  # choices by the index of the GPU; None is the emulator
_forced: tuple[int | None, int | None] = (None, None)


def forced() -> tuple[int | None, int | None]:
    """Return the choice of the innermost `variant` block.

    Returns
    -------
    tuple of (int or None)
        Tile and splits; None where the rule decides.
    """
    return _forced


@contextlib.contextmanager
def variant(*, tile: int | None = None, splits: int | None = None) -> Iterator[None]:
    """Within the block, use this tile and at most this number of splits for every product; for tests and measurements.

    Parameters
    ----------
    tile : int, optional
        Side of the tiles, one of `TILES`; None leaves it to the rule.
    splits : int, optional
        Largest number of parts of a sum, at least 1; None leaves it to the rule.

    Yields
    ------
    None
        Nothing; the block has the variant.

    Raises
    ------
    ArgumentError
        For a tile that does not exist or splits below 1.
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
    """Return the variant of a product: a `variant` block decides first, then `tuned`, then the rule.

    Parameters
    ----------
    m, n, k : int
        Sizes of the product (m, k)·(k, n).
    entries : int, default 1
        Number of such products.
    tuned : tuple of (int, int), optional
        Tile and splits that were tuned.

    Returns
    -------
    Variant
        The variant.
    """
    tile, splits = tuned if tuned is not None and _forced == (None, None) else _forced
    return _completed(m, n, k, entries, tile, splits)


@functools.lru_cache(maxsize=4096)  # asked before every launch of a product
@functools.lru_cache(maxsize=4096)
def _completed(m: int, n: int, k: int, entries: int, tile: int | None, splits: int | None) -> Variant:
    """Return the variant of this tile and number of splits; the rule decides what is None."""
    tile = tile or _rule_for_tile(m, n, entries)
    return _variant(tile, splits or _most_splits(BLOCKS, m, n, k, entries, tile), k)


def use_choices(index: int | None, choices: Choices) -> None:
    """Use these variants for later products.

    Parameters
    ----------
    index : int or None
        Index of the GPU, None for the emulator.
    choices : mapping
        (tile, splits) by product.
    """
    _choices[index] = choices


def tuned_choice(product: Product, array: Any, workspace: Any) -> tuple[int, int] | None:
    """Return the choice tuned for a product on the device of an array.

    Parameters
    ----------
    product : Product
        The product.
    array : array
        An array of the device.
    workspace : array or None
        Scratch of the launch.

    Returns
    -------
    tuple of (int, int), or None
        Tile and splits; None without a choice that the workspace has room for.
    """
    choices = _choices.get(None if isinstance(array, np.ndarray) else array.device.id)
    choice = choices.get(product) if choices else None
    if choice is None or product.scratch(choice[1]) > (0 if workspace is None else workspace.size):
        return None
    return choice


def candidates(product: Product) -> list[Variant]:
    """Return the variants worth measuring, the rule's first.

    These are the tiles that are not mostly outside the output, with 1, 2, 4, … splits: no more blocks than a large GPU
    runs at once, no fewer than `SHORTEST` terms per part. Partial sums thus need about 16 MiB at most.

    Parameters
    ----------
    product : Product
        The product.

    Returns
    -------
    list of Variant
        The variants, each once.
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
