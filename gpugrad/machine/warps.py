"""Warps: shuffles, votes, reductions and tensor-core products of 32 lanes, for many warps at once; votes of blocks."""

from __future__ import annotations

from typing import Any

import numpy as np

from .core import WARP, Core
from .group import Group

LANES = np.arange(WARP)
COMBINE: dict[str, np.ufunc] = {"add": np.add, "min": np.minimum, "max": np.maximum}
COMBINE |= {"and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor}


class Warps(Core):
    """Instructions of a warp; `Machine` inherits it. The scheduler has waited for the lanes that a mask names."""

    def warp_sync(self, g: Group) -> None:
        """Order the accesses of these threads, bar.warp.sync."""
        self.clock += 1
        if self.warp_time is None:
            self.warp_time = np.zeros(self.everyone.size, "i8")
        self.warp_time[slice(None) if g.all else g.idx] = self.clock

    def _whole(self, g: Group) -> bool:
        """Return whether the threads are whole warps."""
        if self.threads % WARP:
            return False
        if g.all:
            return True
        first, last = g.idx[::WARP], g.idx[WARP - 1 :: WARP]
        return g.size % WARP == 0 and bool((first % WARP == 0).all()) and bool((last - first == WARP - 1).all())

    def _lanes(self, g: Group, value: Any) -> np.ndarray:
        """Return a register of whole warps as (warps, 32)."""
        return np.ascontiguousarray(g.spread(value)).reshape(-1, WARP)

    def shuffle(self, g: Group, mode: str, a: Any, b: Any, c: Any, mask: Any, number: int) -> tuple[Any, Any]:
        """Return the value of another lane, and whether that lane is within the segment."""
        if not np.ndim(b) and not np.ndim(c) and not np.ndim(mask) and self._whole(g):
            source, within = _source(mode, LANES, int(b), int(c))
            named = (int(mask) >> source & 1).astype(bool)
            if named.all():
                values = self._lanes(g, a)[:, source].reshape(g.layout)
                return values, np.tile(within, g.size // WARP).reshape(g.layout)
        flat = g.flat()
        a, b, c, mask = (g.spread(value).reshape(-1) for value in (a, b, c, mask))
        lane = flat.threads % WARP
        source, within = _source(mode, lane, b.astype("i8"), c.astype("i8"))
        place = flat.idx - lane + source
        values, present = (np.zeros(self.everyone.size + WARP, dtype) for dtype in (a.dtype, bool))
        values[flat.idx], present[flat.idx] = a, True
        wrong = ((mask.astype("i8") >> source) & 1 == 0) | ~present[place]
        if wrong.any():
            self.fault(
                flat,
                number,
                lambda p: (
                    f"reads lane {int(source[p])} in a shuffle, which does not take part, with the mask "
                    f"{int(mask[p]):#010x}"
                ),
                wrong,
            )
        return values[place].reshape(g.layout), within.reshape(g.layout)

    def _by_warp(self, g: Group) -> tuple[Group, np.ndarray, np.ndarray]:
        """Return the threads by place, their warps, and the bits of their lanes."""
        flat = g.flat()
        warp = flat.blocks * -(-self.threads // WARP) + flat.threads // WARP
        return flat, warp, 2.0 ** (flat.threads % WARP)

    def vote(self, g: Group, mode: str, value: Any) -> Any:
        """Return what the lanes of each warp say together."""
        _, warp, bit = self._by_warp(g)
        yes = np.bincount(warp, weights=np.where(g.spread(value).reshape(-1), bit, 0)).astype("i8")[warp]
        here = np.bincount(warp, weights=bit).astype("i8")[warp]
        if mode == "ballot":
            return yes.astype("u4").reshape(g.layout)
        return {"any": yes != 0, "all": yes == here, "uni": (yes == here) | (yes == 0)}[mode].reshape(g.layout)

    def block_vote(self, g: Group, operation: str, value: Any) -> Any:
        """Return how many threads of the block say yes, or whether all or any do; they have met at a barrier."""
        blocks = g.flat().blocks
        yes = np.bincount(blocks, weights=g.spread(value).reshape(-1), minlength=self.shape[0]).astype("i4")[blocks]
        return {"popc": yes, "and": yes == self.threads, "or": yes > 0}[operation].reshape(g.layout)

    def match(self, g: Group, value: Any) -> Any:
        """Return the lanes of each warp that have the same value."""
        _, warp, bit = self._by_warp(g)
        pairs = np.stack([warp.astype("u8"), g.spread(value).reshape(-1).astype("u8")])
        _, same = np.unique(pairs, axis=1, return_inverse=True)
        same = same.reshape(-1)
        return np.bincount(same, weights=bit).astype("i8")[same].astype("u4").reshape(g.layout)

    def redux(self, g: Group, operation: str, value: Any) -> Any:
        """Return the sum, extreme or bitwise combination over each warp, to all of its lanes."""
        _, warp, _ = self._by_warp(g)
        value = np.ascontiguousarray(g.spread(value)).reshape(-1)
        first = np.flatnonzero(np.r_[True, warp[1:] != warp[:-1]])
        totals = COMBINE[operation].reduceat(value, first, dtype=value.dtype)
        return totals[np.cumsum(np.r_[0, warp[1:] != warp[:-1]])].reshape(g.layout)

    def mma(self, g: Group, kind: str, a: list, b: list, c: list, number: int) -> list:
        """Return c + a·b over each warp: a is (16, depth), b (depth, 8); PTX ISA, matrix fragments for mma.m16n8k8."""
        if not self._whole(g):
            self.fault(g, number, "runs a tensor-core instruction without the other lanes of its warp")
        a, b = ([self._lanes(g, word) for word in words] for words in (a, b))
        row, t = LANES // 4, LANES % 4
        near = 1 if kind == "tf32" else 2  # numbers in a word
        depth, warps = 8 * near, len(a[0])
        left, right = np.empty((warps, 16, depth)), np.empty((warps, depth, 8))
        for half in range(2):
            for j in range(near):
                k = t * near + j + half * depth // 2
                left[:, row, k] = _number(a[2 * half], kind, j)
                left[:, row + 8, k] = _number(a[2 * half + 1], kind, j)
                right[:, k, row] = _number(b[half], kind, j)
        product = np.matmul(left, right)
        places = [(row + 8 * (i // 2), 2 * t + i % 2) for i in range(4)]
        return [(c[i] + product[:, r, k].reshape(g.layout)).astype("f4") for i, (r, k) in enumerate(places)]


def _source(mode: str, lane: np.ndarray, b: Any, c: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return which lane each lane reads, and whether it is within the segment; PTX ISA, shfl.sync."""
    clamp, segment, b = c & 31, (c >> 8) & 31, b & 31
    low = lane & segment
    high = low | (clamp & ~segment)
    if mode == "up":
        source = lane - b
        within = source >= high
    elif mode == "down":
        source = lane + b
        within = source <= high
    elif mode == "bfly":
        source = lane ^ b
        within = source <= high
    else:
        source = low | (b & ~segment)
        within = source <= high
    return np.where(within, source, lane), within


def _number(words: np.ndarray, kind: str, j: int) -> np.ndarray:
    """Return number j of each word."""
    if kind == "tf32":
        return (words & np.uint32(0xFFFFE000)).view("f4")
    return (words << np.uint32(16)).view("f4") if j == 0 else (words & np.uint32(0xFFFF0000)).view("f4")
