"""Docstrings of overriding methods."""

from __future__ import annotations

from typing import TypeVar

Class = TypeVar("Class", bound=type)


def inherit_docs(cls: Class) -> Class:
    """Give each method of a class that has no docstring the one of the method that it overrides."""
    for name, method in vars(cls).items():
        if callable(method) and not name.startswith("_") and method.__doc__ is None:
            method.__doc__ = getattr(super(cls, cls), name).__doc__
    return cls
