"""Functions of x and y from text such as "x**2 + 3*sin(y)".

`ast` parses the text, and each node is checked: none of it runs as code. The page has the same grammar in
expression.js, for the file that needs no server.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine.device import device
from ..engine.tensor import Tensor
from ..errors import ArgumentError

VARIABLES = ("x", "y")
CONSTANTS = {"pi": math.pi, "e": math.e}
FUNCTIONS = ("sin", "cos", "exp", "log", "sqrt", "abs", "tanh", "sigmoid", "relu")  # methods of a tensor
LONGEST = 200  # characters
MOST_POWER = 20  # largest absolute value of an exponent
ALLOWED = (
    f"use numbers, {', '.join((*VARIABLES, *CONSTANTS))}, + - * / ** (the power) and parentheses, and "
    f"{', '.join(FUNCTIONS)}"
)
EXAMPLE = "x**2 + 3*sin(y)"

_OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_SIGNS: dict[type, Callable[[Any], Any]] = {ast.USub: operator.neg, ast.UAdd: lambda value: value}
_FOREIGN = re.compile(r"[^A-Za-z0-9_ .,+\-*/()]")
_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")

Part = float | Callable[[Tensor], Tensor]  # a constant, or a function of points (…, 2)


def parse(text: str) -> Callable[[Tensor], Tensor]:
    """Return the function that a text describes, in tape operations.

    Parameters
    ----------
    text : str
        Arithmetic of x and y with the names in `CONSTANTS` and `FUNCTIONS`, at most `LONGEST` characters. An exponent
        is a number of at most `MOST_POWER`.

    Returns
    -------
    callable
        Function from a tensor (…, 2) to its values (…).

    Raises
    ------
    ArgumentError
        If the text is anything else; the message has the place of the first mistake, counted in characters from 1.
    """
    text = text.strip()
    if not text:
        raise ArgumentError(f"the function is empty, expected arithmetic of x and y: {EXAMPLE} for instance")
    if len(text) > LONGEST:
        raise ArgumentError(f"the function has {len(text)} characters, expected at most {LONGEST}: shorten it")
    foreign = _FOREIGN.search(text)
    if foreign:
        raise _mistake(f"the character '{foreign[0]}'", foreign.start())
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, RecursionError, MemoryError) as error:
        place = getattr(error, "offset", None) or len(text)
        raise _mistake("a mistake", min(place, len(text)) - 1) from None
    made = _part(tree, text)
    if isinstance(made, float):
        raise ArgumentError(f"the function is the same everywhere, expected x or y in it: {EXAMPLE} for instance")
    return made


def typeset(text: str) -> str:
    """Return a formula for reading: x**2 - 3*y becomes x² − 3y.

    Parameters
    ----------
    text : str
        A text that `parse` accepts.

    Returns
    -------
    str
        The formula.
    """
    text = re.sub(r"\*\*(\d+)", lambda match: match[1].translate(_SUPERSCRIPTS), text)
    text = re.sub(r"\bpi\b", "π", text.replace("*", "·").replace("-", "−").replace("sqrt", "√"))
    return re.sub(r"(?<=[0-9π])·(?=[a-zπ√(])", "", text)


def _part(node: ast.AST, text: str) -> Part:
    """Return a node of the tree as a constant or a function."""
    place = getattr(node, "col_offset", 0)
    if isinstance(node, ast.Constant):
        if not _NUMBER.fullmatch(text[node.col_offset : node.end_col_offset]):
            raise _mistake(f"'{text[node.col_offset : node.end_col_offset]}'", place)
        return _finite(float(node.value), place)  # type: ignore[arg-type]  # a number, by its text
    if isinstance(node, ast.Name):
        if node.id in VARIABLES:
            i = VARIABLES.index(node.id)
            return lambda points: points[..., i]
        if node.id not in CONSTANTS:
            raise _mistake(f"the {'function' if node.id in FUNCTIONS else 'unknown name'} '{node.id}'", place)
        return CONSTANTS[node.id]
    if isinstance(node, ast.UnaryOp) and type(node.op) in _SIGNS:
        return _applied(_SIGNS[type(node.op)], place, _part(node.operand, text))
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        left, right = _part(node.left, text), _part(node.right, text)
        if isinstance(node.op, ast.Pow) and not (isinstance(right, float) and abs(right) <= MOST_POWER):
            raise _mistake(
                f"an exponent that is not a number from −{MOST_POWER} to {MOST_POWER}", node.right.col_offset
            )
        return _applied(_OPERATORS[type(node.op)], place, left, right)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        name = node.func.id
        if name not in FUNCTIONS:
            raise _mistake(f"the unknown function '{name}'", place)
        if len(node.args) != 1 or node.keywords:
            raise _mistake(f"{name} of {len(node.args) + len(node.keywords)} things instead of one", place)
        return _applied(lambda value: _call(name, value), place, _part(node.args[0], text))
    raise _mistake(f"'{text[place:][:12]}'", place)


def _applied(operation: Callable[..., Any], place: int, *parts: Part) -> Part:
    """Apply an operation to parts; constants are computed at once."""
    if all(isinstance(part, float) for part in parts):
        try:
            return _finite(operation(*parts), place)
        except (ArithmeticError, ValueError):
            raise _mistake("a number that is not finite", place) from None
    return lambda points: operation(*(part if isinstance(part, float) else part(points) for part in parts))


def _call(name: str, value: Any) -> Any:
    if isinstance(value, float):
        with np.errstate(all="ignore"):
            return getattr(Tensor(np.array(value), device("cpu")), name)().item()
    return getattr(value, name)()


def _finite(value: Any, place: int) -> float:
    if isinstance(value, complex) or not math.isfinite(value):
        raise _mistake("a number that is not finite", place)
    return value


def _mistake(what: str, place: int) -> ArgumentError:
    return ArgumentError(f"the function has {what} at character {place + 1}: {ALLOWED}")
