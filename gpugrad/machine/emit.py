"""Emitter: registers, constants and operands of PTX as Python text over NumPy."""

from __future__ import annotations

import re
import struct
from typing import Any

import numpy as np

from ..errors import KernelError
from .kinds import DTYPES, WIDTHS
from .ptx import Function, Instruction

SPECIAL = re.compile(
    r"%(tid|ntid|ctaid|nctaid)\.([xyz])$|"
    r"%(laneid|warpid|nwarpid|smid|nsmid|gridid|clock|clock_hi|clock64|globaltimer|dynamic_smem_size|total_smem_size|"
    r"lanemask_eq|lanemask_lt|lanemask_le|lanemask_gt|lanemask_ge)$"
)


class Emitter:
    """Writes the lines of one basic block at a time; the instructions are added by its subclasses.

    A register is the Python variable `v<place>`; its dtype follows from its declaration. A register declared without a
    type, such as ``.b32``, is kept as a signed integer, and each instruction sees it in the type of its own opcode.

    Parameters
    ----------
    function : Function
        The kernel.
    symbols : dict of (str, int)
        Addresses of variables and parameters.

    Attributes
    ----------
    constants : dict
        Values by the names that the lines use for them.
    lines : list of str
        Lines of the current block.
    loaded, written : set of str
        Registers that the block reads before it writes them, and those that it writes.
    aliased : set of str
        Those of `written` whose variable may be the array of another register.
    """

    def __init__(self, function: Function, symbols: dict[str, int]) -> None:
        self.function, self.symbols = function, symbols
        self.constants: dict[str, Any] = {}
        self._names: dict[tuple, str] = {}
        self._places: dict[str, int] = {}
        self._dtypes = {name: DTYPES[kind] for name, kind in function.registers.items()}
        self.begin()

    def begin(self) -> None:
        """Begin a block."""
        self.lines: list[str] = []
        self.loaded: set[str] = set()
        self.written: set[str] = set()
        self.aliased: set[str] = set()

    # ---- registers and constants ----

    def dtype_of(self, register: str) -> str:
        """Return the NumPy type in which a register is stored."""
        found = self._dtypes.get(register) or self._dtypes.get(register.rstrip("0123456789"))
        if found is None:
            raise KernelError(f"{self.function.name}: the PTX declares no register {register}, or of an unknown type")
        return found

    def place(self, register: str) -> int:
        """Return the place of a register in the list of registers."""
        return self._places.setdefault(register, len(self._places))

    def dtypes(self) -> list[str]:
        """Return the types of all registers, in order of their places."""
        return [self.dtype_of(register) for register in self._places]

    def constant(self, value: Any) -> str:
        """Return the name of a NumPy scalar in the lines."""
        key = (type(value), value.tobytes())
        if key not in self._names:
            self._names[key] = name = f"k{len(self._names)}"
            self.constants[name] = value
        return self._names[key]

    def variable(self, register: str) -> str:
        """Return the variable of a register."""
        return f"v{self.place(register)}"

    def read(self, register: str) -> None:
        """Note that a register is read."""
        if register not in self.written:
            self.loaded.add(register)

    # ---- operands ----

    def use(self, text: str, dtype: str, flush: bool = False) -> str:
        """Return an operand as an expression of a dtype; with `flush`, subnormal numbers of it as zeros."""
        found = self._operand(text, dtype)
        return f"flush({found})" if flush and dtype == "f4" else found

    def _operand(self, text: str, dtype: str) -> str:
        if text.startswith("!"):
            return f"~{self._operand(text[1:], 'b1')}"
        if text.startswith("%"):
            return self._register(text, dtype)
        if text[:2] in ("0f", "0F"):
            bits, own = struct.pack("<I", int(text[2:], 16)), "f4"
            return self.constant(np.frombuffer(bits, dtype if WIDTHS[dtype] == 4 else own)[0])
        if text[:2] in ("0d", "0D"):
            bits, own = struct.pack("<Q", int(text[2:], 16)), "f8"
            return self.constant(np.frombuffer(bits, dtype if WIDTHS[dtype] == 8 else own)[0])
        if re.match(r"-?\d", text):
            number = int(text.rstrip("U"), 0) % (1 << 8 * WIDTHS[dtype])
            if dtype == "b1":
                return self.constant(np.bool_(number))
            return self.constant(np.frombuffer(number.to_bytes(WIDTHS[dtype], "little"), dtype)[0])
        name, _, offset = text.partition("+")
        if name in self.symbols:
            return self.constant(np.int64(self.symbols[name] + int(offset or 0)).astype(dtype))
        raise self.unsupported(f"the operand {text}")

    def _register(self, text: str, dtype: str) -> str:
        if special := SPECIAL.match(text):
            call = f"m.special(g, '{'_'.join(part for part in special.groups() if part)}')"
            return call if dtype == "i4" else f"{call}.astype({dtype})"
        self.read(text)
        own, variable = self.dtype_of(text), self.variable(text)
        if own == dtype:
            return variable
        if WIDTHS[own] == WIDTHS[dtype]:
            return f"{variable}.view({dtype})"
        return f"narrow({variable}, {dtype})" if WIDTHS[own] > WIDTHS[dtype] else f"{variable}.astype({dtype})"

    def define(self, register: str, expression: str, dtype: str, alias: bool = False) -> None:
        """Set a register to an expression of a dtype; `alias`: whether its value may be another register's array."""
        if register == "_":
            return
        own = self.dtype_of(register)
        if own != dtype:
            # A register that is wider takes the zero- or sign-extended value.
            same = WIDTHS[own] == WIDTHS[dtype]
            expression = f"({expression}).view({own})" if same else f"extend({expression}, {dtype}, {own})"
            alias = alias or same
        self.lines.append(f"{self.variable(register)} = {expression}")
        self.written.add(register)
        (self.aliased.add if alias else self.aliased.discard)(register)

    def names(self, operand: str) -> list[str]:
        """Return the registers of a vector in braces, or the one register."""
        return [name.strip() for name in operand[1:-1].split(",")] if operand.startswith("{") else [operand]

    def unsupported(self, what: Instruction | str) -> KernelError:
        """Return the error for something in the PTX that the machine does not have."""
        text = what if isinstance(what, str) else f"the instruction {what.text!r}"
        return KernelError(f"{self.function.name}: the machine does not have {text}: write the kernel without it")
