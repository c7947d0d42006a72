"""Methods that one thread does not call again while it runs them, from a callback or a signal handler."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, TypeVar, cast

from ..errors import ArgumentError

Method = TypeVar("Method", bound=Callable[..., Any])

_running: set[tuple[int, str, int]] = set()  # object, method and thread; none of it belongs into a copy of the object


def alone(method: Method) -> Method:
    """Refuse a call of a method within a call of it for the same object."""

    @functools.wraps(method)
    def guarded(self: Any, *args: Any, **options: Any) -> Any:
        call = (id(self), method.__name__, threading.get_ident())
        if call in _running:
            kind = type(self).__name__
            raise ArgumentError(
                f"this {kind} is in fit() already: train it after that ends, or another {kind} meanwhile"
            )
        _running.add(call)
        try:
            return method(self, *args, **options)
        finally:
            _running.discard(call)

    return cast(Method, guarded)
