"""What a step reads around it, watched for changes between its calls: a replay knows only what was there before."""

from __future__ import annotations

import functools
import itertools
import operator
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

PLAIN = (bool, int, float, complex, str, bytes, range, np.generic, type(None))
MOST = 256  # values that are watched; each takes a tenth of a microsecond per call
LIBRARIES = ("gpugrad", "numpy", "cupy", "builtins")  # whose functions and objects are watched as wholes

Read = Callable[[], Any]


class Surroundings:
    """Values that a function finds around it, as they are now.

    These are its variables outside, its default arguments and the object that it is a method of, with what lists,
    tuples, dicts, sets and objects of the user's classes hold, and the same of the user's functions among them.

    Parameters
    ----------
    function : callable
        The function.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._known: set[int] = set()
        self._values: list[tuple[Read, Any]] = []
        self._look_into(function)

    def unchanged(self) -> bool:
        """Return whether every value is the same: the same object, or an equal plain one."""
        return all(_is_same(read, value) for read, value in self._values)

    def forget_changes(self) -> None:
        """Stop watching the values that have changed by now."""
        self._values = [(read, value) for read, value in self._values if _is_same(read, value)]

    def _watch(self, read: Read) -> None:
        if len(self._values) < MOST:
            try:
                value = read()
            except ValueError:  # a variable without a value
                return
            if not isinstance(value, types.ModuleType):
                self._values.append((read, value))
                self._look_into(value)

    def _look_into(self, value: Any) -> None:
        """Watch what belongs to a value, once."""
        if isinstance(value, PLAIN) or id(value) in self._known:
            return
        self._known.add(id(value))
        if isinstance(value, functools.partial):
            for part in (value.func, value.args, value.keywords):
                self._look_into(part)
        elif isinstance(value, dict):
            self._watch(functools.partial(len, value))
            for key in itertools.islice(value, MOST):
                self._watch(functools.partial(value.get, key))
        elif isinstance(value, list | tuple):
            self._watch(functools.partial(len, value))
            for i in range(min(len(value), MOST)):
                self._watch(functools.partial(operator.getitem, value, i))
        elif isinstance(value, set):
            self._values.append((functools.partial(frozenset, value), frozenset(value)))
        elif isinstance(value, types.MethodType):
            self._look_into(value.__self__)
            self._look_into(value.__func__)
        elif _library_of(value) in LIBRARIES:
            return
        elif isinstance(value, types.FunctionType):
            for cell in value.__closure__ or ():
                self._watch(functools.partial(getattr, cell, "cell_contents"))
            for name in _names_in(value.__code__):
                if name in value.__globals__:
                    self._watch(functools.partial(value.__globals__.get, name))
            self._look_into(value.__defaults__)
            self._look_into(value.__kwdefaults__)
        elif hasattr(value, "__dict__"):
            own = vars(value)
            for name in own:
                if not name.startswith("__"):
                    self._watch(functools.partial(own.get, name))
            self._look_into(vars(type(value)).get("__call__"))


def _is_same(read: Read, value: Any) -> bool:
    try:
        now = read()
    except (IndexError, ValueError):
        return False
    if now is value:
        return True
    if type(now) is not type(value) or not isinstance(now, (*PLAIN, frozenset)):
        return False
    return repr(now) == repr(value) if isinstance(now, float | complex | np.inexact) else bool(now == value)  # NaN, −0


def _library_of(value: Any) -> str:
    module = getattr(value if isinstance(value, type | types.FunctionType) else type(value), "__module__", None)
    return (module or "builtins").partition(".")[0]


def _names_in(code: types.CodeType) -> Iterator[str]:
    """Yield the names of a function's variables outside, and of those of functions within it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names_in(constant)
