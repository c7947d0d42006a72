"""Count what a launch asks of a GPU: requests and sectors of memory, wavefronts of shared memory, instructions.

The counts follow from the addresses and the order of instructions, so they need no GPU: a request of a warp takes as
many sectors of 32 bytes as its lanes touch, and as many wavefronts as words that share a bank of shared memory. Half or
a quarter of a warp makes an access of 8 or 16 bytes at a time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .core import WARP
from .group import Group
from .machine import Machine
from .memory import SHARED, Allocation
from .program import Program
from .translate import Piece

SECTOR, BANKS, BANK_BYTES = 32, 32, 4


@dataclass
class Traffic:
    """What one instruction asks of memory.

    Parameters
    ----------
    requests : int
        Executions by a warp.
    parts : int
        Sectors of 32 bytes in global memory, wavefronts in shared memory.
    fewest : int
        The fewest parts that its bytes take.
    bytes : int
        Bytes that its threads read or write.
    """

    requests: int = 0
    parts: int = 0
    fewest: int = 0
    bytes: int = 0

    def add(self, other: Traffic) -> None:
        """Add another instruction's."""
        self.requests += other.requests
        self.parts += other.parts
        self.fewest += other.fewest
        self.bytes += other.bytes


@dataclass
class Counts:
    """Counts of one launch.

    Parameters
    ----------
    program : Program
        The kernel.
    grid, block : tuple of int
        Sizes of the launch.
    arrays, shared : dict of (int, Traffic)
        Traffic of each instruction with global and with shared memory.
    mix : dict of (str, int)
        Executions of instructions by warps, by kind.
    lanes : int
        Executions by threads.
    divergent : dict of (int, int)
        Warps whose lanes parted, by the instruction of the branch.
    barriers : int
        Barriers that all threads of a set of blocks reached together.
    """

    program: Program
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    arrays: dict[int, Traffic] = field(default_factory=dict)
    shared: dict[int, Traffic] = field(default_factory=dict)
    mix: dict[str, int] = field(default_factory=dict)
    lanes: int = 0
    divergent: dict[int, int] = field(default_factory=dict)
    barriers: int = 0

    @property
    def instructions(self) -> int:
        """Executions of instructions by warps."""
        return sum(self.mix.values())

    @property
    def lanes_per_instruction(self) -> float:
        """Average of the lanes that take part in an instruction, of 32."""
        return self.lanes / max(1, self.instructions)

    def by_line(self, traffic: dict[int, Traffic]) -> dict[str, Traffic]:
        """Return the sums of `arrays` or `shared` by line of the source.

        Parameters
        ----------
        traffic : dict of (int, Traffic)
            One of the two.

        Returns
        -------
        dict of (str, Traffic)
            Traffic by place, such as "sum.cu:12".
        """
        lines: dict[str, Traffic] = {}
        for number, own in traffic.items():
            lines.setdefault(self.program.place(number), Traffic()).add(own)
        return lines


_counting: ContextVar[list[Counts] | None] = ContextVar("counting", default=None)


@contextlib.contextmanager
def counting() -> Iterator[list[Counts]]:
    """Count the launches of this thread within the block.

    Yields
    ------
    list of Counts
        One per launch so far.
    """
    launches: list[Counts] = []
    token = _counting.set(launches)
    try:
        yield launches
    finally:
        _counting.reset(token)


def machine_of(*arguments: Any) -> Machine:
    """Return a machine for a launch, one that counts within `counting`."""
    launches = _counting.get()
    if launches is None:
        return Machine(*arguments)
    machine = CountingMachine(*arguments)
    launches.append(machine.counts)
    return machine


class CountingMachine(Machine):
    """A machine that counts; it takes twice the time."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.counts = Counts(self.program, self.grid, self.block)

    def _run_piece(self, place: int, piece: Piece, g: Group) -> Any:
        predicate = super()._run_piece(place, piece, g)
        warps = self._warps(g)
        for kind, count in piece.mix.items():
            self.counts.mix[kind] = self.counts.mix.get(kind, 0) + count * warps
        self.counts.lanes += piece.count * g.size
        self.counts.barriers += piece.end == "barrier" and g.all
        return predicate

    def _warps(self, g: Group) -> int:
        of_block = -(-self.threads // WARP)
        if g.all:
            return self.shape[0] * of_block
        return np.unique(g.blocks * of_block + g.threads // WARP).size

    def _branch(self, place: int, piece: Piece, predicate: Any, g: Group) -> bool | None:
        jumps = super()._branch(place, piece, predicate, g)
        if jumps is None:
            rows = self._rows(g, g.spread(predicate).astype("i8"), WARP)
            parted = int(((rows == 0).any(1) & (rows == 1).any(1)).sum())
            number = piece.first + piece.count - 1
            self.counts.divergent[number] = self.counts.divergent.get(number, 0) + parted
        return jumps

    def locate(self, g: Group, address: Any, size: int, number: int, write: bool) -> tuple[Allocation | None, Any]:
        """Return the allocation of an access, and count it; see `Arrays.locate`."""
        allocation, offset = super().locate(g, address, size, number, write)
        if allocation is not None:
            rows = self._rows(g, np.asarray(address), WARP)
            taking = rows >= 0
            sectors = _distinct(
                np.concatenate([np.where(taking, rows >> 5, -1), np.where(taking, rows + size - 1 >> 5, -1)], 1)
            )
            addresses = _distinct(rows)
            fewest = -(-addresses * size // SECTOR)  # lanes that read one word need it once
            own = Traffic(len(rows), int(sectors.sum()), int(fewest.sum()), int(taking.sum()) * size)
            self.counts.arrays.setdefault(number, Traffic()).add(own)
        return allocation, offset

    def shared_place(self, g: Group, address: Any, dtype: np.dtype, count: int, number: int) -> tuple[Any, Any]:
        """Return where an access to shared memory is, and count it; see `SharedMemory.shared_place`."""
        found = super().shared_place(g, address, dtype, count, number)
        size = dtype.itemsize * count
        unit = max(BANK_BYTES, size)
        lanes, banks = WARP * BANK_BYTES // unit, BANKS * BANK_BYTES // unit
        rows = self._rows(g, (np.asarray(address, "i8") - SHARED) // unit, lanes)
        ordered = np.sort(rows, axis=1)
        new = np.ones(rows.shape, bool)
        new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
        new &= ordered >= 0
        row, _ = np.nonzero(new)
        words = np.bincount(row * banks + ordered[new] % banks, minlength=len(rows) * banks).reshape(-1, banks)
        requests = len(self._rows(g, np.asarray(address), WARP))
        own = Traffic(requests, int(words.max(1).sum()), len(rows), int((rows >= 0).sum()) * size)
        self.counts.shared.setdefault(number, Traffic()).add(own)
        return found

    def _rows(self, g: Group, values: Any, lanes: int) -> np.ndarray:
        """Return a value of each thread as rows of lanes, −1 where a lane does not take part; no empty rows."""
        width = -(-self.threads // WARP) * WARP
        rows = np.full((self.shape[0], width), -1, "i8")
        if g.all:
            rows[:, : self.threads] = g.spread(values)
        else:
            rows[g.blocks, g.threads] = g.spread(values)
        rows = rows.reshape(-1, lanes)
        return rows[(rows >= 0).any(1)]


def _distinct(rows: np.ndarray) -> np.ndarray:
    """Return the number of different values of each row, without −1."""
    ordered = np.sort(rows, axis=1)
    return ((ordered[:, 1:] != ordered[:, :-1]) & (ordered[:, 1:] >= 0)).sum(1) + (ordered[:, 0] >= 0)
