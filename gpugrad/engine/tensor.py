"""Tensor: an array on a device and a place on the tape, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..errors import ArgumentError, DeviceError, GraphError
from .device import Device
from .device import device as get_device
from .lending import Lending
from .operations import operations
from .tape import Gradients, Node, Version, grad_enabled, walk_back


class Tensor(Lending):
    """An array on a device, and a place on the tape. Made by `gg.tensor`.

    Attributes: `data` (the array itself; changing it in place is not seen by the tape, `t[...] = value` is),
    `device`, `requires_grad`, `grad` (a tensor, or None before the first backward pass and after `zero_grad`).
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
    __array_ufunc__ = None  # array + tensor asks the tensor
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

    # ---- what it is ----

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    @property
    def dtype(self) -> np.dtype:
        return self.data.dtype

    @property
    def ndim(self) -> int:
        return self.data.ndim

    @property
    def size(self) -> int:
        return self.data.size

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a tensor with no axes")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    @property
    def requires_grad(self) -> bool:
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
        return self.node is None

    @property
    def grad(self) -> Tensor | None:
        if self.device.recorder is not None:
            self.device.recorder.read_attribute(self, "has_grad")
        return Tensor(self._grad, self.device) if self.has_grad else None

    @grad.setter
    def grad(self, value: None) -> None:
        if value is not None:
            raise ArgumentError("grad can only be set to None: gradients are written by backward()")
        self.zero_grad()

    def zero_grad(self) -> None:
        """Forget the gradient: the next backward pass overwrites it. Nothing is written."""
        self.has_grad = False
        if self.device.recorder is not None:
            self.device.recorder.write_attribute(self, "has_grad")

    def __repr__(self) -> str:
        body = np.array2string(self.numpy(), separator=", ", prefix="tensor(", threshold=100)
        extra = "" if self.dtype == np.float32 else f", dtype={self.dtype}"
        extra += "" if self.device.kind == "cpu" else f", device={self.device.name!r}"
        extra += f", grad_fn=<{self.node.name}>" if self.node else ", requires_grad=True" if self.requires_grad else ""
        return f"tensor({body}{extra})"

    def to(self, device: str | Device) -> Tensor:
        """A copy of the values on another device, off the tape; itself if it is there already."""
        target = get_device(device)
        if target is self.device:
            return self
        return Tensor(target.upload(self.numpy()), target, self.requires_grad and self.is_leaf)

    def detach(self) -> Tensor:
        """The same memory, off the tape."""
        return Tensor(self.data, self.device, version=self.version)

    def __setitem__(self, index: Any, value: Any) -> None:
        """Change values in place; the tape notices if a gradient still needs the old ones."""
        operations.setitem(self, index, value)

    def changed_in_place(self) -> None:
        """Tell the tape that this memory changed."""
        self.version.bump()
        if self.device.recorder is not None:
            self.device.recorder.after_replay.append(self.version.bump)

    # ---- the tape ----

    def retain_grad(self) -> None:
        """Keep the gradient of a tensor that is not a leaf."""
        if not self.requires_grad:
            raise GraphError("retain_grad() of a tensor that gets no gradient: set requires_grad=True on its inputs")
        self.retains_grad = True

    def backward(self, gradient: Tensor | None = None, *, retain_graph: bool = False) -> None:
        """Add the gradient of this tensor to `grad` of every leaf it was computed from.

        gradient: what to start from, of this tensor's shape; may be left out for a tensor with one element (1).
        retain_graph: keep what the backward pass needs, so that it can be run again.

        Raises GraphError if there is nothing to differentiate, the tensor is not a scalar and no gradient is given,
        the graph was freed by an earlier pass, or an array that it needs was changed in place.
        """
        if not self.requires_grad:
            raise GraphError(
                "backward() of a tensor that nothing requires a gradient of: set requires_grad=True on its inputs"
            )
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
        """A gradient in this tensor's dtype: where dtypes were mixed it comes in the wider one."""
        if gradient.dtype == self.dtype:
            return gradient
        out = self.device.empty(self.shape, self.dtype)
        self.device.run(self.device.xp.copyto, out, gradient, casting="unsafe")
        return out

    def add_gradient(self, gradient: Any) -> None:
        """Add an array of this tensor's shape to `grad`."""
        target, accumulate = self.gradient_buffer()
        if accumulate:
            self.device.run(self.device.xp.add, target, gradient, out=target)
        else:
            self.device.run(self.device.xp.copyto, target, gradient)

    def gradient_buffer(self) -> tuple[Any, bool]:
        """The memory of `grad`, about to be written by the caller, and whether to add to what is there."""
        recorder = self.device.recorder
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
        return operations.compare("equal", self, other)

    def __ne__(self, other: Any) -> Tensor:  # type: ignore[override]
        return operations.compare("not_equal", self, other)

    @property
    def T(self) -> Tensor:
        return operations.transpose(self)

    def sum(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return operations.sum(self, axis, keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return operations.mean(self, axis, keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return operations.max(self, axis, keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return operations.min(self, axis, keepdims)

    def argmax(self, axis: int = -1) -> Tensor:
        return operations.argmax(self, axis)

    def exp(self) -> Tensor:
        return operations.exp(self)

    def log(self) -> Tensor:
        return operations.log(self)

    def sqrt(self) -> Tensor:
        return operations.sqrt(self)

    def abs(self) -> Tensor:
        return operations.absolute(self)

    def sin(self) -> Tensor:
        return operations.sin(self)

    def cos(self) -> Tensor:
        return operations.cos(self)

    def clip(self, low: float | None = None, high: float | None = None) -> Tensor:
        return operations.clip(self, low, high)

    def reshape(self, *shape: Any) -> Tensor:
        return operations.reshape(self, *shape)

    def transpose(self, *axes: Any) -> Tensor:
        return operations.transpose(self, *axes)

    def astype(self, dtype: Any) -> Tensor:
        return operations.astype(self, dtype)

    def softmax(self, axis: int = -1) -> Tensor:
        return operations.softmax(self, axis)

    def log_softmax(self, axis: int = -1) -> Tensor:
        return operations.log_softmax(self, axis)

    def relu(self) -> Tensor:
        return operations.activation(self, "relu")

    def tanh(self) -> Tensor:
        return operations.activation(self, "tanh")

    def sigmoid(self) -> Tensor:
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

    backward: takes the gradient of the result (an array that must not be written to), returns an array or None for
        each parent. saved: the parents whose values it reads, so that a change of them in place is noticed;
        saves_output: it reads the result too.
    """
    out = Tensor(data, parents[0].device, False, version)
    if not grad_enabled():
        return out
    recorder = out.device.recorder
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
    """The device of all these tensors; raises DeviceError if they live on several."""
    device = tensors[0].device
    for tensor in tensors:
        if tensor.device is not device:
            raise DeviceError(f"tensors live on {device} and on {tensor.device}: move one of them with .to()")
    return device
