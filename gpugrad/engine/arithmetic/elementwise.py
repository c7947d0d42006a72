"""Elementwise arithmetic: tensors, numbers, NumPy arrays and nested lists, broadcast as in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from ...errors import ArgumentError
from ..creation import tensor
from ..device import Device
from ..operations import operation
from ..tensor import Tensor, on_tape
from .operands import Operand, as_operand, as_operands, math_of, sum_to, value_of

Gradient = Callable[..., Any]

UNARY_DOC = """Compute {name}(x) elementwise.

Parameters
----------
x : Tensor or array_like
    The operand.

Returns
-------
Tensor
    A new tensor of the same shape.
"""


def _elementwise(
    name: str, a: Operand, b: Operand, gradient_a: Gradient, gradient_b: Gradient, *, linear: bool = False
) -> Tensor:
    """Launch the array library's function of this name on two operands.

    Parameters
    ----------
    name : str
        Name of the function, and of the node on the tape.
    a, b : Tensor or array_like
        The operands.
    gradient_a, gradient_b : function
        From (m, dy, a, b, out) to the gradient of an operand, before broadcasting is undone.
    linear : bool, default False
        Whether the gradients read neither the operands nor the result.

    Returns
    -------
    Tensor
        The result.
    """
    device, x, y, value_a, value_b, out = _launch(name, a, b)
    backward = partial(_gradients, device, x, y, value_a, value_b, out, gradient_a, gradient_b)
    parents = (x, y) if isinstance(x, Tensor) and isinstance(y, Tensor) else (x,) if isinstance(x, Tensor) else (y,)
    return on_tape(name, out, parents, backward, saved=() if linear else parents, saves_output=not linear)


def _gradients(
    device: Device, x: Any, y: Any, a: Any, b: Any, out: Any, gradient_a: Gradient, gradient_b: Gradient, dy: Any
) -> Sequence[Any]:
    """Return the gradients of the tensors among two operands, whose values are a and b."""
    m = math_of(device)
    return [
        sum_to(device, gradient(m, dy, a, b, out), operand.shape) if operand.requires_grad else None
        for operand, gradient in ((x, gradient_a), (y, gradient_b))
        if isinstance(operand, Tensor)
    ]


def _launch(name: str, a: Operand, b: Operand) -> tuple[Device, Any, Any, Any, Any, Any]:
    """Launch a function of two operands; return device, operands (one of them a tensor), their values, the result."""
    device, (a, b) = as_operands(a, b)
    if not isinstance(a, Tensor) and not isinstance(b, Tensor):
        a = tensor(a, device=device)
    x = a.data if isinstance(a, Tensor) else a
    y = b.data if isinstance(b, Tensor) else b
    return device, a, b, x, y, device.call(getattr(device.xp, name), x, y)


@operation
def add(a: Operand, b: Operand) -> Tensor:
    """Return a + b.

    Parameters
    ----------
    a, b : Tensor or array_like
        The operands, which broadcast as in NumPy.

    Returns
    -------
    Tensor
        The sum.
    """
    return _elementwise("add", a, b, _same, _same, linear=True)


@operation
def subtract(a: Operand, b: Operand) -> Tensor:
    """Return a − b.

    Parameters
    ----------
    a, b : Tensor or array_like
        The operands, which broadcast as in NumPy.

    Returns
    -------
    Tensor
        The difference.
    """
    return _elementwise("subtract", a, b, _same, lambda m, dy, a, b, y: m.negative(dy), linear=True)


@operation
def multiply(a: Operand, b: Operand) -> Tensor:
    """Return a·b, elementwise.

    Parameters
    ----------
    a, b : Tensor or array_like
        The operands, which broadcast as in NumPy.

    Returns
    -------
    Tensor
        The product.
    """
    return _elementwise(
        "multiply", a, b, lambda m, dy, a, b, y: m.multiply(dy, b), lambda m, dy, a, b, y: m.multiply(dy, a)
    )


@operation
def divide(a: Operand, b: Operand) -> Tensor:
    """Return a / b.

    Parameters
    ----------
    a, b : Tensor or array_like
        The operands, which broadcast as in NumPy.

    Returns
    -------
    Tensor
        The quotient.
    """
    return _elementwise(
        "true_divide",
        a,
        b,
        lambda m, dy, a, b, y: m.true_divide(dy, b),
        lambda m, dy, a, b, y: m.negative(m.true_divide(m.multiply(dy, y), b)),
    )


def _same(m, dy, a, b, y):
    return dy


@operation
def power(a: Operand, b: Operand) -> Tensor:
    """Return a to the power b.

    Parameters
    ----------
    a, b : Tensor or array_like
        The operands, which broadcast as in NumPy.

    Returns
    -------
    Tensor
        The power.

    Notes
    -----
    An exponent of 0 gives its base no gradient, a base of 0 gives its exponent none.
    """

    def gradient_base(m, dy, a, b, y):
        if isinstance(b, int | float):
            return m.multiply(dy, m.multiply(b, m.power(a, b - 1))) if b != 0 else m.multiply(dy, 0)
        # b is made 1 where it is 0, so that 0·0^−1 does not turn into NaN.
        zero = m.equal(b, 0)
        return m.multiply(dy, m.multiply(b, m.power(a, m.subtract(m.where(zero, 1, b), 1))))

    def gradient_exponent(m, dy, a, b, y):
        if isinstance(a, int | float):
            return m.multiply(dy, m.multiply(y, float(np.log(a or 1))))
        return m.multiply(dy, m.multiply(y, m.log(m.where(m.equal(a, 0), 1, a))))

    return _elementwise("power", a, b, gradient_base, gradient_exponent)


def _larger(m, dy, a, b, y):
    """Return the part of dy that goes to a: all of it where y came from a, half of it at a tie."""
    return m.multiply(m.add(m.multiply(dy, m.equal(a, y)), m.multiply(dy, m.not_equal(b, y))), 0.5)


@operation
def maximum(a: Operand, b: Operand) -> Tensor:
    """Return the larger of two, elementwise.

    Parameters
    ----------
    a, b : Tensor or array_like
        The operands, which broadcast as in NumPy.

    Returns
    -------
    Tensor
        The larger elements.

    Notes
    -----
    Where both are equal, each gets half of the gradient.
    """
    return _elementwise("maximum", a, b, _larger, lambda m, dy, a, b, y: _larger(m, dy, b, a, y))


@operation
def minimum(a: Operand, b: Operand) -> Tensor:
    """Return the smaller of two, elementwise.

    Parameters
    ----------
    a, b : Tensor or array_like
        The operands, which broadcast as in NumPy.

    Returns
    -------
    Tensor
        The smaller elements.

    Notes
    -----
    Where both are equal, each gets half of the gradient.
    """
    return _elementwise("minimum", a, b, _larger, lambda m, dy, a, b, y: _larger(m, dy, b, a, y))


def _unary(name: str, gradient: Callable[..., Any], linear: bool = False) -> Callable[[Operand], Tensor]:
    """Return the operation of this name; gradient: from (m, dy, x, out) to the gradient of x."""

    def function(x: Operand) -> Tensor:
        device, x = as_operand(x)
        value = x.data
        out = device.call(getattr(device.xp, name), value)
        backward = partial(_gradient, device, gradient, value, out)
        return on_tape(name, out, (x,), backward, () if linear else (x,), saves_output=not linear)

    function.__name__ = name
    function.__doc__ = UNARY_DOC.format(name=name)
    return operation(function)


def _gradient(device: Device, gradient: Gradient, x: Any, out: Any, dy: Any) -> Sequence[Any]:
    return (gradient(math_of(device), dy, x, out),)


negative = _unary("negative", lambda m, dy, x, y: m.negative(dy), linear=True)
exp = _unary("exp", lambda m, dy, x, y: m.multiply(dy, y))
log = _unary("log", lambda m, dy, x, y: m.true_divide(dy, x))
sqrt = _unary("sqrt", lambda m, dy, x, y: m.true_divide(dy, m.multiply(2, y)))
abs = _unary("absolute", lambda m, dy, x, y: m.multiply(dy, m.sign(x)))
sin = _unary("sin", lambda m, dy, x, y: m.multiply(dy, m.cos(x)))
cos = _unary("cos", lambda m, dy, x, y: m.negative(m.multiply(dy, m.sin(x))))


@operation
def compare(name: str, a: Operand, b: Operand) -> Tensor:
    """Compare two operands with a function of the array library, off the tape.

    Parameters
    ----------
    name : str
        The function, such as "less".
    a, b : Tensor or array_like
        The operands, which broadcast as in NumPy.

    Returns
    -------
    Tensor
        A tensor of bool.
    """
    device, *_, out = _launch(name, a, b)
    return Tensor(out, device)


def _check_limits(low: Any, high: Any) -> None:
    for name, limit in (("low", low), ("high", high)):
        if isinstance(limit, Tensor):
            function = "maximum" if name == "low" else "minimum"
            raise ArgumentError(f"{name} is a tensor, expected a number: use gg.{function}(x, {name})")
        if limit is not None and (isinstance(limit, list | tuple | str) or np.asarray(limit).dtype.kind not in "biuf"):
            raise ArgumentError(f"{name} is {limit!r}, expected a number or None")


@operation
def clip(x: Operand, low: float | None = None, high: float | None = None) -> Tensor:
    """Limit x to [low, high].

    Parameters
    ----------
    x : Tensor or array_like
        The operand.
    low, high : float, optional
        The limits; at least one of them.

    Returns
    -------
    Tensor
        A new tensor of the same shape.

    Raises
    ------
    ArgumentError
        If both limits are missing, or one is not a number.

    Notes
    -----
    The gradient is 0 outside the limits and passes through at them.
    """
    if low is None and high is None:
        raise ArgumentError("clip needs low, high or both: pass at least one limit")
    device, x = as_operand(x)
    m, value = math_of(device), x.data
    if value.dtype.kind == "f" and type(low) in _LIMITS and type(high) in _LIMITS:  # the result has the dtype of x
        out = device.empty(value.shape, value.dtype)
        device.run(_clip, device.xp, value, low, high, out)
    else:
        _check_limits(low, high)
        out = value if low is None else m.maximum(value, low)
        out = out if high is None else m.minimum(out, high)

    def backward(dy):
        if low is not None:
            dy = m.multiply(dy, m.greater_equal(x.data, low))
        return (dy if high is None else m.multiply(dy, m.less_equal(x.data, high)),)

    return on_tape("clip", out, (x,), backward, saved=(x,))


_LIMITS = (float, int, type(None))


def _clip(xp: Any, array: Any, low: float | None, high: float | None, out: Any) -> None:
    if low is not None:
        array = xp.maximum(array, low, out=out)
    if high is not None:
        xp.minimum(array, high, out=out)


_clip.__name__ = "clip"  # for profiles


@operation
def where(condition: Operand, a: Operand, b: Operand) -> Tensor:
    """Choose a where the condition holds, else b.

    Parameters
    ----------
    condition : Tensor or array_like
        Elements that are true or nonzero choose a.
    a, b : Tensor or array_like
        The choices. All three broadcast as in NumPy.

    Returns
    -------
    Tensor
        The chosen elements.
    """
    device, (condition, a, b) = as_operands(condition, a, b)
    if not isinstance(condition, Tensor):
        condition = tensor(condition, device=device)
    if not any(isinstance(operand, Tensor) for operand in (a, b)):
        a = tensor(a, device=device)
    m = math_of(device)
    chosen = condition.data if condition.dtype == np.bool_ else m.not_equal(condition.data, 0)
    out = m.where(chosen, value_of(a), value_of(b))
    parents = tuple(operand for operand in (a, b) if isinstance(operand, Tensor))

    def backward(dy):
        shares = ((a, dy, 0), (b, 0, dy))
        return [
            sum_to(device, m.where(chosen, here, there), operand.shape) if operand.requires_grad else None
            for operand, here, there in shares
            if isinstance(operand, Tensor)
        ]

    return on_tape("where", out, parents, backward, saved=(condition,))
