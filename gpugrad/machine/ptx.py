"""Parse PTX, as NVRTC and libNVVM write it, into functions of basic blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..errors import KernelError

SIZES = {"pred": 1, "f16": 2, "bf16": 2, "f16x2": 4, "bf16x2": 4, "f32": 4, "f64": 8, "b128": 16}
SIZES |= {f"{kind}{8 * size}": size for kind in "bus" for size in (1, 2, 4, 8)}

COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
ENTRY = re.compile(r"\.entry\s+([\w$]+)")
FILE = re.compile(r'^\s*\.file\s+(\d+)\s+"([^"]*)"', re.MULTILINE)
LOCATION = re.compile(
    r"\.loc\s+(\d+)\s+(\d+)\s+(\d+)(?:\s*,\s*function_name\s+[\w$+]+\s*,\s*inlined_at\s+(\d+)\s+(\d+)\s+(\d+))?"
)
VARIABLE = re.compile(r"\.align\s+(\d+)\s+\.(\w+)\s+([\w$.]+)\s*(?:\[(\d*)\])?\s*(?:=\s*(.*))?$", re.DOTALL)
PARAMETER = re.compile(
    r"\.param\s+(?:\.align\s+(?P<align>\d+)\s+)?\.(?P<kind>\w+)\s+"
    r"(?:\.ptr\s+(?:\.(?:global|shared|const|local)\s+)?(?:\.align\s+\d+\s+)?)?"
    r"(?P<name>[\w$]+)(?:\[(?P<count>\d+)\])?"
)
SHARED = re.compile(r"\.shared\s+(\.align[^;]*);")  # a declaration in a function
THREADS = re.compile(r"\.(?:maxntid|reqntid)\s+(\d+)(?:\s*,\s*(\d+))?(?:\s*,\s*(\d+))?")
STATEMENT = re.compile(r"(?:@(!?)(%[\w$]+)\s+)?([a-z][\w.:]*)\s*(.*)", re.DOTALL)
OPERAND = re.compile(r"\{[^}]*\}|\[[^\]]*\]|[^,\s][^,]*")

ENDS = ("bra", "ret", "exit", "trap")  # instructions after which a new basic block begins, besides barriers

Location = tuple[int, int, int]  # file, line, column


@dataclass(slots=True)
class Instruction:
    """An instruction of a function.

    Parameters
    ----------
    op : tuple of str
        Parts of the opcode: ("ld", "global", "v4", "f32").
    operands : list of str
        Operands as written; a vector in braces and an address in brackets are one operand.
    guard : str or None
        Predicate of a branch: "%p1" or "!%p1".
    text : str
        The statement as written.
    location : tuple of int or None
        File, line and column in the source, of `-lineinfo`.
    number : int
        Place in its function.
    """

    op: tuple[str, ...]
    operands: list[str]
    guard: str | None = None
    text: str = ""
    location: Location | None = None
    number: int = 0

    @property
    def is_barrier(self) -> bool:
        """Whether the threads of a block wait for each other here."""
        return self.op[0] in ("bar", "barrier") and self.op[1:2] not in (("warp",), ("cluster",))


@dataclass(slots=True)
class Variable:
    """A variable in a state space: its alignment and size in bytes (0 for dynamic shared memory), and its contents."""

    name: str
    align: int
    size: int
    content: bytes = b""


@dataclass
class Function:
    """A kernel.

    Parameters
    ----------
    name : str
        Mangled name.
    parameters : list of (int, int)
        Offset and size of each parameter in bytes.
    offsets : dict of (str, int)
        Offset of each parameter by name.
    shared : dict of (str, Variable)
        Variables in shared memory.
    threads : int or None
        Most threads of a block that it may be launched with.
    registers : dict of (str, str)
        Type by register, or by the letters that it begins with: {"%r": "b32"}.
    blocks : list of list of Instruction
        Basic blocks: the last instruction of one may branch, otherwise the next block follows.
    labels : dict of (str, int)
        Block by label.
    instructions : list of Instruction
        All instructions, in order.
    """

    name: str
    parameters: list[tuple[int, int]] = field(default_factory=list)
    offsets: dict[str, int] = field(default_factory=dict)
    shared: dict[str, Variable] = field(default_factory=dict)
    threads: int | None = None
    registers: dict[str, str] = field(default_factory=dict)
    blocks: list[list[Instruction]] = field(default_factory=lambda: [[]])
    labels: dict[str, int] = field(default_factory=dict)
    instructions: list[Instruction] = field(default_factory=list)


class Module:
    """The variables and kernels of a PTX text.

    Parameters
    ----------
    text : str
        PTX of a module.

    Attributes
    ----------
    entries : list of str
        Names of the kernels.
    files : dict of (int, str)
        Source files by number.
    variables : dict of (str, Variable)
        Variables in global and constant memory.
    calls : dict
        Where a location was inlined: the location of the call.
    """

    def __init__(self, text: str) -> None:
        self.files = {int(number): path for number, path in FILE.findall(text)}
        self._text = COMMENT.sub("", text)
        self._starts = {match[1]: match.start() for match in ENTRY.finditer(self._text)}
        self.calls: dict[Location, Location] = {}
        for match in LOCATION.finditer(self._text):
            if match[4]:
                self.calls[_location(*match.group(1, 2, 3))] = _location(*match.group(4, 5, 6))
        self.variables: dict[str, Variable] = {}
        self._shared: dict[str, Variable] = {}
        for statement in _outside_functions(self._text).split(";"):
            space, found = re.search(r"\.(global|const|shared)\b", statement), VARIABLE.search(statement.strip())
            if space and found:
                variable = _variable(found)
                (self._shared if space[1] == "shared" else self.variables)[variable.name] = variable

    @property
    def entries(self) -> list[str]:
        """Names of the kernels."""
        return list(self._starts)

    def function(self, name: str) -> Function:
        """Return a kernel without its instructions.

        Parameters
        ----------
        name : str
            One of `entries`.

        Returns
        -------
        Function
            The kernel, for `read`.
        """
        head, body = self._parts(name)
        function = Function(name, shared={n: v for n, v in self._shared.items() if n in body})
        for match in SHARED.finditer(body):
            if found := VARIABLE.search(match[1]):
                variable = _variable(found)
                function.shared[variable.name] = variable
        place = 0
        for match in PARAMETER.finditer(head):
            align = int(match["align"] or SIZES[match["kind"]])
            size = SIZES[match["kind"]] * int(match["count"] or 1)
            place = -(-place // align) * align
            function.parameters.append((place, size))
            function.offsets[match["name"]] = place
            place += size
        if threads := THREADS.search(head):
            function.threads = int(threads[1]) * int(threads[2] or 1) * int(threads[3] or 1)
        return function

    def read(self, function: Function) -> Function:
        """Read the instructions of a kernel, unless they have been read.

        Parameters
        ----------
        function : Function
            A kernel of this module.

        Returns
        -------
        Function
            The same.
        """
        if not function.instructions:
            _Body(function).read(self._parts(function.name)[1])
        return function

    def _parts(self, name: str) -> tuple[str, str]:
        start = self._starts[name]
        begin = self._text.index("{", start)
        return self._text[start:begin], self._text[begin + 1 : _closing(self._text, begin)]


def _location(file: str, line: str, column: str) -> Location:
    return int(file), int(line), int(column)


def _outside_functions(text: str) -> str:
    """Return the text without functions and sections, but with the braces of initial values."""
    parts, depth, start, values = [], 0, 0, False
    for brace in re.finditer(r"[{}]", text):
        if brace[0] == "{":
            if depth == 0:
                values = text[start : brace.start()].rstrip().endswith("=")
                if not values:
                    parts.append(text[start : brace.start()].rpartition(";")[0] + ";")
            depth += 1
        else:
            depth -= 1
            if depth == 0 and not values:
                start = brace.end()
    return "".join(parts) + text[start:]


def _closing(text: str, begin: int) -> int:
    """Return where the brace at `begin` is closed."""
    depth = 0
    for brace in re.compile(r"[{}]").finditer(text, begin):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return brace.start()
    raise KernelError("the PTX ends within a function: compile the kernel again")


def _variable(found: re.Match[str]) -> Variable:
    align, kind, name, count, values = found.groups()
    size = SIZES[kind]
    content = b""
    if values:
        numbers = [int(value, 0) for value in re.findall(r"-?(?:0x[0-9a-fA-F]+|\d+)", values)]
        content = b"".join((number % (1 << 8 * size)).to_bytes(size, "little") for number in numbers)
    return Variable(name, int(align), size * (1 if count is None else int(count or 0)), content)


class _Body:
    """Reads the statements of one function into its blocks."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.renamed: dict[str, str] = {}  # registers that inline assembly declares without a %
        self.location: Location | None = None

    def read(self, body: str) -> None:
        function = self.function
        for statement in self._statements(body):
            if statement.endswith(":"):
                self._begin_block()
                function.labels[statement[:-1]] = len(function.blocks) - 1
            elif statement.startswith("."):
                self._declare(statement)
            else:
                self._add(self._with_new_names(statement))
        if not function.blocks[-1]:
            if len(function.blocks) - 1 in function.labels.values():
                self._append(Instruction(("ret",), [], text="ret"))
            else:
                function.blocks.pop()

    def _statements(self, body: str) -> Iterator[str]:
        """Yield labels and statements; note locations, and drop braces that only bound a scope."""
        for part in body.split(";"):
            part = part.strip()
            while part:
                if label := re.match(r"([\w$]+):(?!:)\s*", part):
                    yield label[1] + ":"
                    part = part[label.end() :]
                elif location := LOCATION.match(part):
                    where = _location(*location.group(1, 2, 3))
                    if where[1]:  # line 0: the compiler's own code, which belongs to what is around it
                        self.location = where
                    part = part[location.end() :].lstrip()
                elif part[0] in "{}":
                    part = part[1:].lstrip()
                else:
                    yield " ".join(part.split())
                    break

    def _begin_block(self) -> None:
        if self.function.blocks[-1]:
            self.function.blocks.append([])

    def _append(self, instruction: Instruction) -> None:
        instruction.number, instruction.location = len(self.function.instructions), self.location
        self.function.instructions.append(instruction)
        self.function.blocks[-1].append(instruction)

    def _with_new_names(self, statement: str) -> str:
        for name, own in self.renamed.items():
            head, _, rest = statement.partition(" ")
            rest = re.sub(rf"(?<![%\w$.]){re.escape(name)}(?![\w$.])", own, rest)
            statement = (re.sub(rf"(?<=@){name}$", own, head) if head.startswith("@") else head) + " " + rest
        return statement.strip()

    def _add(self, statement: str) -> None:
        found = STATEMENT.fullmatch(statement)
        if found is None:
            raise KernelError(f"{self.function.name}: the machine cannot read the PTX statement {statement!r}")
        negated, guard, op, rest = found.groups()
        operands = [operand.strip() for operand in OPERAND.findall(rest)]
        instruction = Instruction(tuple(op.split(".")), operands, text=statement)
        kind = instruction.op[0]
        around = None
        if guard and kind == "bra":
            instruction.guard = ("!" if negated else "") + guard
        elif guard:  # any other guarded instruction is a branch around it
            around = f"$around{len(self.function.instructions)}"
            self._append(Instruction(("bra",), [around], ("" if negated else "!") + guard, statement))
            self._begin_block()
        if instruction.is_barrier and "red" in instruction.op:  # a barrier, after which the block is counted
            target, barrier, predicate = operands
            self._append(Instruction((kind, "sync"), [barrier], text=statement))
            self._begin_block()
            operation = next(part for part in instruction.op if part in ("popc", "and", "or"))
            instruction = Instruction(("block_vote", operation), [target, predicate], text=statement)
        self._append(instruction)
        if kind in ENDS or instruction.is_barrier or around:
            self._begin_block()
        if around:
            self.function.labels[around] = len(self.function.blocks) - 1

    def _declare(self, statement: str) -> None:
        if register := re.match(r"\.reg\s+\.(\w+)\s+(.*)", statement):
            for name in register[2].split(","):
                own = name.split("<")[0].strip()
                if not own.startswith("%"):
                    self.renamed[own] = own = f"%{own}_asm"
                self.function.registers[own] = register[1]
        elif statement.startswith(".local"):
            raise KernelError(
                f"{self.function.name} keeps an array in local memory, which the machine does not have: "
                "index the array by constants only"
            )
