"""Group: the threads of a set of blocks that run together, and the registers of some of them."""

from __future__ import annotations

from typing import Any

import numpy as np


class Group:
    """Threads of a set of blocks that run together.

    Parameters
    ----------
    shape : tuple of int
        Blocks of the set, threads of a block.
    idx : numpy.ndarray or None
        Places of the threads in the set, in order; None for all of them.

    Attributes
    ----------
    layout : tuple of int
        Shape of a register of these threads.
    """

    __slots__ = ("_blocks", "_threads", "all", "idx", "layout", "shape", "size")

    def __init__(self, shape: tuple[int, int], idx: np.ndarray | None) -> None:
        self.shape, self.all = shape, idx is None
        self.size = shape[0] * shape[1] if idx is None else idx.size
        self.layout: tuple[int, ...] = shape if idx is None else idx.shape
        self.idx: Any = idx
        self._blocks: np.ndarray | None = None
        self._threads: np.ndarray | None = None

    @property
    def blocks(self) -> np.ndarray:
        """Block of each thread, within the set."""
        if self._blocks is None:
            self._blocks = self.idx // self.shape[1]
        return self._blocks

    @property
    def threads(self) -> np.ndarray:
        """Number of each thread, within its block."""
        if self._threads is None:
            self._threads = self.idx % self.shape[1]
        return self._threads

    def spread(self, value: Any) -> np.ndarray:
        """Return a value with one element per thread, in their layout."""
        return value if value.shape == self.layout else np.broadcast_to(value, self.layout)

    def flat(self) -> Group:
        """Return the same threads by their places."""
        return Group(self.shape, np.arange(self.size)) if self.all else self

    def part(self, places: np.ndarray) -> Group:
        """Return some of the threads, by their places in this group."""
        return Group(self.shape, places if self.all else self.idx[places])


def take(register: Any, g: Group) -> Any:
    """Return a register of some threads: a flat array, or a scalar where it is the same for all."""
    shape = register.shape
    if not shape:
        return register
    if shape[0] == 1:
        return register[0, g.threads] if shape[1] != 1 else register[0, 0]
    return register[g.blocks, 0] if shape[1] == 1 else register.reshape(-1).take(g.idx)


def put(registers: list[Any], place: int, value: Any, g: Group) -> None:
    """Set a register of some threads."""
    old = registers[place]
    if old.shape != g.shape or not (old.flags.c_contiguous and old.flags.writeable):
        old = registers[place] = np.array(np.broadcast_to(old, g.shape), order="C")
    old.reshape(-1)[g.idx] = value
