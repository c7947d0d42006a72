"""Shared memory of a set of blocks: accesses, asynchronous copies, and whether they are in an order.

Each word has two stamps, of the last access that wrote it and of the last one that read it:
`time << 28 | instruction << 11 | thread`. An access of another thread after the block's last barrier is a race, unless
a bar.warp.sync of both threads lies between. The stamps of words that hold nothing are such that one comparison with
the time of that barrier finds all accesses to look at: as an unsigned number, that of an unwritten word is the latest.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from .core import NUMBER_BITS, THREAD_BITS, WARP, Core, differs
from .group import Group
from .memory import SHARED, SHARED_END
from .program import GAP_BYTES, plain_name

UNWRITTEN = -1
GAP = (1 << 63) - 1
PENDING = GAP - 1  # an asynchronous copy has not arrived
UNSIGNED = np.dtype("u8")
MOST_READS = 64  # accesses whose stamps wait
POISON = np.uint32(0x7FC0DEAD)  # a NaN
THREAD_MASK = (1 << THREAD_BITS) - 1
TIME_SHIFT = NUMBER_BITS + THREAD_BITS


class SharedMemory(Core):
    """Shared memory; `Machine` inherits it."""

    def begin_set(self, first: int, blocks: int) -> None:
        """Begin with a set of blocks, whose shared memory holds nothing."""
        super().begin_set(first, blocks)
        self.stride = -(-self.shared_bytes // 16) * 16  # bytes from one block's memory to the next
        self._bytes = np.full(blocks * self.stride // 4 + 4, POISON, "u4")
        self._typed = {
            str(np.dtype(d).str): self._bytes.view(d)
            for d in ["u1", "i1", "u2", "i2", "f2", "u4", "i4", "f4", "u8", "i8", "f8"]
        }
        unit = self.program.unit
        self._unit_shift = unit.bit_length() - 1
        self._writer = np.full(self._bytes.nbytes // unit, UNWRITTEN, "i8")
        self._reader = self._writer.copy()
        self._reads: list[tuple[Any, Group, int, int]] = []  # words that were read, by whom, where and when
        rows = self._writer[: blocks * self.stride // unit].reshape(blocks, -1)
        for begin, end, _ in self.program.layout:
            if begin < end:
                rows[:, -(-end // unit) : (-(-end // 4) * 4 + GAP_BYTES) // unit] = GAP
        self._block_start = np.arange(blocks, dtype="i8")[:, None] * self.stride
        self._pending: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []
        self._groups = np.zeros(blocks * self.threads, "i8")  # of copies that each thread has committed

    @staticmethod
    def in_shared(address: Any) -> bool:
        """Return whether a generic address is in shared memory; that of the first thread decides."""
        first = int(address.flat[0]) if address.shape else int(address)
        return SHARED <= first < SHARED_END

    # ---- addresses ----

    def shared_place(self, g: Group, address: Any, dtype: np.dtype, count: int, number: int) -> tuple[Any, Any]:
        """Return where an access is, in elements and in words with stamps; refuse it outside or misaligned.

        Both have a leading axis if there are several elements or words.
        """
        size = dtype.itemsize * count
        offset = np.asarray(address, "i8") - SHARED
        if (
            int(np.maximum.reduce(offset.view(UNSIGNED), axis=None)) + size > self.shared_bytes
        ):  # an offset below 0 is a huge one
            wrong = (offset < 0) | (offset + size > self.shared_bytes)
            self.fault(g, number, lambda p: self._outside(int(g.spread(offset).flat[p]), size), wrong)
        if int(np.bitwise_or.reduce(offset, axis=None)) % size:
            self.fault(
                g,
                number,
                lambda p: (
                    f"accesses {size} bytes at {self._name(int(g.spread(offset).flat[p]), size)}, "
                    f"which is misaligned: its address is no multiple of {size}"
                ),
                offset % size != 0,
            )
        words = self._in_blocks(g, offset, size, self._unit_shift)
        if dtype.itemsize == self.program.unit:
            return words, words
        return self._in_blocks(g, offset, size, dtype.itemsize.bit_length() - 1), words

    def _in_blocks(self, g: Group, offset: Any, size: int, shift: int) -> Any:
        """Return the places of an access in the memory of all blocks, in units of 2^shift bytes."""
        places = offset >> shift
        if (count := size >> shift) > 1:
            places = places + _leading(count, len(g.layout))
        start = self._block_start >> shift
        return (start if g.all else start[:, 0][g.blocks]) + places

    def _outside(self, offset: int, size: int) -> str:
        return f"accesses {size} bytes at byte {offset} of shared memory, which has {self.shared_bytes} bytes here"

    def _name(self, offset: int, size: int) -> str:
        """Return the element of the variable at a byte of shared memory, in elements of the access."""
        for begin, end, name in reversed(self.program.layout):
            if offset >= begin:
                rest = f" (its {end - begin} bytes end before)" if end > begin and offset >= end else ""
                return f"{plain_name(name)}[{(offset - begin) // size}]{rest}"
        return f"byte {offset} of shared memory"

    def _word_name(self, g: Group, place: int, words: Any, which: int, size: int) -> str:
        """Return the name of word `which` of the access of a thread."""
        flat = np.broadcast_to(words, (*words.shape[: words.ndim - len(g.layout)], *g.layout))
        word = int(flat.reshape(-1, g.size)[which, place])
        return self._name(word * self.program.unit % self.stride, size)

    # ---- accesses ----

    def shared_load(self, g: Group, address: Any, dtype: np.dtype, count: int, number: int) -> Any:
        """Read shared memory."""
        index, words = self.shared_place(g, address, dtype, count, number)
        if self.checks:
            self._check_shared_read(g, words, number, dtype.itemsize)
        value = self._typed[dtype.str].take(index)
        return value if count == 1 else list(value)

    def shared_store(self, g: Group, address: Any, values: list, dtype: np.dtype, number: int) -> None:
        """Write to shared memory."""
        count = len(values)
        index, words = self.shared_place(g, g.spread(address), dtype, count, number)
        value = values[0] if count == 1 else np.stack([g.spread(v) for v in values])
        view = self._typed[dtype.str]
        if self.checks:
            self._check_shared_write(g, words, number, dtype.itemsize)
        view[index] = value
        if self.checks and index.shape == words.shape:
            lost = (self._writer[words] ^ self._own(g, number)) & THREAD_MASK != 0
            if lost.any() and (wrong := lost & differs(view[index], value)).any():
                self.fault(
                    g,
                    number,
                    lambda p: (
                        f"writes {self._word_name(g, p, words, 0, dtype.itemsize)} in shared memory while another "
                        "thread writes another value to it"
                    ),
                    wrong,
                )

    def _own(self, g: Group, number: int, clock: int | None = None) -> Any:
        stamp = ((clock or self.clock) << TIME_SHIFT) | (number << THREAD_BITS)
        return stamp + (self.thread_row if g.all else g.threads)

    def _since(self, g: Group) -> Any:
        """Return the first stamp after the last barrier."""
        first = self.block_time << TIME_SHIFT
        return first if g.all else first[:, 0][g.blocks]

    def _check_shared_read(self, g: Group, words: Any, number: int, size: int) -> None:
        writer, since = self._writer.take(words), self._since(g)
        if np.logical_or.reduce(writer.view(UNSIGNED) >= since.view(UNSIGNED), axis=None):
            self._look_at_read(g, words, writer, self._own(g, number), since, number, size)
        self._reads.append((words, g, number, self.clock))
        if len(self._reads) == MOST_READS:
            self._note_reads()

    def _note_reads(self) -> None:
        """Stamp the words that were read: late, since most reads are followed by a barrier and not by a write."""
        for words, g, number, clock in self._reads:
            own = self._own(g, number, clock)
            if g.all and words.shape[-1] == 1:  # one word for all threads of a block: keep the last one
                own = own[..., -1:]
            self._reader[words] = own
        self._reads.clear()

    def pass_barrier(self) -> None:
        """Forget what was read: all blocks pass a barrier."""
        self._reads.clear()

    def _look_at_read(self, g: Group, words: Any, writer: Any, own: Any, since: Any, number: int, size: int) -> None:
        for state, what in (
            (GAP, ""),
            (PENDING, ", whose asynchronous copy has not been waited for: is a commit or a wait missing before?"),
            (UNWRITTEN, " in shared memory, which nobody has written: is a store or a barrier missing before?"),
        ):
            wrong = writer == state
            if wrong.any():
                self.fault(g, number, lambda p: f"reads {self._first(g, p, words, wrong, size)}{what}", wrong)  # noqa: B023
        race = (writer >= since) & ((writer ^ own) & THREAD_MASK != 0)
        if race.any():
            self._race(g, words, race, writer, number, size, "reads", "wrote")

    def _check_shared_write(self, g: Group, words: Any, number: int, size: int, stamp: bool = True) -> None:
        self._note_reads()
        own, since = self._own(g, number), self._since(g)
        for stamps, verb in ((self._writer, "wrote"), (self._reader, "read")):
            other = stamps.take(words)
            if (other >= since).any():
                self._look_at_write(g, words, other, own, since, number, size, verb)
        if stamp:
            self._writer[words] = own

    def _look_at_write(
        self, g: Group, words: Any, other: Any, own: Any, since: Any, number: int, size: int, verb: str
    ) -> None:
        for state, what in ((GAP, ""), (PENDING, " while an asynchronous copy to it is on its way")):
            wrong = other == state
            if wrong.any():
                self.fault(g, number, lambda p: f"writes {self._first(g, p, words, wrong, size)}{what}", wrong)  # noqa: B023
        race = (other >= since) & ((other ^ own) & THREAD_MASK != 0)
        if race.any():
            self._race(g, words, race, other, number, size, "writes", verb)

    def _first(self, g: Group, place: int, words: Any, wrong: Any, size: int) -> str:
        """Return the name of the first wrong word of a thread's access."""
        column = np.broadcast_to(wrong, (*wrong.shape[: wrong.ndim - len(g.layout)], *g.layout)).reshape(-1, g.size)
        return self._word_name(g, place, words, int(np.flatnonzero(column[:, place])[0]), size)

    def _race(self, g: Group, words: Any, race: Any, other: Any, number: int, size: int, does: str, did: str) -> None:
        """Raise the error of a race, unless a bar.warp.sync orders the two accesses."""
        race, other = g_spread(g, race), g_spread(g, other)
        theirs = other & THREAD_MASK
        if self.warp_time is not None:
            mine = np.arange(g.size) if g.all else g.idx
            flat = race.reshape(-1, g.size)
            start = mine - mine % self.threads
            partner = (start + theirs.reshape(-1, g.size)) % self.warp_time.size
            synced = np.minimum(self.warp_time[mine], self.warp_time[partner])
            same = mine % self.threads // WARP == partner % self.threads // WARP
            ordered = same & ((other.reshape(-1, g.size) >> TIME_SHIFT) < synced)
            race = (flat & ~ordered).reshape(race.shape)
            if not race.any():
                return

        def what(place: int) -> str:
            which = int(np.flatnonzero(race.reshape(-1, g.size)[:, place])[0])
            stamp = int(other.reshape(-1, g.size)[which, place])
            thread = self.grid_thread_name(stamp & THREAD_MASK, within=True)
            at = self.program.place(stamp >> THREAD_BITS & ((1 << NUMBER_BITS) - 1)).partition(",")[0]
            name = self._word_name(g, place, words, which, size)
            line = f" at {at}" if at else ""
            return f"{does} {name} in shared memory, which {thread} {did}{line} with no barrier in between"

        self.fault(g, number, what, race)

    def shared_atomic(self, g: Group, addresses: Any, dtype: np.dtype, number: int) -> tuple[Any, Any]:
        """Return (places, elements) of an atomic access, which initializes nothing and races with nothing."""
        index, words = self.shared_place(g, addresses, dtype, 1, number)
        if self.checks:
            writer = self._writer[words]
            own = np.where((writer < 0) | (writer >= PENDING), self._own(g, number), writer)  # never a race
            self._look_at_read(g, words, writer, own, self._since(g), number, dtype.itemsize)
        return index, self._typed[dtype.str]

    # ---- asynchronous copies ----

    def copy_async(self, g: Group, target: Any, source: Any, size: int, given: Any, number: int) -> None:
        """Begin to copy `given` of `size` bytes from global memory; the rest is zeros."""
        threads = g.flat()
        target, source, given = (g.spread(value).reshape(-1) for value in (target, source, given))
        word = np.dtype("u4")
        index, words = self.shared_place(threads, target, word, size // 4, number)
        if self.checks:
            self._check_shared_write(threads, words, number, size, stamp=False)
        index, words = index.reshape(-1, threads.size), words.reshape(-1, threads.size)
        data = np.zeros((size // 4, threads.size), "u4")
        some = np.flatnonzero(given)
        if some.size:
            if (partly := given[some] != size).any():
                what = f"copies a part of its {size} bytes, which the machine does not have"
                self.fault(threads.part(some), number, what, partly)
            data[:, some] = self.load(threads.part(some), source[some], word, size // 4, "global", number)
        self._bytes[index] = POISON
        self._writer[words] = PENDING
        self._pending.append((threads.idx, words, data, self._groups[threads.idx].copy()))

    def load(self, g: Group, address: Any, dtype: np.dtype, count: int, space: str, number: int) -> Any:
        """Read memory; see `Machine.load`."""
        raise NotImplementedError

    def copy_commit(self, g: Group) -> None:
        """Close the group of the copies since the last commit."""
        self._groups[slice(None) if g.all else g.idx] += 1

    def copy_wait(self, g: Group, newest: int) -> None:
        """Wait for the copies of each thread, but for those of its newest groups."""
        here = np.zeros(self._groups.size, bool)
        here[slice(None) if g.all else g.idx] = True
        waiting = []
        for idx, words, data, group in self._pending:
            lands = here[idx] & (group < self._groups[idx] - newest)
            if lands.any():
                self._land(idx[lands], words[:, lands], data[:, lands])
            if not lands.all():
                waiting.append((idx[~lands], words[:, ~lands], data[:, ~lands], group[~lands]))
        self._pending = waiting

    def _land(self, idx: np.ndarray, words: np.ndarray, data: np.ndarray) -> None:
        unit = self.program.unit
        self._bytes[words[:: 4 // unit] * unit // 4] = data
        self._writer[words] = (self.clock << TIME_SHIFT) | (idx % self.threads)


@functools.cache
def _leading(count: int, axes: int) -> np.ndarray:
    """Return 0, 1, … along an axis before those of the threads."""
    return np.arange(count).reshape(-1, *(1,) * axes)


def g_spread(g: Group, value: np.ndarray) -> np.ndarray:
    """Return an array of words and threads with one element per thread along the last axes."""
    return np.broadcast_to(value, (*value.shape[: value.ndim - len(g.layout)], *g.layout))
