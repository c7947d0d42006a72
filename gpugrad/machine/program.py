"""Program: a kernel that the machine can run, and where its instructions are in the source."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .memory import PARAMETERS, SHARED, Allocation
from .ptx import Instruction, Location, Module
from .translate import Translation, Translator

GAP_BYTES = 128  # between variables in shared memory: one word in every bank


class Program:
    """A kernel, translated.

    Parameters
    ----------
    module : Module
        The PTX.
    entry : str
        Mangled name of the kernel.
    name : str
        Its name for messages.
    stored : function
        From a function that translates to its result: where translations are stored, it may not need to call it.
    source_of : function
        From a file and a line, as in the PTX, to those in the source.

    Attributes
    ----------
    pieces : list of Piece
        The translation.
    registers : list
        A zero for each register.
    variables : list of Allocation
        Variables of the module.
    layout : list of (int, int, str)
        Begin, end and name of each variable in shared memory, in bytes; dynamic shared memory ends where it begins.
    shared : int
        Bytes of static shared memory, with the gaps.
    unit : int
        Bytes of the smallest access to shared memory, at most 4.
    """

    def __init__(
        self,
        module: Module,
        entry: str,
        name: str,
        stored: Callable[[Callable[[], Translation]], Translation] = lambda translate: translate(),
        source_of: Callable[[str, int], tuple[str, int]] = lambda file, line: (file, line),
    ) -> None:
        self.name, self._module, self._source_of = name, module, source_of
        self.function = function = module.function(entry)
        self.variables = _variables(module)
        symbols = {variable.name: variable.base for variable in self.variables}
        self.layout, self.shared = _layout(list(function.shared.values()))
        symbols |= {name: SHARED + begin for begin, _, name in self.layout}
        symbols |= {name: PARAMETERS + offset for name, offset in function.offsets.items()}
        translation = stored(lambda: Translator(module.read(function), symbols).translate())
        self.pieces = translation.load()
        self.registers = [np.dtype(dtype).type(0) for dtype in translation.dtypes]
        self.unit = translation.unit

    def instruction(self, number: int) -> Instruction:
        """Return an instruction; all are read when one is first needed, for a message."""
        return self._module.read(self.function).instructions[number]

    def place(self, number: int) -> str:
        """Return where an instruction is in the source, "reduction.cuh:12, called at sum.cu:9"; "" if unknown."""
        location = self.instruction(number).location
        if location is None:
            return ""
        seen: list[Location] = []
        while location is not None and location not in seen:
            seen.append(location)
            location = self._module.calls.get(location)
        places = [self._file_and_line(location) for location in seen]
        return ", called at ".join(dict.fromkeys((places[0], places[-1])))

    def _file_and_line(self, location: Location) -> str:
        file, line = self._source_of(self._module.files.get(location[0], "?"), location[1])
        return f"{Path(file).name}:{line}"


def _variables(module: Module) -> list[Allocation]:
    made = []
    for number, variable in enumerate(module.variables.values(), 1):
        room = np.zeros(variable.size + 256, "u1")
        content = room[-room.ctypes.data % 256 :][: variable.size]  # in every process at the address of the translation
        content[: len(variable.content)] = np.frombuffer(variable.content, "u1")
        words = content if variable.size % 4 else content.view("u4")
        made.append(Allocation(number, words, variable.name, writable=True))
    return made


def _layout(variables: list) -> tuple[list[tuple[int, int, str]], int]:
    """Place variables in shared memory, with gaps between them; the one without a size, if any, is the last."""
    layout, place = [], 0
    for variable in sorted(variables, key=lambda variable: variable.size == 0):
        place = -(-place // variable.align) * variable.align
        layout.append((place, place + variable.size, variable.name))
        if variable.size:
            place = -(-(place + variable.size) // 4) * 4 + GAP_BYTES
    return layout, place


def plain_name(symbol: str) -> str:
    """Return the name in the source of a variable in shared memory, such as "of_warp" of "_ZZ9block_sumE7of_warp"."""
    for found in re.finditer(r"(?=(?<!\d)(\d+)([A-Za-z_]\w*)$)", symbol):
        if int(found[1]) == len(found[2]):
            return found[2]
    return "a shared array" if symbol.startswith("_cudapy_smem") else symbol
