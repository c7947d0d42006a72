"""NumPy's functions called with tensors: np.sin(t) is gg.sin(t), on the tape; array + t calls the tensor's addition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ArgumentError, GraphError
from .operations import operations

# NumPy's name of a function, and the operation of the tape that computes it.
UFUNCS: dict[str, Callable[..., Any]] = {
    **{
        name: lambda *operands, name=name: getattr(operations, name)(*operands)
        for name in (
            "absolute", "add", "cos", "divide", "exp", "log", "matmul", "maximum", "minimum", "multiply", "negative",
            "power", "sin", "sqrt", "subtract",
        )
    },
    **{
        name: lambda a, b, name=name: operations.compare(name, a, b)
        for name in ("equal", "greater", "greater_equal", "less", "less_equal", "not_equal")
    },
    "square": lambda x: operations.power(x, 2),
    "tanh": lambda x: operations.activation(x, "tanh"),
}  # fmt: skip


def _reduction(name: str) -> Callable[..., Any]:
    def function(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return getattr(operations, name)(a, axis, keepdims)

    return function


def _dot(a: Any, b: Any) -> Any:
    """Return NumPy's dot: a product with a number, or the matrix product of vectors and matrices."""
    dims = np.ndim(a), np.ndim(b)
    if 0 in dims:
        return operations.multiply(a, b)
    if max(dims) > 2:
        raise ArgumentError(f"np.dot got tensors with {dims[0]} and {dims[1]} axes, expected at most two: use a @ b")
    return operations.matmul(a, b)


def _norm(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return operations.sqrt(operations.sum(operations.power(x, 2), axis, keepdims))


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.sum: _reduction("sum"),
    np.mean: _reduction("mean"),
    np.max: _reduction("max"),
    np.amax: _reduction("max"),
    np.min: _reduction("min"),
    np.amin: _reduction("min"),
    np.dot: _dot,
    np.linalg.norm: _norm,
    np.clip: lambda a, a_min=None, a_max=None: operations.clip(a, a_min, a_max),
    np.where: lambda condition, x, y: operations.where(condition, x, y),
    np.concatenate: lambda arrays, axis=0: operations.concatenate(arrays, axis),
    np.reshape: lambda a, shape: operations.reshape(a, shape),
    np.transpose: lambda a, axes=None: operations.transpose(a, *(axes or ())),
    np.shape: lambda a: a.shape,
    np.ndim: lambda a: a.ndim,
    np.size: lambda a: a.size,
}
REMEDY = "use the tensor's own operators and methods and gg.sin, gg.exp, gg.log, gg.sqrt, …"


class NumPyCalls:
    """NumPy's two protocols, by which NumPy's functions call a tensor's methods."""

    __slots__ = ()

    requires_grad: Any

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        """Compute an elementwise function of NumPy on the tape.

        Raises ArgumentError for a function that the tape lacks, and for options such as out=.
        """
        name = ufunc.__name__
        function = UFUNCS.get(name)
        if method != "__call__" or function is None:
            called = name if method == "__call__" else f"{name}.{method}"
            raise ArgumentError(
                f"np.{called} does not work on tensors: {REMEDY}, or np.{called}(t.numpy()) without gradient"
            )
        if options:
            raise ArgumentError(
                f"np.{name} got {', '.join(options)}= together with a tensor, expected no options: {REMEDY}"
            )
        return function(*inputs)

    def __array_function__(self, func: Any, types: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
        """Compute another function of NumPy on the tape, or on copies if no tensor requires a gradient.

        Raises GraphError for a function that the tape lacks, where a gradient would be lost.
        """
        function = FUNCTIONS.get(func)
        if function is not None:
            try:
                return function(*args, **kwargs)
            except TypeError as error:  # an option that only NumPy has
                if "argument" not in str(error):
                    raise
        name = f"{func.__module__.replace('numpy', 'np', 1)}.{func.__name__}"
        if function is not None:
            raise ArgumentError(f"{name} got options that it does not have for tensors: {REMEDY}")
        if _any_requires_grad((args, kwargs)):
            raise GraphError(f"{name} would lose the gradient of a tensor: {REMEDY}, or detach() the tensor first")
        return func(*_as_arrays(args), **_as_arrays(kwargs))


def _any_requires_grad(value: Any) -> bool:
    if isinstance(value, NumPyCalls):
        return bool(value.requires_grad)
    if isinstance(value, dict):
        return any(map(_any_requires_grad, value.values()))
    return isinstance(value, list | tuple) and any(map(_any_requires_grad, value))


def _as_arrays(value: Any) -> Any:
    """Return the value with copies on the host instead of tensors."""
    if isinstance(value, NumPyCalls):
        return np.asarray(value)
    if isinstance(value, dict):
        return {name: _as_arrays(part) for name, part in value.items()}
    return type(value)(map(_as_arrays, value)) if type(value) in (list, tuple) else value
