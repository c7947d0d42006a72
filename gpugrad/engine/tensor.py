"""Tensor: an array on a device with a place on the tape, its operators and methods."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..errors import ArgumentError, DeviceError, GraphError
from . import elsewhere
from .device import Device
from .device import device as get_device
from .elsewhere import has_no
from .lending import Lending
from .operations import operations
from .tape import Gradients, Node, Version, grad_enabled, walk_back

# Attributes that the engine reads; `dir()` of a tensor, which completes names, leaves them out.
_INTERNAL = frozenset(
    (
        "add_gradient",
        "changed_in_place",
        "gradient_buffer",
        "has_grad",
        "in_own_dtype",
        "node",
        "retains_grad",
        "version",
    )
)


class Tensor(Lending):
    """An array on a device, and a place on the tape; made by `gg.tensor`.

    Parameters
    ----------
    data : array
        An array of the device.
    device : Device
        The device.
    requires_grad : bool, default False
        Whether the tape computes a gradient of the tensor.
    version : Version, optional
        Version of the memory, if another tensor views it.

    Attributes
    ----------
    data : array
        The array itself. The tape does not see changes of it in place; it sees `t[...] = value`.
    device : Device
        The device.
    requires_grad : bool
        Whether the tape computes a gradient of the tensor.
    grad : Tensor or None
        The gradient; None before the first backward pass and after `zero_grad`.
    """

    __slots__ = (
        "__weakref__",
        "_grad",
        "_requires_grad",
        "data",
        "device",
        "has_grad",
        "node",
        "retains_grad",
        "version",
    )
    __hash__ = object.__hash__

    def __init__(self, data: Any, device: Device, requires_grad: bool = False, version: Version | None = None) -> None:
        self.data = data
        self.device = device
        self.version = version or Version()
        self._grad: Any = None
        self.node: Node | None = None
        self.retains_grad = False
        self.has_grad = False
        self._requires_grad = False
        if requires_grad:
            self.requires_grad = True

    # ---- properties ----

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""
        return self.data.shape

    @property
    def dtype(self) -> np.dtype:
        """Dtype of the elements."""
        return self.data.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.data.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.data.size

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if name not in _INTERNAL]

    def __getattr__(self, name: str) -> Any:
        if hasattr(type(self), name):  # a property that raises AttributeError, with its own message
            return object.__getattribute__(self, name)
        raise AttributeError(has_no("a tensor", name, elsewhere.TENSOR), name=name, obj=self)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a tensor with no axes")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    @property
    def requires_grad(self) -> bool:
        """Whether the tape computes a gradient of the tensor."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if value and self.dtype.kind != "f":
            raise GraphError(f"a tensor of dtype {self.dtype} cannot require a gradient: convert it to float32 first")
        if not value and self.node is not None:
            raise GraphError("only a leaf can stop requiring a gradient: use detach()")
        self._requires_grad = value

    @property
    def is_leaf(self) -> bool:
        """Whether no operation on the tape computed the tensor."""
        return self.node is None

    @property
    def grad(self) -> Tensor | None:
        """Gradient, in the memory that the next backward pass adds to; None if there is none."""
        if self.device.thread.recorder is not None:
            self.device.thread.recorder.read_attribute(self, "has_grad")
        return Tensor(self._grad, self.device) if self.has_grad else None

    @grad.setter
    def grad(self, value: None) -> None:
        if value is not None:
            raise ArgumentError("grad can only be set to None: gradients are written by backward()")
        self.zero_grad()

    def zero_grad(self) -> None:
        """Forget the gradient: the next backward pass overwrites it. Nothing is written."""
        self.has_grad = False
        if self.device.thread.recorder is not None:
            self.device.thread.recorder.write_attribute(self, "has_grad")

    def __repr__(self) -> str:
        body = np.array2string(self.numpy(), separator=", ", prefix="tensor(", threshold=100)
        extra = "" if self.dtype == np.float32 else f", dtype={self.dtype}"
        extra += "" if self.device.kind == "cpu" else f", device={self.device.name!r}"
        extra += f", grad_fn=<{self.node.name}>" if self.node else ", requires_grad=True" if self.requires_grad else ""
        return f"tensor({body}{extra})"

    def to(self, device: str | Device) -> Tensor:
        """Copy the values to another device, off the tape.

        Parameters
        ----------
        device : str or Device
            The device.

        Returns
        -------
        Tensor
            A copy, or the tensor itself if it is on that device.
        """
        target = get_device(device)
        if target is self.device:
            return self
        return Tensor(target.upload(self.numpy()), target, self.requires_grad and self.is_leaf)

    def detach(self) -> Tensor:
        """Return the same memory, off the tape.

        Returns
        -------
        Tensor
            A tensor that requires no gradient.
        """
        return Tensor(self.data, self.device, version=self.version)

    def __setitem__(self, index: Any, value: Any) -> None:
        """Change values in place; the tape notices if a gradient still needs the old ones."""
        operations.setitem(self, index, value)

    def changed_in_place(self) -> None:
        """Note on the tape that this memory changed."""
        self.version.bump()
        if self.device.thread.recorder is not None:
            self.device.thread.recorder.after_replay.append(self.version.bump)

    # ---- the tape ----

    def retain_grad(self) -> None:
        """Keep the gradient of a tensor that is not a leaf.

        Raises
        ------
        GraphError
            If the tensor requires no gradient.
        """
        if not self.requires_grad:
            raise GraphError("retain_grad() of a tensor that requires no gradient: set requires_grad on its inputs")
        self.retains_grad = True

    def backward(self, gradient: Tensor | None = None, *, retain_graph: bool = False) -> None:
        """Add the gradient of this tensor to `grad` of every leaf it was computed from.

        Parameters
        ----------
        gradient : Tensor, optional
            The gradient of the tensor itself, of its shape; 1 by default, for a tensor with one element.
        retain_graph : bool, default False
            Whether to keep the graph for another pass.

        Raises
        ------
        GraphError
            If there is nothing to differentiate, the tensor has several elements and no gradient is given, the
            graph was freed by an earlier pass, or an array that it needs was changed in place.
        """
        if not self.requires_grad:
            raise GraphError("backward() of a tensor that requires no gradient: set requires_grad=True on its inputs")
        if gradient is None:
            if self.size != 1:
                raise GraphError(
                    f"backward() of a tensor of shape {self.shape}: only a scalar has an implied gradient, "
                    "so reduce it with .sum() or .mean(), or pass gradient="
                )
            start = self.device.constant(1.0, self.dtype, self.shape)
        else:
            common_device(self, gradient)
            if gradient.shape != self.shape:
                raise GraphError(f"gradient has shape {gradient.shape}, expected {self.shape}, the shape of the tensor")
            start = self.in_own_dtype(gradient.data)
        walk_back(self, start, retain_graph)

    def in_own_dtype(self, gradient: Any) -> Any:
        """Return a gradient in this tensor's dtype; where dtypes were mixed it comes in the wider one.

        Parameters
        ----------
        gradient : array
            The gradient.

        Returns
        -------
        array
            The gradient, copied if its dtype differs.
        """
        if gradient.dtype == self.dtype:
            return gradient
        out = self.device.empty(self.shape, self.dtype)
        self.device.run(self.device.xp.copyto, out, gradient, casting="unsafe")
        return out

    def add_gradient(self, gradient: Any) -> None:
        """Add to `grad`.

        Parameters
        ----------
        gradient : array
            An array of this tensor's shape.
        """
        target, accumulate = self.gradient_buffer()
        if accumulate:
            self.device.run(self.device.xp.add, target, gradient, out=target)
        else:
            self.device.run(self.device.xp.copyto, target, gradient)

    def gradient_buffer(self) -> tuple[Any, bool]:
        """Return the memory of `grad`, which the caller is about to write.

        Returns
        -------
        tuple of (array, bool)
            The memory, and whether to add to its contents.
        """
        recorder = self.device.thread.recorder
        if recorder is not None:
            recorder.read_attribute(self, "has_grad")
            recorder.write_attribute(self, "has_grad")
        accumulate = self.has_grad
        if self._grad is None:
            self._grad = self.device.empty(self.shape, self.dtype)
        self.has_grad = True
        return self._grad, accumulate

    # ---- operators and methods: each is the function of that name of `arithmetic` or `functional` ----

    def __add__(self, other: Any) -> Tensor:
        return operations.add(self, other)

    def __radd__(self, other: Any) -> Tensor:
        return operations.add(other, self)

    def __sub__(self, other: Any) -> Tensor:
        return operations.subtract(self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return operations.subtract(other, self)

    def __mul__(self, other: Any) -> Tensor:
        return operations.multiply(self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return operations.multiply(other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return operations.divide(self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return operations.divide(other, self)

    def __pow__(self, other: Any) -> Tensor:
        return operations.power(self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return operations.power(other, self)

    def __matmul__(self, other: Any) -> Tensor:
        return operations.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return operations.matmul(other, self)

    def __neg__(self) -> Tensor:
        return operations.negative(self)

    def __abs__(self) -> Tensor:
        return operations.absolute(self)

    def __getitem__(self, index: Any) -> Tensor:
        return operations.getitem(self, index)

    def __lt__(self, other: Any) -> Tensor:
        return operations.compare("less", self, other)

    def __le__(self, other: Any) -> Tensor:
        return operations.compare("less_equal", self, other)

    def __gt__(self, other: Any) -> Tensor:
        return operations.compare("greater", self, other)

    def __ge__(self, other: Any) -> Tensor:
        return operations.compare("greater_equal", self, other)

    def __eq__(self, other: Any) -> Tensor:  # type: ignore[override]
        if other is None or isinstance(other, str | bytes):
            return NotImplemented  # Python then says False
        return operations.compare("equal", self, other)

    def __ne__(self, other: Any) -> Tensor:  # type: ignore[override]
        if other is None or isinstance(other, str | bytes):
            return NotImplemented  # Python then says True
        return operations.compare("not_equal", self, other)

    @property
    def T(self) -> Tensor:
        """Tensor with its axes reversed, a contiguous copy."""
        return operations.transpose(self)

    def sum(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """Sum over axes.

        Parameters
        ----------
        axis : int or tuple of int, optional
            The axes; by default all of them.
        keepdims : bool, default False
            Whether the axes stay, with length 1.

        Returns
        -------
        Tensor
            The sums.
        """
        return operations.sum(self, axis, keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """Average over axes.

        Parameters
        ----------
        axis : int or tuple of int, optional
            The axes; by default all of them.
        keepdims : bool, default False
            Whether the axes stay, with length 1.

        Returns
        -------
        Tensor
            The means.

        Raises
        ------
        ArgumentError
            If there are no elements to reduce, or an axis does not exist.
        """
        return operations.mean(self, axis, keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """Return the largest element along axes; elements that tie share the gradient evenly.

        Parameters
        ----------
        axis : int or tuple of int, optional
            The axes; by default all of them.
        keepdims : bool, default False
            Whether the axes stay, with length 1.

        Returns
        -------
        Tensor
            The largest elements.

        Raises
        ------
        ArgumentError
            If there are no elements to reduce, or an axis does not exist.
        """
        return operations.max(self, axis, keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """Return the smallest element along axes; elements that tie share the gradient evenly.

        Parameters
        ----------
        axis : int or tuple of int, optional
            The axes; by default all of them.
        keepdims : bool, default False
            Whether the axes stay, with length 1.

        Returns
        -------
        Tensor
            The smallest elements.

        Raises
        ------
        ArgumentError
            If there are no elements to reduce, or an axis does not exist.
        """
        return operations.min(self, axis, keepdims)

    def argmax(self, axis: int = -1) -> Tensor:
        """Return the index of the largest element along an axis, off the tape.

        Parameters
        ----------
        axis : int, default -1
            The axis.

        Returns
        -------
        Tensor
            Indices of dtype int64; the first of equal elements.

        Raises
        ------
        ArgumentError
            If there are no elements to reduce, or an axis does not exist.
        """
        return operations.argmax(self, axis)

    def exp(self) -> Tensor:
        """Return e^x, elementwise.

        Returns
        -------
        Tensor
            A new tensor of the same shape.
        """
        return operations.exp(self)

    def log(self) -> Tensor:
        """Return the natural logarithm, elementwise.

        Returns
        -------
        Tensor
            A new tensor of the same shape.
        """
        return operations.log(self)

    def sqrt(self) -> Tensor:
        """Return the square root, elementwise.

        Returns
        -------
        Tensor
            A new tensor of the same shape.
        """
        return operations.sqrt(self)

    def abs(self) -> Tensor:
        """Return the absolute value, elementwise.

        Returns
        -------
        Tensor
            A new tensor of the same shape.
        """
        return operations.absolute(self)

    def sin(self) -> Tensor:
        """Return the sine, elementwise.

        Returns
        -------
        Tensor
            A new tensor of the same shape.
        """
        return operations.sin(self)

    def cos(self) -> Tensor:
        """Return the cosine, elementwise.

        Returns
        -------
        Tensor
            A new tensor of the same shape.
        """
        return operations.cos(self)

    def clip(self, low: float | None = None, high: float | None = None) -> Tensor:
        """Limit the elements to [low, high].

        Parameters
        ----------
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
        """
        return operations.clip(self, low, high)

    def reshape(self, *shape: Any) -> Tensor:
        """Return the same memory in another shape.

        Parameters
        ----------
        *shape : int
            The sizes, one by one or as one tuple; one of them may be −1.

        Returns
        -------
        Tensor
            A view: a change of either one in place changes both.

        Raises
        ------
        ArgumentError
            If the sizes do not fit.
        """
        return operations.reshape(self, *shape)

    def transpose(self, *axes: Any) -> Tensor:
        """Put the axes in another order.

        Parameters
        ----------
        *axes : int
            The axes in their new order; reversed if none is given.

        Returns
        -------
        Tensor
            A contiguous copy.

        Raises
        ------
        ArgumentError
            If the axes are not each axis once.
        """
        return operations.transpose(self, *axes)

    def astype(self, dtype: Any) -> Tensor:
        """Copy to another dtype; between float dtypes the gradient passes.

        Parameters
        ----------
        dtype : dtype
            The dtype.

        Returns
        -------
        Tensor
            A copy.

        Raises
        ------
        ArgumentError
            If it is not a dtype of numbers.
        """
        return operations.astype(self, dtype)

    def softmax(self, axis: int = -1) -> Tensor:
        """Return the softmax along an axis.

        Parameters
        ----------
        axis : int, default -1
            The axis.

        Returns
        -------
        Tensor
            A new tensor of the same shape.
        """
        return operations.softmax(self, axis)

    def log_softmax(self, axis: int = -1) -> Tensor:
        """Return the logarithm of the softmax along an axis.

        Parameters
        ----------
        axis : int, default -1
            The axis.

        Returns
        -------
        Tensor
            A new tensor of the same shape.
        """
        return operations.log_softmax(self, axis)

    def relu(self) -> Tensor:
        """Return max(x, 0), elementwise.

        Returns
        -------
        Tensor
            A new tensor of the same shape.
        """
        return operations.activation(self, "relu")

    def tanh(self) -> Tensor:
        """Return the hyperbolic tangent, elementwise.

        Returns
        -------
        Tensor
            A new tensor of the same shape.
        """
        return operations.activation(self, "tanh")

    def sigmoid(self) -> Tensor:
        """Return 1 / (1 + e^−x), elementwise.

        Returns
        -------
        Tensor
            A new tensor of the same shape.
        """
        return operations.activation(self, "sigmoid")


def on_tape(
    name: str,
    data: Any,
    parents: tuple[Tensor, ...],
    backward: Callable[[Any], Gradients],
    saved: tuple[Tensor, ...] = (),
    *,
    saves_output: bool = False,
    version: Version | None = None,
) -> Tensor:
    """Make the result of an operation a tensor, and note how to differentiate it if any parent requires that.

    Parameters
    ----------
    name : str
        The operation, for messages.
    data : array
        The result.
    parents : tuple of Tensor
        Tensors it was computed from.
    backward : function
        From the gradient of the result, an array that must not be written to, to an array or None per parent.
    saved : tuple of Tensor
        The parents whose values `backward` reads, so that a change of them in place is noticed.
    saves_output : bool
        Whether `backward` reads the result too.
    version : Version, optional
        Version of the memory, if the result is a view.

    Returns
    -------
    Tensor
        The result.
    """
    out = Tensor(data, parents[0].device, False, version)
    if not grad_enabled():
        return out
    recorder = out.device.thread.recorder
    if recorder is not None:
        for parent in parents:
            if parent.is_leaf:
                recorder.read_attribute(parent, "requires_grad")
    for parent in parents:
        if parent._requires_grad:
            out._requires_grad = True
            out.node = Node(name, parents, backward, (*saved, out) if saves_output else saved)
            break
    return out


def common_device(*tensors: Tensor) -> Device:
    """Return the device of all these tensors.

    Parameters
    ----------
    *tensors : Tensor
        The tensors.

    Returns
    -------
    Device
        The device.

    Raises
    ------
    DeviceError
        If they are on several devices.
    """
    device = tensors[0].device
    for tensor in tensors:
        if tensor.device is not device:
            raise DeviceError(f"tensors live on {device} and on {tensor.device}: move one of them with .to()")
    return device
