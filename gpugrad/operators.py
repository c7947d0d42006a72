"""What can be written with a tensor: its operators and methods, each one a function of `arithmetic` or `functional`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .tensor import Tensor


class Operators:
    """The base of Tensor. The functions are documented where they are written."""

    __slots__ = ()

    def __add__(self, other: Any) -> Tensor:
        return arithmetic.add(self, other)

    def __radd__(self, other: Any) -> Tensor:
        return arithmetic.add(other, self)

    def __sub__(self, other: Any) -> Tensor:
        return arithmetic.subtract(self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return arithmetic.subtract(other, self)

    def __mul__(self, other: Any) -> Tensor:
        return arithmetic.multiply(self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return arithmetic.multiply(other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return arithmetic.divide(self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return arithmetic.divide(other, self)

    def __pow__(self, other: Any) -> Tensor:
        return arithmetic.power(self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return arithmetic.power(other, self)

    def __matmul__(self, other: Any) -> Tensor:
        return arithmetic.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return arithmetic.matmul(other, self)

    def __neg__(self) -> Tensor:
        return arithmetic.negative(self)

    def __abs__(self) -> Tensor:
        return arithmetic.abs(self)

    def __getitem__(self, index: Any) -> Tensor:
        return arithmetic.getitem(self, index)

    def __lt__(self, other: Any) -> Tensor:
        return arithmetic.compare("less", self, other)

    def __le__(self, other: Any) -> Tensor:
        return arithmetic.compare("less_equal", self, other)

    def __gt__(self, other: Any) -> Tensor:
        return arithmetic.compare("greater", self, other)

    def __ge__(self, other: Any) -> Tensor:
        return arithmetic.compare("greater_equal", self, other)

    def __eq__(self, other: Any) -> Tensor:  # type: ignore[override]
        return arithmetic.compare("equal", self, other)

    def __ne__(self, other: Any) -> Tensor:  # type: ignore[override]
        return arithmetic.compare("not_equal", self, other)

    @property
    def T(self) -> Tensor:
        return arithmetic.transpose(self)

    def sum(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return arithmetic.sum(self, axis, keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return arithmetic.mean(self, axis, keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return arithmetic.max(self, axis, keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return arithmetic.min(self, axis, keepdims)

    def argmax(self, axis: int = -1) -> Tensor:
        return arithmetic.argmax(self, axis)

    def exp(self) -> Tensor:
        return arithmetic.exp(self)

    def log(self) -> Tensor:
        return arithmetic.log(self)

    def sqrt(self) -> Tensor:
        return arithmetic.sqrt(self)

    def abs(self) -> Tensor:
        return arithmetic.abs(self)

    def sin(self) -> Tensor:
        return arithmetic.sin(self)

    def cos(self) -> Tensor:
        return arithmetic.cos(self)

    def clip(self, low: float | None = None, high: float | None = None) -> Tensor:
        return arithmetic.clip(self, low, high)

    def reshape(self, *shape: Any) -> Tensor:
        return arithmetic.reshape(self, *shape)

    def transpose(self, *axes: Any) -> Tensor:
        return arithmetic.transpose(self, *axes)

    def astype(self, dtype: Any) -> Tensor:
        return arithmetic.astype(self, dtype)

    def softmax(self, axis: int = -1) -> Tensor:
        return arithmetic.softmax(self, axis)

    def log_softmax(self, axis: int = -1) -> Tensor:
        return arithmetic.log_softmax(self, axis)

    def relu(self) -> Tensor:
        return functional.activation(self, "relu")

    def tanh(self) -> Tensor:
        return functional.activation(self, "tanh")

    def sigmoid(self) -> Tensor:
        return functional.activation(self, "sigmoid")


from . import arithmetic, functional  # noqa: E402  (they are written in terms of Tensor)
