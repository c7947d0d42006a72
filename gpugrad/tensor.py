"""Tensor: an array on a device and a place on the tape; how it is made, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .device import Device
from .device import device as get_device
from .errors import ArgumentError, DeviceError, GpugradError, GraphError, RecordingError
from .operators import Operators
from .tape import Gradients, Node, Version, grad_enabled, walk_back


class ReadOnlyVersion(Version):
    """The version of memory that another library lent for reading only; shared by every tensor that views it."""

    __slots__ = ()


class Tensor(Operators):
    """An array on a device, and a place on the tape. Made by `gg.tensor`; arithmetic is in `functional`.

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
        return tuple(self.data.shape)

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

    # ---- to and from the host ----

    def numpy(self) -> np.ndarray:
        """A copy on the host."""
        return self.device.download(self.data)

    def item(self) -> float | int | bool:
        """The value of a tensor with one element, as a Python number."""
        if self.size != 1:
            raise ArgumentError(f"item() takes a tensor with one element, this one has shape {self.shape}: use numpy()")
        return self.numpy().item()

    def tolist(self) -> Any:
        return self.numpy().tolist()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __bool__(self) -> bool:
        return bool(self.item())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if self.requires_grad:
            raise GraphError("this tensor requires a gradient and NumPy would lose it: call detach() or numpy() first")
        if copy is False:
            raise ArgumentError(
                "an array with copy=False was asked of a tensor, which makes a copy: use np.from_dlpack on a CPU"
            )
        return self.numpy() if dtype is None else self.numpy().astype(dtype)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.data.__dlpack_device__()

    def __dlpack__(self, **options: Any) -> Any:
        """The memory itself, for `from_dlpack` of another library: what one side writes, the other one reads.

        The tape does not see what the other library writes. On a GPU the stream that the caller names waits for the
        work launched so far; for what is launched later, synchronize first.

        Raises GraphError for a tensor that requires a gradient, RecordingError in a recorded step.
        """
        self._check_lending()
        if self.device.kind == "cuda" and isinstance(self.version, ReadOnlyVersion):
            raise ArgumentError("this tensor is read-only, which CuPy cannot pass on: copy it with gg.tensor(t)")
        with self.device.current():
            return self.data.__dlpack__(**options)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """The memory itself, for Numba, CuPy and others; a tensor that is not on a GPU does not have this attribute.

        It names the device's stream, which Numba and CuPy wait for; synchronize before a library that does not.

        Raises GraphError for a tensor that requires a gradient, RecordingError in a recorded step.
        """
        if self.device.kind != "cuda":
            raise AttributeError(f"a tensor on {self.device.name} has no __cuda_array_interface__")
        self._check_lending()
        with self.device.current():
            interface = dict(self.data.__cuda_array_interface__)
        interface["data"] = interface["data"][0], isinstance(self.version, ReadOnlyVersion)
        return interface

    def _check_lending(self) -> None:
        if self.requires_grad:
            raise GraphError("this tensor requires a gradient, which another library would lose: call detach() first")
        if self.device.recorder is not None:
            raise RecordingError(
                "a recorded step lent a tensor to another library, whose work a replay would not repeat: "
                "return the tensor from the step and lend it outside"
            )

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
        if self.requires_grad and grad_enabled():
            raise GraphError("a tensor that requires a gradient cannot be changed in place: do it under no_grad()")
        if isinstance(self.version, ReadOnlyVersion):
            raise ArgumentError("this tensor is in read-only memory of another library: copy it with gg.tensor(t)")
        index, indices = arithmetic.plain_index(index)
        if not isinstance(value, Tensor | bool | int | float):
            value = tensor(value, device=self.device)
        if isinstance(value, Tensor):
            if value.requires_grad and grad_enabled():
                raise GraphError("a value written in place would lose the gradient that it requires: detach() it first")
            indices = (*indices, value)
        common_device(self, *indices)
        self.device.run(self.data.__setitem__, index, value.data if isinstance(value, Tensor) else value)
        self.changed_in_place()

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
    out = Tensor(data, parents[0].device, version=version)
    if not grad_enabled():
        return out
    recorder = out.device.recorder
    if recorder is not None:
        for parent in parents:
            if parent.is_leaf:
                recorder.read_attribute(parent, "requires_grad")
    if any(parent.requires_grad for parent in parents):
        out._requires_grad = True
        out.node = Node(name, parents, backward, (*saved, out) if saves_output else saved)
    return out


def common_device(*tensors: Tensor) -> Device:
    """The device of all these tensors; raises DeviceError if they live on several."""
    for tensor in tensors[1:]:
        if tensor.device is not tensors[0].device:
            raise DeviceError(
                f"tensors live on {tensors[0].device} and on {tensor.device}: move one of them with .to()"
            )
    return tensors[0].device


def tensor(data: Any, dtype: Any = None, *, requires_grad: bool = False, device: str | Device | None = None) -> Tensor:
    """Make a tensor from numbers, nested lists or an array of any library; the values are copied.

    dtype: None keeps an array's own dtype, and makes float32 of Python floats. device: None is that of a tensor, the
    GPU of an array on a GPU, which is copied there, and else "cpu". `gg.from_dlpack` makes no copy.

    Raises GraphError if an integer tensor is to require a gradient, ArgumentError for data that are not real numbers
    or rows of different lengths.
    """
    if isinstance(data, Tensor):
        target = get_device(device or data.device)
        array = data.data if target is data.device else data.numpy()
    elif (gpu := interop.gpu_of(data)) is not None:
        target = get_device(device or f"cuda:{gpu}")
        array = interop.array_from_gpu(data, gpu, target)
    else:
        target = get_device(device or "cpu")
        array = _host_array(data)
    if dtype is None and array.dtype == np.float64 and not hasattr(data, "dtype"):
        dtype = np.float32
    if array.dtype.kind not in "biuf":
        raise ArgumentError(f"a tensor was made of data of dtype {array.dtype}, expected numbers: convert them first")
    return Tensor(target.upload(array, dtype), target, requires_grad)


def _host_array(data: Any) -> np.ndarray:
    try:
        return np.asarray(data)
    except GpugradError:
        raise
    except (RuntimeError, TypeError) as error:  # of an array library, such as PyTorch's where a gradient is required
        raise ArgumentError(f"a tensor cannot be made of a {type(data).__name__}: {str(error).rstrip('.')}") from error
    except ValueError:
        raise ArgumentError("a tensor was made of rows of different lengths, expected equal ones: pad them") from None


from . import arithmetic, interop  # noqa: E402  (written in terms of Tensor)
