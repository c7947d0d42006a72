"""Translate a function of PTX to Python: each basic block becomes a function of all threads that run it.

A register is an array over the threads of a set of blocks, of shape (blocks, threads), or of (1, threads), (blocks, 1)
or a NumPy scalar where it is the same along an axis: indices of threads, parameters, addresses of shared memory and
counters of loops then cost next to nothing. A block runs in two ways, for all threads on these shapes, or for some of
them on flat arrays; the text of its instructions is the same. Only registers that another block reads are stored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import CodeType
from typing import Any

import numpy as np

from . import arithmetic
from .emit_arithmetic import ArithmeticInstructions
from .emit_memory import MemoryInstructions, member_mask
from .group import put, take
from .kinds import DTYPES, WIDTHS, mix_kind
from .ptx import Instruction

BARRIERS = {("bar", "sync"), ("bar", "cta", "sync"), ("barrier", "sync"), ("barrier", "cta", "sync")}
BARRIERS |= {("barrier", "sync", "aligned"), ("barrier", "cta", "sync", "aligned")}


@dataclass
class Piece:
    """A basic block, or a part of one that begins with a warp instruction.

    Parameters
    ----------
    first, count : int
        Number of its first instruction, and of its instructions.
    end : {"next", "jump", "branch", "exit", "barrier"}
        What its threads do at the end.
    target : int
        Piece of a jump or branch.
    negated : bool
        Whether threads branch where the predicate is false.
    mask : int, (int,) or None
        Lanes that it has to wait for: a number, or the place of a register; None for none.
    mix : dict of (str, int)
        Instructions by kind.
    run : function
        Of machine, registers and group; returns the predicate of a branch.
    """

    first: int
    count: int
    end: str = "next"
    target: int = -1
    negated: bool = False
    mask: Any = None
    mix: dict[str, int] = field(default_factory=dict)
    run: Any = None


@dataclass
class Translation:
    """A translated function, as it can be stored.

    Parameters
    ----------
    pieces : list of Piece
        Pieces without `run`.
    code : code
        Defines their functions.
    dtypes : list of str
        Types of the registers, by place.
    constants : dict
        Values by the names in the code.
    unit : int
        Bytes of the smallest access to shared memory, at most 4.
    """

    pieces: list[Piece]
    code: CodeType
    dtypes: list[str]
    constants: dict[str, Any]
    unit: int

    def load(self) -> list[Piece]:
        """Return the pieces with their functions."""
        namespace = {name: value for name, value in vars(arithmetic).items() if not name.startswith("__")}
        namespace |= {name: np.dtype(name) for name in WIDTHS} | self.constants | {"np": np, "take": take, "put": put}
        exec(self.code, namespace)
        for number, piece in enumerate(self.pieces):
            piece.run = namespace[f"piece{number}"]
        return self.pieces


class Translator(ArithmeticInstructions, MemoryInstructions):
    """Translates one function; see `Emitter` for its parameters."""

    def translate(self) -> Translation:
        """Translate all blocks.

        Returns
        -------
        Translation
            The result.

        Raises
        ------
        KernelError
            For an instruction that the machine does not have; the message contains it.
        """
        cut, starts = self._cut()
        pieces, bodies, predicates = [], [], []
        masks: set[str] = set()  # registers that the scheduler reads
        for instructions in cut:
            self.begin()
            piece = Piece(instructions[0].number, len(instructions))
            predicates.append(self._emit(piece, instructions, starts))
            mask = member_mask(instructions[0])
            if mask is not None and mask.startswith("%"):
                piece.mask = (self.place(mask),)
                masks.add(mask)
            elif mask is not None:
                piece.mask = int(mask, 0) & 0xFFFFFFFF
            pieces.append(piece)
            bodies.append((self.lines, self.loaded, self.written, self.aliased))
        live = masks.union(*(loaded for _, loaded, _, _ in bodies))
        texts = []
        for number, (lines, loaded, written, aliased) in enumerate(bodies):
            left = sorted(written & live)
            texts.append(self._function(number, lines, sorted(loaded), left, aliased, predicates[number]))
        code = compile("\n".join(texts), f"<{self.function.name}>", "exec")
        unit = min((_bytes(i) for i in self.function.instructions if _may_be_shared(i)), default=4)
        return Translation(pieces, code, self.dtypes(), self.constants, unit)

    def _cut(self) -> tuple[list[list[Instruction]], list[int]]:
        """Cut blocks before warp instructions, which may have to wait; return the pieces and the first one of each.

        Instructions of one mask stay together: between them no thread of the group can leave.
        """
        pieces: list[list[Instruction]] = []
        starts: list[int] = []
        for block in self.function.blocks:
            starts.append(len(pieces))
            current: list[Instruction] = []
            mask = None
            for instruction in block:
                own = member_mask(instruction)
                if own is not None and own != mask:
                    if current:
                        pieces.append(current)
                    current, mask = [], own
                current.append(instruction)
                if instruction.operands[:1] == [mask]:  # the register has another value from here on
                    mask = None
            pieces.append(current)
        return pieces, starts

    def _emit(self, piece: Piece, instructions: list[Instruction], starts: list[int]) -> str | None:
        """Write the lines of a piece, set what it does at its end, and return the register of its predicate."""
        predicate = None
        for i in instructions:
            kind = mix_kind(i.op)
            piece.mix[kind] = piece.mix.get(kind, 0) + 1
            name = i.op[0]
            if name == "bra":
                piece.end, piece.target = "jump", starts[self.function.labels[i.operands[0]]]
                if i.guard:
                    predicate = i.guard.removeprefix("!")
                    self.read(predicate)
                    piece.end, piece.negated = "branch", i.guard.startswith("!")
            elif name in ("ret", "exit"):
                piece.end = "exit"
            elif name == "trap":
                self.lines.append(f"m.trap(g, {i.number})")
            elif i.is_barrier:
                self._barrier(piece, i)
            else:
                handler = getattr(self, f"_{name}", None)
                if handler is None:
                    raise self.unsupported(i)
                try:
                    handler(i, i.op[1:])
                except KeyError:  # a type that has no NumPy twin
                    raise self.unsupported(i) from None
        return predicate

    def _barrier(self, piece: Piece, i: Instruction) -> None:
        if i.op not in BARRIERS or i.operands != ["0"]:
            raise self.unsupported(i)
        piece.end = "barrier"

    def _function(
        self,
        number: int,
        lines: list[str],
        loaded: list[str],
        left: list[str],
        aliased: set[str],
        predicate: str | None,
    ) -> str:
        text = [f"def piece{number}(m, r, g):"]
        reads = [self.place(register) for register in loaded]
        if reads:
            text += [" if g.all:", *(f"  v{place} = r[{place}]" for place in reads)]
            text += [" else:", *(f"  v{place} = take(r[{place}], g)" for place in reads)]
        text += [f" {line}" for line in lines]
        writes = [(self.place(register), ".copy()" if register in aliased else "") for register in left]
        if writes:
            text += [" if g.all:", *(f"  r[{place}] = v{place}{copied}" for place, copied in writes)]
            text += [" else:", *(f"  put(r, {place}, v{place}, g)" for place, _ in writes)]
        text.append(f" return {self.variable(predicate)}" if predicate else " return None")
        return "\n".join(text)


def _may_be_shared(i: Instruction) -> bool:
    return i.op[0] in ("ld", "st", "atom", "red") and not {"global", "param", "const"} & set(i.op)


def _bytes(i: Instruction) -> int:
    return min(4, WIDTHS[DTYPES[i.op[-1]]])
