"""Core: the state of a launch, and its faults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import KernelError
from .group import Group, take
from .memory import GlobalMemory
from .program import Program

WARP = 32
THREAD_BITS = 11  # of a block: at most 1024, with room
NUMBER_BITS = 17  # of an instruction


class Core:
    """One launch: what all units of the machine share.

    Parameters
    ----------
    program : Program
        The kernel.
    memory : GlobalMemory
        Its arrays.
    grid, block : tuple of int, (x, y, z)
        Blocks of the grid, threads of a block.
    parameters : bytes
        Values of the parameters.
    shared : int
        Bytes of dynamic shared memory.
    checks : bool
        Whether accesses are checked for races, and for words that nobody has written.

    Attributes
    ----------
    shape : tuple of int
        Blocks of the current set, threads of a block.
    first_block : int
        First block of the set.
    clock : int
        Counts events that put accesses in an order: barriers, and atomics in global memory.
    block_time : numpy.ndarray, (blocks, 1)
        Clock at the last barrier of each block of the set.
    warp_time : numpy.ndarray or None, (blocks · threads,)
        Clock at the last bar.warp.sync of each thread of the set.
    """

    shape: tuple[int, int]
    first_block: int

    def __init__(
        self,
        program: Program,
        memory: GlobalMemory,
        grid: tuple[int, int, int],
        block: tuple[int, int, int],
        parameters: bytes,
        shared: int = 0,
        checks: bool = True,
    ) -> None:
        self.program, self.memory, self.grid, self.block = program, memory, grid, block
        self.parameters, self.checks = parameters, checks
        self.shared_bytes = program.shared + shared
        self.threads = int(np.prod(block))
        self.blocks = int(np.prod(grid))
        self.clock = 1
        self.block_time = np.zeros((1, 1), "i8")
        self.warp_time: np.ndarray | None = None

    def begin_set(self, first: int, blocks: int) -> None:
        """Begin with a set of blocks."""
        self.first_block, self.shape = first, (blocks, self.threads)
        self.everyone = Group(self.shape, None)
        self.warp_time = None
        self.thread_row = np.arange(self.threads, dtype="i8")[None]
        self.clock += 1
        self.block_time = np.full((blocks, 1), self.clock, "i8")
        thread, block = np.arange(self.threads, dtype="i4")[None], (first + np.arange(blocks, dtype="i4"))[:, None]
        self.grid_thread = block.astype("i8") * self.threads + thread
        (tx, ty, _), (bx, by, _) = self.block, self.grid
        lane = thread % WARP
        bit = np.uint32(1) << lane.astype("u4")
        self.specials: dict[str, Any] = {
            "tid_x": thread % tx,
            "tid_y": thread // tx % ty,
            "tid_z": thread // (tx * ty),
            "laneid": lane,
            "warpid": thread // WARP,
            "nwarpid": np.int32(-(-self.threads // WARP)),
            "lanemask_eq": bit.view("i4"),
            "lanemask_lt": (bit - np.uint32(1)).view("i4"),
            "lanemask_le": (bit | (bit - np.uint32(1))).view("i4"),
            "lanemask_gt": (~(bit | (bit - np.uint32(1)))).view("i4"),
            "lanemask_ge": (~(bit - np.uint32(1))).view("i4"),
            "dynamic_smem_size": np.int32(self.shared_bytes - self.program.shared),
            "total_smem_size": np.int32(self.shared_bytes),
        }
        for name in ("smid", "gridid", "clock", "clock_hi", "clock64", "globaltimer"):
            self.specials[name] = np.int32(0)
        self.specials["nsmid"] = np.int32(1)
        for axis, own in zip("xyz", (block % bx, block // bx % by, block // (bx * by)), strict=True):
            self.specials[f"ctaid_{axis}"] = own if blocks > 1 else own[0, 0]
        for name, sizes in (("ntid", self.block), ("nctaid", self.grid)):
            self.specials |= {f"{name}_{axis}": np.int32(size) for axis, size in zip("xyz", sizes, strict=True)}

    # ---- what the pieces call ----

    def parameter(self, place: int, dtype: np.dtype) -> Any:
        """Return a parameter."""
        return np.frombuffer(self.parameters, dtype, 1, place)[0]

    def special(self, g: Group, name: str) -> Any:
        """Return a special register, such as "tid_x"."""
        value = self.specials[name]
        return value if g.all else take(value, g)

    def trap(self, g: Group, number: int) -> None:
        """Stop: the kernel itself says that it must not come here."""
        self.fault(g, number, "runs into a trap, where the kernel says that it must not come")

    # ---- faults ----

    def fault(self, g: Group, number: int, what: str | Callable[[int], str], wrong: Any = None) -> None:
        """Raise the error of a fault.

        Parameters
        ----------
        g : Group
            The threads that run.
        number : int
            The instruction.
        what : str or function
            What a thread does, after "thread (0, 0, 0)"; a function gets the place of the thread in the group.
        wrong : array of bool, optional
            Which of the threads do; all by default. A leading axis has the words of one access.

        Raises
        ------
        KernelError
            Always.
        """
        places = np.arange(g.size)
        if wrong is not None:
            while np.ndim(wrong) > len(g.layout):
                wrong = np.any(wrong, axis=0)
            places = np.flatnonzero(g.spread(wrong))
        place = int(places[0])
        thread = place if g.all else int(g.idx[place])
        first = f", the first of {places.size}," if places.size > 1 else ""
        where, instruction = self.program.place(number), self.program.instruction(number)
        raise KernelError(
            f"{self.program.name}{f' ({where})' if where else ''}: {self.thread_name(thread)}{first} "
            f"{what if isinstance(what, str) else what(place)} (instruction {instruction.text})"
        )

    def thread_name(self, thread: int, within: bool = False) -> str:
        """Return "block (0, 0, 0), thread (1, 0, 0)" of a thread of the set, or only its thread."""
        return self.grid_thread_name(self.first_block * self.threads + thread, within)

    def grid_thread_name(self, thread: int, within: bool = False) -> str:
        """Return the same of a thread of the grid."""
        own = f"thread {_index(thread % self.threads, self.block)}"
        return own if within else f"block {_index(thread // self.threads, self.grid)}, {own}"


def differs(a: Any, b: Any) -> Any:
    """Return where two values differ; NaN is equal to NaN."""
    return (a != b) & ((a == a) | (b == b))


def _index(number: int, sizes: tuple[int, int, int]) -> str:
    x, y, _ = sizes
    return f"({number % x}, {number // x % y}, {number // (x * y)})"
