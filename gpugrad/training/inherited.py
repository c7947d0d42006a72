"""Docstrings of overriding methods."""

from __future__ import annotations

from typing import TypeVar

Class = TypeVar("Class", bound=type)


def inherit_docs(cls: Class) -> Class:
    """Copy the docstring of the overridden method to each public method that has none; return the class."""
    for name, method in vars(cls).items():
        if callable(method) and not name.startswith("_") and method.__doc__ is None:
            method.__doc__ = getattr(super(cls, cls), name).__doc__
    return cls
