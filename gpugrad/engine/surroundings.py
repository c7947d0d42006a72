"""What a step reads around it, watched for changes between its calls: a replay knows only what was there before."""

from __future__ import annotations

import sys
import types
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

PLAIN = (bool, int, float, complex, str, bytes, range, np.generic, type(None))
COLLECTIONS = (list, tuple, deque, dict, set, frozenset, bytearray)
MOST = 1000  # values that are watched; each takes a tenth of a microsecond per call
MOST_ELEMENTS = 1 << 16  # elements of a collection of plain values, which is watched as one
MOST_BYTES = 1 << 12  # bytes of a NumPy array that is watched
OURS = frozenset(("gpugrad", "numpy", "cupy"))  # libraries whose objects are watched as wholes
BY_NAME = frozenset(("getattr", "vars", "__dict__"))  # with one of these, code can read any attribute
# Special methods that a step does not call.
NOT_CALLED = frozenset(
    f"__{name}__" for name in ("init", "new", "post_init", "del", "repr", "str", "reduce", "getstate")
)

Read = Callable[[], Any]


class Surroundings:
    """Values that a function finds around it, as they are now.

    These are its variables outside, its default arguments and the object that it is a method of; what collections and
    objects hold; attributes of the user's modules and classes that it reads; and the same of the user's functions and
    methods that it calls.

    Parameters
    ----------
    function : callable
        The function.

    Attributes
    ----------
    too_many : bool
        Whether there are more values than can be watched.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.too_many = False
        self._known: dict[int, Any] = {}  # what was looked into, kept so that no other object gets its id
        self._values: list[tuple[Read, Any]] = []
        self._names: set[str] = set()  # of the variables and attributes that the functions read
        self._owners: list[tuple[Any, Any]] = []  # a module, class or object, and where its attributes are looked up
        self._objects: list[Any] = []  # of the user's classes
        self._followed: set[tuple[int, int, str]] = set()
        self.look_into(function)

    def look_into(self, value: Any) -> None:
        """Watch what belongs to a value too.

        Parameters
        ----------
        value : object
            A function, an object or a collection.
        """
        self._look_into(value)
        before = -1
        while before < len(self._followed):  # a method that is found reads other names
            before = len(self._followed)
            for owner, holder in list(self._owners):
                for name, value in list(vars(holder).items()):
                    if name in self._names or (_is_special(name) and isinstance(value, types.FunctionType)):
                        self._follow(owner, holder, name)
            for owner in list(self._objects):
                for name in _attributes_of(owner):
                    if name in self._names or not self._names.isdisjoint(BY_NAME):
                        self._follow(owner, None, name)

    def unchanged(self) -> bool:
        """Return whether every value is the same: the same object, or an equal plain one."""
        if self.too_many:
            return False
        try:
            for read, value in self._values:
                now = read()
                if now is not value and not _is_equal(now, value):
                    return False
        except _GONE:
            return False
        return True

    def forget_changes(self) -> None:
        """Stop watching the values that have changed by now."""
        self._values = [(read, value) for read, value in self._values if _is_same(read, value)]

    def _watch(self, read: Read, value: Any) -> None:
        if len(self._values) < MOST:
            self._values.append((read, value))
        else:
            self.too_many = True

    def _watch_and_look(self, read: Read) -> None:
        try:
            value = read()
        except _GONE:
            return
        if not isinstance(value, types.ModuleType):
            self._watch(read, value)
        self._look_into(value)

    def _follow(self, owner: Any, holder: Any, name: str) -> None:
        """Watch an attribute of a module or class, or of an object, which may find it in its class (`holder`)."""
        if holder is not None and hasattr(
            vars(holder)[name], "__get__"
        ):  # a function, the same for all objects of the class
            owner = holder
        key = (id(owner), id(holder), name)
        if key not in self._followed:
            self._followed.add(key)
            # An object may get an attribute of its own in place of one of its class.
            self._watch_and_look(partial(vars(holder).get, name) if owner is holder else partial(getattr, owner, name))

    def _look_into(self, value: Any) -> None:
        """Watch what belongs to a value, once."""
        if self.too_many or isinstance(value, PLAIN) or id(value) in self._known:
            return
        self._known[id(value)] = value
        if isinstance(value, COLLECTIONS):
            self._look_into_collection(value)
        elif isinstance(value, np.ndarray):
            if value.nbytes <= MOST_BYTES and not value.dtype.hasobject:
                self._watch(value.tobytes, value.tobytes())
        elif isinstance(value, types.FunctionType):
            if _is_users(value):
                self._look_into_function(value)
        elif isinstance(value, types.ModuleType | type):
            if _is_users(value):
                self._owners.append((value, value))
        elif _library_of(type(value)) not in OURS:
            for part in _functions_in(value):
                self._look_into(part)
            self._look_into_object(value)

    def _look_into_collection(self, value: Any) -> None:
        held = value.values() if isinstance(value, dict) else value
        whole = isinstance(value, set | frozenset) or all(isinstance(item, PLAIN) for item in held)
        if whole and len(value) <= MOST_ELEMENTS:
            self._watch(partial(_copy_of, value), _copy_of(value))
        elif not whole:
            self._watch(partial(len, value), len(value))
            get = value.get if isinstance(value, dict) else value.__getitem__
            for key in list(value) if isinstance(value, dict) else range(len(value)):
                if not self.too_many:
                    self._watch_and_look(partial(get, key))

    def _look_into_function(self, function: types.FunctionType) -> None:
        for cell in function.__closure__ or ():
            self._watch_and_look(partial(getattr, cell, "cell_contents"))
        for name in _names_in(function.__code__):
            self._names.add(name)
            if name in function.__globals__:
                self._watch_and_look(partial(function.__globals__.get, name))
        self._look_into(function.__defaults__)
        self._look_into(function.__kwdefaults__)

    def _look_into_object(self, value: Any) -> None:
        """Watch what the code reads of a user's object, or the plain values and collections of a library's."""
        classes = [kind for kind in type(value).__mro__ if _is_users(kind)]
        if classes:
            self._owners += [(value, kind) for kind in classes]
            self._objects.append(value)
            return
        for name in _attributes_of(value):
            if isinstance(getattr(value, name, object), (*PLAIN, *COLLECTIONS)):
                self._watch_and_look(partial(getattr, value, name))


class _Copy(tuple):
    """Copy of a collection of plain values."""

    __slots__ = ()


def _copy_of(collection: Any) -> Any:
    if isinstance(collection, set | frozenset):
        return frozenset(collection)
    if isinstance(collection, bytearray):
        return bytes(collection)
    if isinstance(collection, dict):
        return _Copy((*collection, *map(type, collection.values()), *collection.values()))
    return _Copy((*map(type, collection), *collection))  # 1, 1.0 and True are equal


_GONE = (AttributeError, LookupError, ValueError)  # an attribute, element or variable that has no value


def _is_same(read: Read, value: Any) -> bool:
    try:
        now = read()
    except _GONE:
        return False
    return now is value or _is_equal(now, value)


def _is_equal(now: Any, value: Any) -> bool:
    if type(now) is not type(value) or not isinstance(now, (*PLAIN, frozenset, _Copy)):
        return False
    return repr(now) == repr(value) if isinstance(now, float | complex | np.inexact) else bool(now == value)  # NaN, −0


def _functions_in(value: Any) -> tuple:
    """Return the functions that a callable calls, and what it calls them with."""
    if isinstance(value, partial):
        return value.func, value.args, value.keywords
    if isinstance(value, types.MethodType):
        return value.__self__, value.__func__
    if isinstance(value, property):
        return (value.fget,)
    if isinstance(value, staticmethod | classmethod):
        return (value.__func__,)
    wrapped = getattr(value, "__dict__", {}).get("__wrapped__")  # by a function with a cache
    return () if wrapped is None else (wrapped,)


def _attributes_of(value: Any) -> Iterator[str]:
    """Yield the names of the attributes that an object has itself."""
    names = [*getattr(value, "__dict__", ())]
    for kind in type(value).__mro__:
        slots = vars(kind).get("__slots__", ())
        names += [slots] if isinstance(slots, str) else slots
    return (name for name in names if not name.startswith("__"))


def _is_special(name: str) -> bool:
    """Return whether a method is called without its name."""
    return name == "forward" or (name.startswith("__") and name.endswith("__") and name not in NOT_CALLED)


def _is_users(value: Any) -> bool:
    """Return whether a function, class or module is the user's: of no library that is installed."""
    library = _library_of(value)
    if library in OURS or library in sys.stdlib_module_names:
        return False
    file = getattr(sys.modules.get(library), "__file__", None) or ""
    return "site-packages" not in file and "dist-packages" not in file


def _library_of(value: Any) -> str:
    name = value.__name__ if isinstance(value, types.ModuleType) else value.__module__
    return (name or "builtins").partition(".")[0]


def _names_in(code: types.CodeType) -> Iterator[str]:
    """Yield the names of a function's variables outside and of attributes, and of those of functions within it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names_in(constant)
