"""PTX types as NumPy's, and what the parts of an opcode mean."""

from __future__ import annotations

DTYPES = {"pred": "b1", "b8": "u1", "u8": "u1", "s8": "i1", "b16": "i2", "u16": "u2", "s16": "i2", "f16": "f2"}
DTYPES |= {"b32": "i4", "u32": "u4", "s32": "i4", "f32": "f4", "b64": "i8", "u64": "u8", "s64": "i8", "f64": "f8"}

WIDTHS = {"b1": 1} | {f"{kind}{size}": size for kind in "iu" for size in (1, 2, 4, 8)} | {"f2": 2, "f4": 4, "f8": 8}

SPACES = ("global", "shared", "local", "param", "const")
DIRECTED = ("rz", "rm", "rp")  # roundings other than to nearest
WHOLE = {"rzi": "np.trunc", "rni": "np.rint", "rmi": "np.floor", "rpi": "np.ceil"}


def unsigned(kind: str) -> str:
    """Return the NumPy type of a PTX type as an unsigned integer."""
    return DTYPES[kind].replace("i", "u").replace("f", "u")


def stored(kind: str) -> str:
    """Return the NumPy type where the sign does not matter: the signed one, as registers are stored."""
    return DTYPES[kind].replace("u", "i")


def mix_kind(op: tuple[str, ...]) -> str:
    """Return the kind of an instruction in the instruction mix, such as "ld.global", "fma.f32" or "integer"."""
    name, kind = op[0], op[-1]
    if name in ("ld", "st", "atom", "red"):
        return f"{name}.{next((part for part in op if part in SPACES), 'generic')}"
    if name == "cp":
        return ".".join(op[:2])
    if name in ("bar", "shfl", "vote", "mma", "bra", "membar", "fence", "cvt", "mov", "selp", "setp"):
        return name
    if kind in ("f32", "f64"):
        special = name in ("fma", "ex2", "lg2", "rcp", "rsqrt", "sin", "cos", "tanh", "sqrt", "div")
        return f"{name}.{kind}" if special else f"other.{kind}"
    return f"{name}.{kind}" if name in ("div", "rem") else "integer"
