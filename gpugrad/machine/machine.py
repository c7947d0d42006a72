"""The machine: runs a translated kernel for sets of blocks at once.

Threads that stand at the same piece run together, those furthest back first, so they meet again where their ways join.
A barrier holds threads until all of their block are there, a warp instruction until the lanes of its mask are.
"""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from ..errors import KernelError
from .arrays import Arrays
from .core import WARP
from .group import Group, take
from .shared import SharedMemory
from .translate import Piece
from .warps import Warps

SET = 8192  # threads that run together: fewer lose to Python, more to the caches of the CPU
FULL_MASK = 0xFFFFFFFF
PIECES_PER_LOOK = 1 << 12  # pieces between two looks at the clock


class Machine(Arrays, SharedMemory, Warps):
    """Runs one launch; see `Core` for its parameters."""

    def run(self) -> None:
        """Run the launch to its end.

        Raises
        ------
        KernelError
            For a fault; the message names kernel, line, block, thread and element.
        """
        self._deadline = time.monotonic() + _seconds()
        self._pieces = 0
        size = max(1, SET // self.threads)
        with np.errstate(all="ignore"):
            for first in range(0, self.blocks, size):
                self._run_set(first, min(size, self.blocks - first))

    # ---- what the pieces call ----

    def load(self, g: Group, address: Any, dtype: np.dtype, count: int, space: str, number: int) -> Any:
        """Read `count` elements per thread; return an array, or a list of them."""
        if space == "shared" or (space == "generic" and self.in_shared(address)):
            return self.shared_load(g, address, dtype, count, number)
        return self.array_load(g, address, dtype, count, number)

    def store(self, g: Group, address: Any, values: list, dtype: np.dtype, space: str, number: int) -> None:
        """Write elements."""
        if space == "shared" or (space == "generic" and self.in_shared(address)):
            self.shared_store(g, address, values, dtype, number)
        else:
            self.array_store(g, address, values, dtype, number)

    def atomic(self, g: Group, address: Any, operation: str, values: list, dtype: np.dtype, number: int) -> Any:
        """Change an element per thread, and return what it was."""
        flat, address = g.flat(), g.spread(address).reshape(-1)
        shared = self.in_shared(address)
        find = self.shared_atomic if shared else self.array_atomic
        places, view = find(flat, address, dtype, number)
        values = [g.spread(value).reshape(-1) for value in values]
        return self.atomic_in_order(flat, places, view, operation, values, shared).reshape(g.layout)

    # ---- the schedule ----

    def _run_set(self, first: int, blocks: int) -> None:
        self.begin_set(first, blocks)
        self._registers = list(self.program.registers)
        self._exited, self._arrived = np.zeros(blocks, "i8"), np.zeros(blocks, "i8")
        self._waits = np.full(self.everyone.size, -1, "i4")  # piece after the barrier at which each thread waits
        self._ready: dict[int, list[Group]] = {0: [self.everyone]}
        self._parked: dict[int, list[Group]] = {}  # threads that wait for other lanes of their warps
        while self._ready:
            place = min(self._ready)
            self._run_group(place, _merged(self.everyone, self._ready.pop(place) + self._parked.pop(place, [])))
        if self._parked:
            place, groups = next(iter(self._parked.items()))
            what = "waits for lanes that its mask names and that never come"
            self.fault(groups[0], self.program.pieces[place].first, what)
        if (waiting := np.flatnonzero(self._waits >= 0)).size:
            self._unreached(int(waiting[0]))

    def _run_group(self, place: int, g: Group) -> None:
        """Run a group until it parts, waits, ends or meets others."""
        while True:
            piece = self.program.pieces[place]
            if piece.mask is not None:
                there, late = self._converged(piece, g)
                if late is not None:
                    self._parked.setdefault(place, []).append(late)
                if there is None:
                    return
                g = there
            predicate = self._run_piece(place, piece, g)
            if piece.end == "next":
                place += 1
            elif piece.end == "jump":
                place = piece.target
            elif piece.end == "branch":
                jumps = self._branch(place, piece, predicate, g)
                if jumps is None:
                    return
                place = piece.target if jumps else place + 1
            elif piece.end == "barrier":
                if not g.all:
                    self._wait(place, g)
                    return
                self.clock += 1
                self.block_time[:] = self.clock
                self.pass_barrier()
                place += 1
            else:
                self._exit(g)
                return
            if (self._ready and min(self._ready) <= place) or place in self._parked:
                self._ready.setdefault(place, []).append(g)
                return

    def _run_piece(self, place: int, piece: Piece, g: Group) -> Any:
        self._pieces += 1
        if self._pieces % PIECES_PER_LOOK == 0 and time.monotonic() > self._deadline:
            self.fault(g, piece.first, f"still runs after {_seconds():g} seconds: does a loop not end?")
        return piece.run(self, self._registers, g)

    def _branch(self, place: int, piece: Piece, predicate: Any, g: Group) -> bool | None:
        """Return whether all threads jump, or none; None if they part."""
        if not predicate.shape:
            return bool(predicate) != piece.negated
        flat = g.spread(predicate).reshape(-1)
        count = int(np.count_nonzero(flat))
        if count in (0, flat.size):
            return (count > 0) != piece.negated
        jumps, stays = np.flatnonzero(flat), np.flatnonzero(~flat)
        if piece.negated:
            jumps, stays = stays, jumps
        self._ready.setdefault(piece.target, []).append(g.part(jumps))
        self._ready.setdefault(place + 1, []).append(g.part(stays))
        return None

    def _exit(self, g: Group) -> None:
        if g.all:
            self._exited += self.threads
            return
        self._exited += np.bincount(g.blocks, minlength=self.shape[0])
        short = np.flatnonzero((self._arrived > 0) & (self._arrived + self._exited == self.threads))
        if short.size:
            block = int(short[0])
            self._unreached(block * self.threads + int(np.flatnonzero(self._waits.reshape(self.shape)[block] >= 0)[0]))

    # ---- barriers ----

    def _wait(self, place: int, g: Group) -> None:
        """Hold threads at a barrier; release the blocks of which all are there."""
        self._waits[g.idx] = place + 1
        came = np.bincount(g.blocks, minlength=self.shape[0])
        self._arrived += came
        blocks = np.flatnonzero((self._arrived == self.threads) & (came > 0))
        if not blocks.size:
            return
        places = self._waits.reshape(self.shape)[blocks]
        apart = places != places[:, :1]
        if apart.any():
            row, thread = (int(place[0]) for place in np.nonzero(apart))
            here, there = (self._barrier_of(int(places[row, t])) for t in (thread, 0))
            other = self.program.place(there).partition(",")[0] or self.program.instruction(there).text
            group = Group(self.shape, np.array([int(blocks[row]) * self.threads + thread]))
            first = self.grid_thread_name(0, within=True)
            self.fault(
                group, here, f"waits at this barrier while {first} of its block waits at another one, at {other}"
            )
        self._arrived[blocks] = 0
        self.clock += 1
        self.block_time[blocks] = self.clock
        for after in np.unique(places[:, 0]):
            chosen = blocks[places[:, 0] == after]
            idx = (chosen[:, None] * self.threads + np.arange(self.threads)).reshape(-1)
            self._waits[idx] = -1
            whole = self.everyone if idx.size == self.everyone.size else Group(self.shape, idx)
            self._ready.setdefault(int(after), []).append(whole)

    def _barrier_of(self, after: int) -> int:
        """Return the instruction of the barrier before a piece."""
        piece = self.program.pieces[after - 1]
        return piece.first + piece.count - 1

    def _unreached(self, thread: int) -> None:
        block = thread // self.threads
        group = Group(self.shape, np.array([thread]))
        waiting, missing = int(self._arrived[block]), self.threads - int(self._arrived[block])
        self.fault(
            group,
            self._barrier_of(int(self._waits[thread])),
            f"waits at a barrier, with {waiting - 1} others of its block, that the other {missing} never reach",
        )

    # ---- warps ----

    def _converged(self, piece: Piece, g: Group) -> tuple[Group | None, Group | None]:
        """Return the threads whose masks name only lanes that are there, and those that have to wait."""
        if g.all and self.threads % WARP == 0 and piece.mask == FULL_MASK:
            return g, None
        flat = g.flat()
        lane = flat.threads % WARP
        warp = flat.blocks * -(-self.threads // WARP) + flat.threads // WARP
        present = np.bincount(warp, weights=2.0**lane).astype("i8")[warp]
        mask = piece.mask
        if isinstance(mask, tuple):
            mask = np.broadcast_to(take(self._registers[mask[0]], flat), flat.idx.shape).astype("i8") & FULL_MASK
        absent = (mask >> lane) & 1 == 0
        if absent.any():
            what = lambda p: f"calls a warp function whose mask does not name it, lane {int(lane[p])}"  # noqa: E731
            self.fault(flat, piece.first, what, absent)
        missing = (mask & ~present) != 0
        if not missing.any():
            return g, None
        return None if missing.all() else flat.part(np.flatnonzero(~missing)), flat.part(np.flatnonzero(missing))


def _merged(everyone: Group, groups: list[Group]) -> Group:
    if len(groups) == 1:
        return groups[0]
    idx = np.sort(np.concatenate([group.idx for group in groups]))
    return everyone if idx.size == everyone.size else Group(everyone.shape, idx)


def _seconds() -> float:
    value = os.environ.get("GPUGRAD_MACHINE_SECONDS", "")
    try:
        return float(value) if value else 300.0
    except ValueError:
        raise KernelError(f"GPUGRAD_MACHINE_SECONDS is {value!r}, expected a number: correct or unset it") from None
