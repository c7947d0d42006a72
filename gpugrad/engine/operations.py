"""The operations of the tape by name, for the operators and methods of a tensor.

Tensor is below the functions that compute with tensors, so these register themselves with `@operation`.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

operations = SimpleNamespace()


def operation(function: Function) -> Function:
    """Register a function under its name, for the methods of Tensor.

    Parameters
    ----------
    function : function
        The operation.

    Returns
    -------
    function
        The same function.
    """
    setattr(operations, function.__name__, function)
    return function
