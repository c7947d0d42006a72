"""Instructions on memory, asynchronous copies, and instructions of a warp: calls of the machine."""

from __future__ import annotations

import re

import numpy as np

from .emit import Emitter
from .kinds import DTYPES, SPACES, WIDTHS, unsigned
from .ptx import Instruction

ATOMICS = ("add", "inc", "dec", "min", "max", "and", "or", "xor", "exch", "cas")
MMA = {("m16n8k8", "tf32"), ("m16n8k16", "bf16")}  # shapes and types of tensor-core products

FULL_MASK = 0xFFFFFFFF


class MemoryInstructions(Emitter):
    """One method per opcode, like `ArithmeticInstructions`."""

    def _address(self, text: str) -> str:
        base, _, offset = text[1:-1].replace(" ", "").partition("+")
        shift = int(offset or 0)
        if not base.startswith("%"):
            return self.use(f"{base}+{shift}", "i8")
        width = self.dtype_of(base)
        value = self.use(base, width)
        return f"{value} + {self.constant(np.dtype(width).type(shift))}" if shift else value

    @staticmethod
    def _space(parts: tuple[str, ...]) -> str:
        return next((part for part in parts if part in SPACES), "generic")

    @staticmethod
    def _count(parts: tuple[str, ...]) -> int:
        return next((int(part[1:]) for part in parts if re.fullmatch(r"v[248]", part)), 1)

    def _ld(self, i: Instruction, parts: tuple[str, ...]) -> None:
        kind, targets = parts[-1], self.names(i.operands[0])
        dtype = unsigned(kind) if kind[0] == "b" else DTYPES[kind]  # untyped bits are zero-extended
        if self._space(parts) == "param":
            name, _, offset = i.operands[1][1:-1].partition("+")
            place = self.function.offsets[name.strip()] + int(offset or 0)
            for j, target in enumerate(targets):
                self.define(target, f"m.parameter({place + j * WIDTHS[dtype]}, {dtype})", dtype)
            return
        call = f"m.load(g, {self._address(i.operands[1])}, {dtype}, {len(targets)}, '{self._space(parts)}', {i.number})"
        if len(targets) == 1:
            self.define(targets[0], call, dtype)
            return
        self.lines.append(f"loaded = {call}")
        for j, target in enumerate(targets):
            self.define(target, f"loaded[{j}]", dtype)

    _ldu = _ld

    def _st(self, i: Instruction, parts: tuple[str, ...]) -> None:
        dtype = DTYPES[parts[-1]]
        values = ", ".join(self.use(source, dtype) for source in self.names(i.operands[1]))
        address = self._address(i.operands[0])
        self.lines.append(f"m.store(g, {address}, [{values}], {dtype}, '{self._space(parts)}', {i.number})")

    def _atom(self, i: Instruction, parts: tuple[str, ...]) -> None:
        operation = next((part for part in parts if part in ATOMICS), None)
        if operation is None or parts[-1] not in DTYPES:
            raise self.unsupported(i)
        dtype = DTYPES[parts[-1]]
        target, address, *given = i.operands if i.op[0] == "atom" else ("_", *i.operands)
        values = ", ".join(self.use(operand, dtype) for operand in given)
        call = f"m.atomic(g, {self._address(address)}, '{operation}', [{values}], {dtype}, {i.number})"
        if target == "_":
            self.lines.append(call)
        else:
            self.define(target, call, dtype)

    _red = _atom

    def _membar(self, i: Instruction, parts: tuple[str, ...]) -> None:
        if parts[0] in ("gl", "sys"):
            self.lines.append("m.fence(g)")

    def _fence(self, i: Instruction, parts: tuple[str, ...]) -> None:
        if "cta" not in parts and "proxy" not in parts:
            self.lines.append("m.fence(g)")

    def _prefetch(self, i: Instruction, parts: tuple[str, ...]) -> None:
        """Do nothing: it is a hint."""

    def _cp(self, i: Instruction, parts: tuple[str, ...]) -> None:
        if parts == ("async", "commit_group"):
            self.lines.append("m.copy_commit(g)")
        elif parts == ("async", "wait_group"):
            self.lines.append(f"m.copy_wait(g, {int(i.operands[0])})")
        elif parts == ("async", "wait_all"):
            self.lines.append("m.copy_commit(g); m.copy_wait(g, 0)")
        elif parts[:2] in (("async", "ca"), ("async", "cg")) and len(i.operands) <= 4:
            size = int(i.operands[2])
            given = self.use(i.operands[3], "i4") if len(i.operands) > 3 else self.constant(np.int32(size))
            target, source = (self._address(operand) for operand in i.operands[:2])
            self.lines.append(f"m.copy_async(g, {target}, {source}, {size}, {given}, {i.number})")
        else:
            raise self.unsupported(i)

    def _block_vote(self, i: Instruction, parts: tuple[str, ...]) -> None:
        call = f"m.block_vote(g, '{parts[0]}', {self.use(i.operands[1], 'b1')})"
        self.define(i.operands[0], call, "i4" if parts[0] == "popc" else "b1")

    # ---- warps ----

    def _bar(self, i: Instruction, parts: tuple[str, ...]) -> None:  # bar.warp.sync; the scheduler has waited
        self.lines.append("m.warp_sync(g)")

    def _shfl(self, i: Instruction, parts: tuple[str, ...]) -> None:
        operands = zip(i.operands[1:5], ("i4", "i4", "i4", "u4"), strict=True)
        a, b, c, mask = (self.use(operand, dtype) for operand, dtype in operands)
        target, _, predicate = i.operands[0].partition("|")
        self.lines.append(f"shuffled, within = m.shuffle(g, '{parts[1]}', {a}, {b}, {c}, {mask}, {i.number})")
        self.define(target, "shuffled", "i4")
        if predicate:
            self.define(predicate, "within", "b1")

    def _vote(self, i: Instruction, parts: tuple[str, ...]) -> None:
        value, dtype = self.use(i.operands[1], "b1"), "u4" if parts[1] == "ballot" else "b1"
        self.define(i.operands[0], f"m.vote(g, '{parts[1]}', {value})", dtype)

    def _match(self, i: Instruction, parts: tuple[str, ...]) -> None:
        if parts[0] != "any":
            raise self.unsupported(i)
        self.define(i.operands[0], f"m.match(g, {self.use(i.operands[1], unsigned(parts[-1]))})", "u4")

    def _activemask(self, i: Instruction, parts: tuple[str, ...]) -> None:
        true = self.constant(np.bool_(True))
        self.define(i.operands[0], f"m.vote(g, 'ballot', {true})", "u4")

    def _redux(self, i: Instruction, parts: tuple[str, ...]) -> None:
        dtype = DTYPES[parts[-1]]
        self.define(i.operands[0], f"m.redux(g, '{parts[1]}', {self.use(i.operands[1], dtype)})", dtype)

    def _mma(self, i: Instruction, parts: tuple[str, ...]) -> None:
        shape = next(part for part in parts if re.fullmatch(r"m\d+n\d+k\d+", part))
        if (shape, parts[-3]) not in MMA:
            raise self.unsupported(i)
        vectors = [self.names(operand) for operand in i.operands]
        words = [
            ", ".join(self.use(name, dtype) for name in names)
            for names, dtype in zip(vectors[1:], ("u4", "u4", "f4"), strict=True)
        ]
        self.lines.append(f"product = m.mma(g, '{parts[-3]}', [{words[0]}], [{words[1]}], [{words[2]}], {i.number})")
        for j, name in enumerate(vectors[0]):
            self.define(name, f"product[{j}]", "f4")


def member_mask(i: Instruction) -> str | None:
    """Return the operand that names the lanes which take part, or None if the instruction is not one of a warp."""
    if i.op[:2] == ("bar", "warp"):
        return i.operands[0]
    if i.op[0] == "mma":
        return str(FULL_MASK)
    return i.operands[-1] if i.op[0] in ("shfl", "vote", "match", "redux") else None
