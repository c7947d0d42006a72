"""Instructions on registers: arithmetic, comparisons, bits, conversions."""

from __future__ import annotations

import numpy as np

from .emit import Emitter
from .kinds import DIRECTED, DTYPES, WHOLE, WIDTHS, stored, unsigned
from .ptx import Instruction

COMPARISONS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
COMPARISONS |= {"lo": "<", "ls": "<=", "hi": ">", "hs": ">="}
# A float comparison that is true for a NaN is the opposite of an ordered one; numpy's == and != need care.
UNORDERED = {"ltu": ">=", "leu": ">", "gtu": "<=", "geu": "<", "neu": "=="}
BINARY = {"and": "&", "or": "|", "xor": "^"}
ROUNDED = {"add": "rounded_sum", "sub": "rounded_difference", "mul": "rounded_product"}


class ArithmeticInstructions(Emitter):
    """One method per opcode: `_add` for add, and so on. `parts` are those of the opcode after its name."""

    def _value(self, i: Instruction, dtype: str, expression: str, count: int, stays: bool = False) -> None:
        """Define the first operand by an expression of the next ones, a, b, c; honour .ftz, and .sat of floats."""
        flush = "ftz" in i.op and dtype == "f4"
        values = {
            name: self.use(text, dtype, flush) for name, text in zip("abcd", i.operands[1 : 1 + count], strict=False)
        }
        result = expression.format(**values)
        if flush and not stays:
            result = f"flush({result})"
        if "sat" in i.op and dtype[0] == "f":
            result = f"saturate({result})"
        self.define(i.operands[0], result, dtype)

    def _sum_like(self, i: Instruction, parts: tuple[str, ...], symbol: str) -> None:
        name, kind = i.op[0], parts[-1]
        rounding = next((part for part in parts if part in DIRECTED), None)
        dtype = stored(kind)
        if kind in ("f16", "bf16", "f16x2", "bf16x2") or (rounding and kind != "f32"):
            raise self.unsupported(i)
        if rounding:
            self._value(i, dtype, f"{ROUNDED[name]}({{a}}, {{b}}, '{rounding}')", 2)
        elif "ftz" in parts:  # one pass over the operands
            a, b = (self.use(operand, dtype) for operand in i.operands[1:3])
            call = f"{name}_ftz({a}, {b})"
            self.define(i.operands[0], f"saturate({call})" if "sat" in parts else call, dtype)
        elif "sat" in parts and kind == "s32":
            self._value(i, "i4", f"saturated_integer({{a}}.astype(i8) {symbol} {{b}})", 2)
        else:
            self._value(i, dtype, f"{{a}} {symbol} {{b}}", 2)

    def _add(self, i: Instruction, parts: tuple[str, ...]) -> None:
        if "cc" in parts:
            raise self.unsupported(i)
        self._sum_like(i, parts, "+")

    def _sub(self, i: Instruction, parts: tuple[str, ...]) -> None:
        if "cc" in parts:
            raise self.unsupported(i)
        self._sum_like(i, parts, "-")

    def _mul(self, i: Instruction, parts: tuple[str, ...]) -> None:
        kind = parts[-1]
        if parts[0] == "wide":
            self._wide(i, kind)
        elif parts[0] == "hi":
            self._value(i, DTYPES[kind], "high_product({a}, {b})", 2)
        else:
            self._sum_like(i, parts, "*")

    def _mul24(self, i: Instruction, parts: tuple[str, ...]) -> None:
        if parts[0] != "lo":
            raise self.unsupported(i)
        self._value(i, "i4", "(({a} << 8) >> 8) * (({b} << 8) >> 8)", 2)

    def _wide(self, i: Instruction, kind: str) -> None:
        wide = DTYPES[kind[0] + str(2 * int(kind[1:]))]
        a, b = (self.use(operand, DTYPES[kind]) for operand in i.operands[1:3])
        rest = f" + {self.use(i.operands[3], wide)}" if i.op[0] == "mad" else ""
        self.define(i.operands[0], f"{a}.astype({wide}) * {b}.astype({wide}){rest}", wide)

    def _mad(self, i: Instruction, parts: tuple[str, ...]) -> None:
        if parts[-1][0] == "f":
            self._fma(i, parts)
        elif parts[0] == "wide":
            self._wide(i, parts[-1])
        elif parts[0] == "hi":
            self._value(i, DTYPES[parts[-1]], "high_product({a}, {b}) + {c}", 3)
        else:
            self._value(i, stored(parts[-1]), "{a} * {b} + {c}", 3)

    def _fma(self, i: Instruction, parts: tuple[str, ...]) -> None:
        rounding = next((part for part in parts if part in DIRECTED), None)
        if parts[-1] not in ("f32", "f64") or (rounding and parts[-1] == "f64") or "relu" in parts:
            raise self.unsupported(i)
        a, b, c = (
            self.use(operand, DTYPES[parts[-1]], bool(rounding) and "ftz" in parts) for operand in i.operands[1:4]
        )
        if parts[-1] == "f64":
            call = f"fma64({a}, {b}, {c})"
        elif rounding:
            call = f"rounded_fma({a}, {b}, {c}, '{rounding}')"
            call = f"flush({call})" if "ftz" in parts else call
        else:
            call = f"fma_ftz({a}, {b}, {c})" if "ftz" in parts else f"fma({a}, {b}, {c})"
        self.define(i.operands[0], f"saturate({call})" if "sat" in parts else call, DTYPES[parts[-1]])

    def _div(self, i: Instruction, parts: tuple[str, ...]) -> None:
        if set(parts) & set(DIRECTED):
            raise self.unsupported(i)
        self._value(i, DTYPES[parts[-1]], "{a} / {b}" if parts[-1][0] == "f" else "quotient({a}, {b})", 2)

    def _rem(self, i: Instruction, parts: tuple[str, ...]) -> None:
        self._value(i, DTYPES[parts[-1]], "np.fmod({a}, {b})", 2)

    def _extreme(self, i: Instruction, parts: tuple[str, ...]) -> None:
        name, kind = i.op[0], parts[-1]
        if kind[0] != "f":
            self._value(i, DTYPES[kind], f"np.{name}imum({{a}}, {{b}})", 2)
        elif kind not in ("f32", "f64") or "xorsign" in parts or len(i.operands) > 3:
            raise self.unsupported(i)
        else:
            suffix = "_nan" if "NaN" in parts else ""
            self._value(i, DTYPES[kind], f"{name}imum{suffix}({{a}}, {{b}})", 2, stays=True)

    _min = _max = _extreme

    def _neg(self, i: Instruction, parts: tuple[str, ...]) -> None:
        self._value(i, DTYPES[parts[-1]], "-{a}", 1, stays=True)

    def _abs(self, i: Instruction, parts: tuple[str, ...]) -> None:
        self._value(i, DTYPES[parts[-1]], "np.abs({a})", 1, stays=True)

    def _sad(self, i: Instruction, parts: tuple[str, ...]) -> None:
        self._value(i, DTYPES[parts[-1]], "np.where({a} < {b}, {b} - {a}, {a} - {b}) + {c}", 3)

    def _not(self, i: Instruction, parts: tuple[str, ...]) -> None:
        self._value(i, DTYPES[parts[-1]], "~{a}", 1)

    def _cnot(self, i: Instruction, parts: tuple[str, ...]) -> None:
        self._value(i, DTYPES[parts[-1]], "({a} == 0).astype({a}.dtype)", 1)

    def _bitwise(self, i: Instruction, parts: tuple[str, ...]) -> None:
        self._value(i, DTYPES[parts[-1]], f"{{a}} {BINARY[i.op[0]]} {{b}}", 2)

    _and = _or = _xor = _bitwise

    # ---- functions; .approx is as NumPy rounds ----

    def _ex2(self, i: Instruction, parts: tuple[str, ...]) -> None:
        self._value(i, DTYPES[parts[-1]], "np.exp2({a})", 1)

    def _lg2(self, i: Instruction, parts: tuple[str, ...]) -> None:
        self._value(i, DTYPES[parts[-1]], "np.log2({a})", 1)

    def _sin(self, i: Instruction, parts: tuple[str, ...]) -> None:
        self._value(i, DTYPES[parts[-1]], "np.sin({a})", 1)

    def _cos(self, i: Instruction, parts: tuple[str, ...]) -> None:
        self._value(i, DTYPES[parts[-1]], "np.cos({a})", 1)

    def _tanh(self, i: Instruction, parts: tuple[str, ...]) -> None:
        self._value(i, DTYPES[parts[-1]], "np.tanh({a})", 1)

    def _sqrt(self, i: Instruction, parts: tuple[str, ...]) -> None:
        if set(parts) & set(DIRECTED):
            raise self.unsupported(i)
        self._value(i, DTYPES[parts[-1]], "np.sqrt({a})", 1)

    def _rcp(self, i: Instruction, parts: tuple[str, ...]) -> None:
        if set(parts) & set(DIRECTED):
            raise self.unsupported(i)
        self._value(i, DTYPES[parts[-1]], self._one(parts[-1]) + " / {a}", 1)

    def _rsqrt(self, i: Instruction, parts: tuple[str, ...]) -> None:
        self._value(i, DTYPES[parts[-1]], self._one(parts[-1]) + " / np.sqrt({a})", 1)

    def _one(self, kind: str) -> str:
        return self.constant(np.dtype(DTYPES[kind]).type(1))

    def _copysign(self, i: Instruction, parts: tuple[str, ...]) -> None:
        self._value(i, DTYPES[parts[-1]], "np.copysign({b}, {a})", 2)

    def _testp(self, i: Instruction, parts: tuple[str, ...]) -> None:
        value = self.use(i.operands[1], DTYPES[parts[-1]])
        self.define(i.operands[0], f"is_{parts[0]}({value})", "b1")

    # ---- bits ----

    def _shl(self, i: Instruction, parts: tuple[str, ...]) -> None:
        dtype = DTYPES[parts[-1]]
        self.define(
            i.operands[0], f"shift_left({self.use(i.operands[1], dtype)}, {self.use(i.operands[2], 'u4')})", dtype
        )

    def _shr(self, i: Instruction, parts: tuple[str, ...]) -> None:
        dtype = DTYPES[parts[-1].replace("b", "u")]
        self.define(
            i.operands[0], f"shift_right({self.use(i.operands[1], dtype)}, {self.use(i.operands[2], 'u4')})", dtype
        )

    def _shf(self, i: Instruction, parts: tuple[str, ...]) -> None:
        self._value(i, "u4", f"funnel_{parts[0]}({{a}}, {{b}}, {{c}}, '{parts[1]}')", 3)

    def _bfi(self, i: Instruction, parts: tuple[str, ...]) -> None:
        dtype = unsigned(parts[-1])
        a, b = (self.use(operand, dtype) for operand in i.operands[1:3])
        place, length = (self.use(operand, "u4") for operand in i.operands[3:5])
        self.define(i.operands[0], f"bit_insert({a}, {b}, {place}, {length})", dtype)

    def _bfe(self, i: Instruction, parts: tuple[str, ...]) -> None:
        dtype = DTYPES[parts[-1]]
        place, length = (self.use(operand, "u4") for operand in i.operands[2:4])
        self.define(i.operands[0], f"bit_extract({self.use(i.operands[1], dtype)}, {place}, {length})", dtype)

    def _prmt(self, i: Instruction, parts: tuple[str, ...]) -> None:
        if parts[-1] != "b32":
            raise self.unsupported(i)
        self._value(i, "u4", "permute({a}, {b}, {c})", 3)

    def _lop3(self, i: Instruction, parts: tuple[str, ...]) -> None:
        if parts[0] != "b32":
            raise self.unsupported(i)
        self._value(i, "u4", f"lop3({{a}}, {{b}}, {{c}}, {int(i.operands[4], 0)})", 3)

    def _bit_count(self, i: Instruction, parts: tuple[str, ...]) -> None:
        name = {"popc": "np.bitwise_count", "clz": "leading_zeros"}[i.op[0]]
        self.define(i.operands[0], f"{name}({self.use(i.operands[1], unsigned(parts[-1]))}).astype(i4)", "i4")

    _popc = _clz = _bit_count

    def _brev(self, i: Instruction, parts: tuple[str, ...]) -> None:
        self._value(i, unsigned(parts[-1]), "reversed_bits({a})", 1)

    def _bfind(self, i: Instruction, parts: tuple[str, ...]) -> None:
        call = f"highest_bit({self.use(i.operands[1], DTYPES[parts[-1]])}, {'shiftamt' in parts})"
        self.define(i.operands[0], call, "i4")

    # ---- comparisons and choices ----

    def _comparison(self, i: Instruction, parts: tuple[str, ...]) -> str:
        test, kind = parts[0], parts[-1]
        flush = "ftz" in parts
        a, b = (self.use(operand, DTYPES[kind], flush) for operand in i.operands[1:3])
        if test in ("num", "nan"):
            call = f"(({a} == {a}) & ({b} == {b}))"
            return call if test == "num" else f"~{call}"
        if test == "equ":
            return f"~(({a} < {b}) | ({a} > {b}))"
        if test in UNORDERED:
            return f"~({a} {UNORDERED[test]} {b})"
        if test == "ne" and kind[0] == "f":  # false for a NaN
            return f"(({a} < {b}) | ({a} > {b}))"
        return f"({a} {COMPARISONS[test]} {b})"

    def _setp(self, i: Instruction, parts: tuple[str, ...]) -> None:
        call = self._comparison(i, parts)
        target, _, opposite = i.operands[0].partition("|")
        joined = next((part for part in parts if part in BINARY), None)
        other = self.use(i.operands[3], "b1") if joined else ""
        negated = f"(~{call} {BINARY[joined]} {other})" if joined else f"~{call}"
        call = f"({call} {BINARY[joined]} {other})" if joined else call
        if opposite:
            self.lines.append(f"opposite = {negated}")
        self.define(target, call, "b1")
        if opposite:
            self.define(opposite, "opposite", "b1")

    def _set(self, i: Instruction, parts: tuple[str, ...]) -> None:
        to, kinds = parts[-2], parts[:-2] + parts[-1:]
        if set(kinds) & set(BINARY) or to not in ("u32", "s32", "f32"):
            raise self.unsupported(i)
        true = self.constant(np.float32(1) if to == "f32" else np.uint32(0xFFFFFFFF))
        false = self.constant(np.float32(0) if to == "f32" else np.uint32(0))
        self.define(
            i.operands[0], f"select({self._comparison(i, kinds)}, {true}, {false})", "f4" if to == "f32" else "u4"
        )

    def _selp(self, i: Instruction, parts: tuple[str, ...]) -> None:
        dtype = DTYPES[parts[-1]]
        a, b = (self.use(operand, dtype) for operand in i.operands[1:3])
        self.define(i.operands[0], f"select({self.use(i.operands[3], 'b1')}, {a}, {b})", dtype, alias=True)

    def _slct(self, i: Instruction, parts: tuple[str, ...]) -> None:
        dtype = DTYPES[parts[-2]]
        a, b = (self.use(operand, dtype) for operand in i.operands[1:3])
        test = f"({self.use(i.operands[3], DTYPES[parts[-1]])} >= 0)"
        self.define(i.operands[0], f"select({test}, {a}, {b})", dtype, alias=True)

    # ---- moves and conversions ----

    def _mov(self, i: Instruction, parts: tuple[str, ...]) -> None:
        kind, target, source = parts[-1], i.operands[0], i.operands[1]
        if target.startswith("{"):
            names, whole = self.names(target), unsigned(kind)
            part = f"u{WIDTHS[whole] // len(names)}"
            self.lines.append(f"whole = {self.use(source, whole)}")
            for place, name in enumerate(names):
                shift = self.constant(np.dtype(whole).type(8 * int(part[1]) * place))
                self.define(name, f"(whole >> {shift}).astype({part})", part)
        elif source.startswith("{"):
            names, whole = self.names(source), unsigned(kind)
            part = f"u{WIDTHS[whole] // len(names)}"
            shifts = [self.constant(np.dtype(whole).type(8 * int(part[1]) * place)) for place in range(len(names))]
            terms = [f"({self.use(n, part)}.astype({whole}) << {s})" for n, s in zip(names, shifts, strict=True)]
            self.define(target, " | ".join(terms), whole)
        else:
            dtype = self.dtype_of(target)
            self.define(target, self.use(source, dtype), dtype, alias=True)

    def _cvta(self, i: Instruction, parts: tuple[str, ...]) -> None:  # the address itself tells the spaces apart
        self.define(i.operands[0], self.use(i.operands[1], DTYPES[parts[-1]]), DTYPES[parts[-1]], alias=True)

    def _cvt(self, i: Instruction, parts: tuple[str, ...]) -> None:
        to, source = parts[-2], parts[-1]
        if to in ("bf16x2", "tf32", "bf16") and source == "f32" and "relu" not in parts and "rz" not in parts:
            values = ", ".join(self.use(operand, "f4") for operand in i.operands[1:])
            self.define(i.operands[0], f"to_{to}({values})", "u2" if to == "bf16" else "u4")
            return
        if not {to, source} <= set(DTYPES):
            raise self.unsupported(i)
        dtype, own = DTYPES[to], DTYPES[source]
        value = given = self.use(i.operands[1], own, "ftz" in parts)
        whole = next((part for part in parts if part in WHOLE), None)
        rounding = next((part for part in parts if part in DIRECTED), None)
        if to[0] == "f" and source[0] == "f":
            value = f"{WHOLE[whole]}({value})" if whole else value
            if rounding and (to, source) != ("f32", "f64"):
                raise self.unsupported(i)
            value = (
                f"rounded({value}, '{rounding}')" if rounding else value if dtype == own else f"{value}.astype({dtype})"
            )
            value = f"saturate({value})" if "sat" in parts else value
            value = f"flush({value})" if "ftz" in parts and to == "f32" else value
        elif to[0] == "f":
            value = f"rounded_integer({value}, '{rounding}')" if rounding else f"{value}.astype({dtype})"
            if rounding and to != "f32":
                raise self.unsupported(i)
            value = f"saturate({value})" if "sat" in parts else value
        elif source[0] == "f":
            value = f"to_integer({value}, {dtype}, {WHOLE[whole or 'rzi']})"
        else:
            value = f"clipped({value}, {dtype})" if "sat" in parts else f"{value}.astype({dtype})"
        self.define(i.operands[0], value, dtype, alias=value == given)
