"""Elementwise arithmetic: tensors, numbers, NumPy arrays and nested lists, broadcast as in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...errors import ArgumentError
from ..creation import tensor
from ..operations import operation
from ..tensor import Tensor, on_tape
from .operands import ArrayMath, Operand, as_operand, as_operands, broadcast_shapes, sum_to, value_of


def _elementwise(
    name: str, *given: Operand, gradients: Sequence[Callable[..., Any] | None], linear: bool = False
) -> Tensor:
    """Launch the array library's function of this name; gradients: for each operand (m, dy, *operands, out) to its own.

    linear: the gradients read neither the operands nor the result.
    """
    device, operands = as_operands(*given)
    if not any(isinstance(operand, Tensor) for operand in operands):
        operands = [tensor(operands[0]), *operands[1:]]
    values = [value_of(operand) for operand in operands]
    broadcast_shapes(*map(np.shape, values))
    out = device.call(getattr(device.xp, name), *values)
    m = ArrayMath(device)
    parents = tuple(operand for operand in operands if isinstance(operand, Tensor))

    def backward(dy):
        return [
            sum_to(device, gradient(m, dy, *values, out), operand.shape) if operand.requires_grad else None
            for operand, gradient in zip(operands, gradients, strict=True)
            if isinstance(operand, Tensor) and gradient is not None
        ]

    if None in gradients:  # a comparison: not differentiable
        return Tensor(out, device)
    return on_tape(name, out, parents, backward, saved=() if linear else parents, saves_output=not linear)


@operation
def add(a: Operand, b: Operand) -> Tensor:
    gradients = (lambda m, dy, a, b, y: dy, lambda m, dy, a, b, y: dy)
    return _elementwise("add", a, b, gradients=gradients, linear=True)


@operation
def subtract(a: Operand, b: Operand) -> Tensor:
    gradients = (lambda m, dy, a, b, y: dy, lambda m, dy, a, b, y: m.negative(dy))
    return _elementwise("subtract", a, b, gradients=gradients, linear=True)


@operation
def multiply(a: Operand, b: Operand) -> Tensor:
    return _elementwise(
        "multiply",
        a,
        b,
        gradients=(lambda m, dy, a, b, y: m.multiply(dy, b), lambda m, dy, a, b, y: m.multiply(dy, a)),
    )


@operation
def divide(a: Operand, b: Operand) -> Tensor:
    return _elementwise(
        "true_divide",
        a,
        b,
        gradients=(
            lambda m, dy, a, b, y: m.true_divide(dy, b),
            lambda m, dy, a, b, y: m.negative(m.true_divide(m.multiply(dy, y), b)),
        ),
    )


@operation
def power(a: Operand, b: Operand) -> Tensor:
    """a to the power b. An exponent of 0 gives its base no gradient, a base of 0 its exponent none."""

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

    return _elementwise("power", a, b, gradients=(gradient_base, gradient_exponent))


def _larger(m, dy, a, b, y):
    """The share of dy that goes to a where y was taken from a; a tie is shared."""
    return m.multiply(m.add(m.multiply(dy, m.equal(a, y)), m.multiply(dy, m.not_equal(b, y))), 0.5)


@operation
def maximum(a: Operand, b: Operand) -> Tensor:
    """The larger of two; where they are equal each gets half of the gradient."""
    return _elementwise("maximum", a, b, gradients=(_larger, lambda m, dy, a, b, y: _larger(m, dy, b, a, y)))


@operation
def minimum(a: Operand, b: Operand) -> Tensor:
    """The smaller of two; where they are equal each gets half of the gradient."""
    return _elementwise("minimum", a, b, gradients=(_larger, lambda m, dy, a, b, y: _larger(m, dy, b, a, y)))


def _unary(name: str, gradient: Callable[..., Any], linear: bool = False) -> Callable[[Operand], Tensor]:
    def function(x: Operand) -> Tensor:
        return _elementwise(name, x, gradients=(gradient,), linear=linear)

    function.__name__ = name
    function.__doc__ = f"Elementwise {name}."
    return operation(function)


negative = _unary("negative", lambda m, dy, x, y: m.negative(dy), linear=True)
exp = _unary("exp", lambda m, dy, x, y: m.multiply(dy, y))
log = _unary("log", lambda m, dy, x, y: m.true_divide(dy, x))
sqrt = _unary("sqrt", lambda m, dy, x, y: m.true_divide(dy, m.multiply(2, y)))
abs = _unary("absolute", lambda m, dy, x, y: m.multiply(dy, m.sign(x)))
sin = _unary("sin", lambda m, dy, x, y: m.multiply(dy, m.cos(x)))
cos = _unary("cos", lambda m, dy, x, y: m.negative(m.multiply(dy, m.sin(x))))


@operation
def compare(name: str, a: Operand, b: Operand) -> Tensor:
    """A comparison of the array library, such as "less": a tensor of bool, off the tape."""
    return _elementwise(name, a, b, gradients=(None, None))


@operation
def clip(x: Operand, low: float | None = None, high: float | None = None) -> Tensor:
    """x limited to [low, high]; the gradient is 0 outside and passes at the limits."""
    if low is None and high is None:
        raise ArgumentError("clip needs low, high or both: give at least one limit")
    device, x = as_operand(x)
    m = ArrayMath(device)
    out = x.data if low is None else m.maximum(x.data, low)
    out = out if high is None else m.minimum(out, high)

    def backward(dy):
        if low is not None:
            dy = m.multiply(dy, m.greater_equal(x.data, low))
        return (dy if high is None else m.multiply(dy, m.less_equal(x.data, high)),)

    return on_tape("clip", out, (x,), backward, saved=(x,))


@operation
def where(condition: Operand, a: Operand, b: Operand) -> Tensor:
    """a where the condition holds (is true, or not 0), else b."""
    device, (condition, a, b) = as_operands(condition, a, b)
    if not isinstance(condition, Tensor):
        condition = tensor(condition, device=device)
    if not any(isinstance(operand, Tensor) for operand in (a, b)):
        a = tensor(a, device=device)
    m = ArrayMath(device)
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
