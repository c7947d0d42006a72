"""Arrays in global memory: accesses of a set of blocks, atomics, and whether accesses are in an order.

Within a block a barrier orders the accesses of two threads. Between blocks they need a release and an acquire: the
other thread, or one that it met at a barrier, calls a fence and then an atomic; later this thread, or one that it meets
at a barrier, calls an atomic.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .core import Core, differs
from .group import Group
from .memory import ALLOCATION_SHIFT, Allocation

THREAD_MASK = (1 << 32) - 1
TIME_SHIFT = 32
UNSIGNED = np.dtype("u8")
BITWISE = {"min": np.minimum, "max": np.maximum, "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor}


class Arrays(Core):
    """Global memory; `Machine` inherits it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # Of each block: whether it has called a fence; its last atomic after one: thread, time, last barrier before it;
        # its last atomic: thread, time.
        self._fenced = np.zeros(self.blocks, bool)
        self._released, self._acquired = np.full((self.blocks, 3), -1, "i8"), np.full((self.blocks, 2), -1, "i8")

    # ---- addresses ----

    def locate(self, g: Group, address: Any, size: int, number: int, write: bool) -> tuple[Allocation | None, Any]:
        """Return the allocation of an access and the offset in it; (None, None) if it is of several allocations."""
        first = int(address.flat[0]) if address.shape else int(address)
        verb = "writes" if write else "reads"
        allocation = self.memory.allocations.get(first >> ALLOCATION_SHIFT)
        if allocation is None:
            self.fault(g, number, f"{verb} {size} bytes at the address {first:#x}, where no array is")
            raise AssertionError
        offset = address - np.int64(allocation.base)
        # An offset below 0 is a huge one as an unsigned number.
        highest = int(offset.view(UNSIGNED).max())
        bits = int(np.bitwise_or.reduce(address, axis=None)) if offset.shape else int(address)
        if highest + size > allocation.size:
            if address.shape and (address >> ALLOCATION_SHIFT != first >> ALLOCATION_SHIFT).any():
                return None, None
            self.fault(
                g,
                number,
                lambda p: f"{verb} {allocation.element(int(g.spread(offset).flat[p]), size)}, which has {allocation}",
                (offset < 0) | (offset + size > allocation.size),
            )
        if bits % size and ((address % size) != 0).any():
            self.fault(
                g,
                number,
                lambda p: (
                    f"{verb} {size} bytes at {allocation.element(int(g.spread(offset).flat[p]), size)}, "
                    f"which is misaligned: its address is no multiple of {size}"
                ),
                address % size != 0,
            )
        if write and not allocation.writable:
            self.fault(
                g,
                number,
                lambda p: f"writes {allocation.element(int(g.spread(offset).flat[p]), size)}, which is an input",
            )
        return allocation, offset

    # ---- accesses ----

    def array_load(self, g: Group, address: Any, dtype: np.dtype, count: int, number: int) -> Any:
        """Read global memory."""
        size = dtype.itemsize * count
        allocation, offset = self.locate(g, address, size, number, False)
        if allocation is None:
            return self._load_apart(g, address, dtype, count, number)
        if self.checks and allocation.writable:
            self._check_array_read(g, allocation, offset, size, number)
        view, index = allocation.view(dtype), offset >> dtype.itemsize.bit_length() - 1
        if not offset.shape:
            return view[index] if count == 1 else [view[index + j] for j in range(count)]
        return view.take(index) if count == 1 else [view.take(index + j) for j in range(count)]

    def array_store(self, g: Group, address: Any, values: list, dtype: np.dtype, number: int) -> None:
        """Write to global memory."""
        size = dtype.itemsize * len(values)
        allocation, offset = self.locate(g, address, size, number, True)
        if allocation is None:
            self._store_apart(g, address, values, dtype, number)
            return
        view, index = allocation.view(dtype), g.spread(offset >> dtype.itemsize.bit_length() - 1)
        lost = self._check_array_write(g, allocation, offset, size, number) if self.checks else None
        for j, value in enumerate(values):
            view[index + j if j else index] = value
        if lost is not None and len(values) == 1 and (wrong := lost & differs(view[index], values[0])).any():
            self.fault(
                g,
                number,
                lambda p: (
                    f"writes {allocation.element(int(g.spread(offset).flat[p]), size)} "
                    "while another thread writes another value to it"
                ),
                wrong,
            )

    def _parts(self, g: Group, address: Any) -> Any:
        """Yield (threads, addresses) of each allocation that the addresses are in."""
        flat = g.spread(address).reshape(-1)
        for number in np.unique(flat >> ALLOCATION_SHIFT):
            here = np.flatnonzero(flat >> ALLOCATION_SHIFT == number)
            yield here, flat[here]

    def _load_apart(self, g: Group, address: Any, dtype: np.dtype, count: int, number: int) -> Any:
        out = np.zeros((count, g.size), dtype)
        for here, there in self._parts(g, address):
            out[:, here] = self.array_load(g.part(here), there, dtype, count, number)
        shaped = out.reshape(count, *g.layout)
        return shaped[0] if count == 1 else list(shaped)

    def _store_apart(self, g: Group, address: Any, values: list, dtype: np.dtype, number: int) -> None:
        for here, there in self._parts(g, address):
            parts = [g.spread(value).reshape(-1)[here] for value in values]
            self.array_store(g.part(here), there, parts, dtype, number)

    # ---- order ----

    def _words(self, g: Group, allocation: Allocation, offset: Any, size: int) -> np.ndarray:
        words = g.spread(offset >> allocation.unit.bit_length() - 1)
        if (count := size // allocation.unit) > 1:
            words = words + np.arange(count).reshape(-1, *(1,) * words.ndim)
        return words

    def _threads_of(self, g: Group) -> np.ndarray:
        return self.grid_thread if g.all else self.grid_thread.reshape(-1)[g.idx]

    def _conflict(self, words: np.ndarray, own: np.ndarray, stamps: np.ndarray) -> tuple[tuple, int] | None:
        """Return where another thread was at a word and nothing orders the two, and that thread; or None."""
        stamp = stamps[words]
        other = stamp & THREAD_MASK
        conflict = (stamp >= 0) & (other != own)
        if not conflict.any():
            return None
        places = np.nonzero(conflict)
        mine, theirs, time = np.broadcast_to(own, conflict.shape)[places], other[places], stamp[places] >> TIME_SHIFT
        block, other_block = mine // self.threads, theirs // self.threads
        start = self.block_time[block - self.first_block, 0]
        by, at, since = self._released[other_block].T
        out = (time <= at) & ((by == theirs) | (time < since))
        reader, heard = self._acquired[block].T
        ordered = np.where(
            block == other_block, time < start, out & (at <= heard) & ((reader == mine) | (heard < start))
        )
        if self.warp_time is not None:
            first = self.first_block * self.threads
            partner = np.clip(theirs - first, 0, self.warp_time.size - 1)
            synced = np.minimum(self.warp_time[mine - first], self.warp_time[partner])
            same = (block == other_block) & (mine % self.threads // 32 == theirs % self.threads // 32)
            ordered |= same & (time < synced)
        if ordered.all():
            return None
        return tuple(int(place[~ordered][0]) for place in places), int(theirs[~ordered][0])

    def _check_order(
        self, g: Group, allocation: Allocation, words: Any, own: Any, stamps: Any, number: int, verbs: tuple
    ) -> None:
        found = self._conflict(words, own, stamps)
        if found is None:
            return
        place, other = found
        wrong = np.zeros(g.layout, bool)
        wrong[place[-wrong.ndim :]] = True
        does, did = verbs
        mine = int(np.broadcast_to(own, words.shape)[place])
        within = mine // self.threads == other // self.threads
        name = allocation.element(int(words[place]) * allocation.unit, allocation.itemsize)
        remedy = "a barrier" if within else "a fence and an atomic, or another launch,"
        self.fault(
            g,
            number,
            f"{does} {name}, which {self.grid_thread_name(other, within)} {did}: nothing puts the two in an order, "
            f"expected {remedy} in between",
            wrong,
        )

    def _check_array_read(self, g: Group, allocation: Allocation, offset: Any, size: int, number: int) -> None:
        allocation.remember()
        words, own = self._words(g, allocation, offset, size), self._threads_of(g)
        self._check_order(g, allocation, words, own, allocation.writer, number, ("reads", "wrote"))
        allocation.reader[words] = (self.clock << TIME_SHIFT) | own
        if offset.ndim == 0 and own.size > self.threads:  # all read one word: keep a reader of the first block too
            first = own.reshape(-1)
            last_of_first = first[first // self.threads == first[0] // self.threads][-1]
            allocation.early.setdefault(int(offset) // allocation.unit, (self.clock << TIME_SHIFT) | int(last_of_first))

    def _check_array_write(
        self, g: Group, allocation: Allocation, offset: Any, size: int, number: int
    ) -> np.ndarray | None:
        """Check and note a write; return where another thread of the same instruction was the last one, or None."""
        allocation.remember()
        words, own = self._words(g, allocation, offset, size), self._threads_of(g)
        self._check_order(g, allocation, words, own, allocation.writer, number, ("writes", "wrote"))
        self._check_order(g, allocation, words, own, allocation.reader, number, ("writes", "read"))
        if allocation.early:
            early = np.full(allocation.reader.size, -1, "i8")
            early[list(allocation.early)] = list(allocation.early.values())
            self._check_order(g, allocation, words, own, early, number, ("writes", "read"))
        stamp = (self.clock << TIME_SHIFT) | own
        allocation.writer[words] = stamp
        lost = allocation.writer[words] != stamp
        return lost if lost.any() and lost.shape == g.layout else None

    # ---- fences and atomics ----

    def fence(self, g: Group) -> None:
        """Note that the blocks of these threads have called a fence."""
        blocks = np.arange(self.shape[0]) if g.all else np.unique(g.blocks)
        self._fenced[self.first_block + blocks] = True

    def array_atomic(self, g: Group, addresses: Any, dtype: np.dtype, number: int) -> tuple[Any, Any]:
        """Return (places, elements) of an atomic access."""
        allocation, offset = self.locate(g, addresses, dtype.itemsize, number, True)
        if allocation is None:
            self.fault(g, number, "changes several arrays in one atomic, which the machine does not have")
            raise AssertionError
        return offset // dtype.itemsize, allocation.view(dtype)

    def atomic_in_order(
        self, g: Group, places: Any, view: Any, operation: str, values: list, shared: bool
    ) -> np.ndarray:
        """Change elements thread by thread, and return what they were.

        In global memory an atomic releases what its block wrote before its last fence, and acquires what others did.
        """
        old = np.zeros(g.size, view.dtype)
        threads = self.grid_thread.reshape(-1)[g.idx]
        for k, place in enumerate(places):
            old[k] = view[place]
            view[place] = _changed(operation, old[k], *(value[k] for value in values))
            if not shared:
                self.clock += 1
                thread = int(threads[k])
                block = thread // self.threads
                if self._fenced[block]:
                    self._released[block] = thread, self.clock, self.block_time[block - self.first_block, 0]
                self._acquired[block] = thread, self.clock
        return old


def _changed(operation: str, before: Any, x: Any, new: Any = None) -> Any:
    if operation == "add":
        return before + x
    if operation == "exch":
        return x
    if operation == "cas":
        return new if before == x else before
    if operation == "inc":
        return 0 if before >= x else before + 1
    if operation == "dec":
        return x if before == 0 or before > x else before - 1
    return BITWISE[operation](before, x)
