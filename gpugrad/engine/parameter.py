"""Parameter: a learnable leaf; FlatParameters: many of them in one buffer, their gradients in another."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError, DeviceError, RecordingError, counted
from .device import Device
from .device import device as get_device
from .tape import Version
from .tensor import Tensor

# Parameters start at multiples of 32 elements (128 bytes of float32), so that no wide load spans two parameters.
ALIGNED_ELEMENTS = 32
# A repr shows the values of a parameter of up to 10 elements.
SHOWN_ELEMENTS = 10


class Parameter(Tensor):
    """A tensor that a model learns.

    Its memory may move: to another device, or into the flat buffers of an optimizer. `data` is always the current
    memory, and a recorded step that used the old one is recorded again. Copies and pickles keep the values, but neither
    the gradient nor the optimizer.

    Parameters
    ----------
    data : array_like
        Initial values, which are copied. An array keeps its dtype; Python floats become float32.
    device : str or Device, default "auto"
        Device of the values.
    requires_grad : bool, default True
        Compute gradients; False freezes the parameter, and optimizers leave it out.

    Raises
    ------
    GraphError
        If the values are integers and require a gradient.
    """

    __slots__ = ("_flat", "_memory")

    def __init__(self, data: Any, device: str | Device = "auto", requires_grad: bool = True) -> None:
        target = get_device(device)
        self._flat: FlatParameters | None = None
        if isinstance(data, Tensor):
            data = data.numpy()
        if not hasattr(data, "dtype") and np.asarray(data).dtype == np.float64:
            data = np.asarray(data, np.float32)
        super().__init__(target.upload(data), target, requires_grad)

    @property
    def data(self) -> Any:
        """Array of the values, in the memory where they are now."""
        memory, recorder = self._memory, self.device.thread.recorder
        if recorder is not None and recorder.first((id(self), "memory", id(memory))):
            recorder.require(lambda: self._memory is memory)
        return memory

    @data.setter
    def data(self, memory: Any) -> None:
        self._memory = memory

    def to_device(self, device: str | Device) -> None:
        """Move to another device in place, and drop the gradient.

        The other parameters of its optimizer move with it, since they share one buffer.

        Parameters
        ----------
        device : str or Device
            The new device.
        """
        target = get_device(device)
        if self._flat is not None:
            self._flat.to(target)
        elif target is not self.device:
            self.data = target.upload(self.numpy())
            self.device, self._grad, self.has_grad = target, None, False
            self.version.bump()

    def __repr__(self) -> str:
        """Return one line: the values of a small parameter, the shape of a larger one."""
        values = f"shape={self.shape}"
        if self.size <= SHOWN_ELEMENTS:
            values = " ".join(np.array2string(self.numpy(), precision=6, separator=", ").split())
        parts = [values, str(self.dtype), "" if self.device.kind == "cpu" else self.device.name]
        frozen = "" if self.requires_grad else "requires_grad=False"
        return f"Parameter({', '.join(filter(None, (*parts, frozen)))})"

    def __reduce__(self) -> tuple:
        """Keep the values, the device and requires_grad."""
        return _rebuild, (self.numpy(), self.device, self.requires_grad)


def _rebuild(data: np.ndarray, device: Device | str, *rest: Any) -> Parameter:
    """Make a parameter again; pickles of version 0.1 hold the names of the device and of its toolchain."""
    *toolchain, requires_grad = rest
    return Parameter(data, get_device(device, *toolchain), requires_grad)


class FlatParameters:
    """Many parameters in one buffer and their gradients in another, on one device.

    `data` and the gradients of the parameters become views of the buffers; their values and gradients are kept. Each
    parameter starts at a multiple of 32 elements. The gaps between parameters are zero in both buffers and stay zero,
    since no optimizer moves an element whose value and gradient are zero; so they add nothing to a norm.

    Parameters
    ----------
    groups : iterable of iterable of Parameter
        Parameters by group; each group is contiguous in the buffers. A parameter that is repeated in a group counts
        once.

    Attributes
    ----------
    groups : list of list of Parameter
        Parameters by group.
    parameters : list of Parameter
        Parameters of all groups, in order.
    device : Device
        Device of the buffers.
    dtype : numpy.dtype
        dtype of the buffers.
    values, gradients : array, 1-D
        The two buffers.
    slices : list of slice
        Place of each group in the buffers.
    version : Version
        Version of the values, shared by all parameters.
    stale : bool
        True once later FlatParameters hold some of the parameters; do not use this object any more.

    Raises
    ------
    ArgumentError
        If there are no parameters, several dtypes, or one parameter in two groups.
    DeviceError
        If the parameters are on several devices.
    RecordingError
        If it is created inside a recorded step.
    """

    def __init__(self, groups: Iterable[Iterable[Parameter]]) -> None:
        self.groups = _distinct(groups)
        self.parameters = [p for group in self.groups for p in group]
        _check_alike(self.groups, self.parameters)
        self.device, self.dtype = self.parameters[0].device, self.parameters[0].dtype
        if self.device.thread.recorder is not None:
            raise RecordingError(
                "parameters were laid out inside a recorded step: create the optimizer before the step"
            )
        self.version = Version()
        self.stale = False
        room = [-(-max(p.size, 1) // ALIGNED_ELEMENTS) * ALIGNED_ELEMENTS for p in self.parameters]
        self._starts = [0, *itertools.accumulate(room)]
        ends = list(itertools.accumulate(map(len, self.groups)))
        self.slices = [slice(self._starts[a], self._starts[b]) for a, b in itertools.pairwise([0, *ends])]
        for p in self.parameters:
            if p._flat is not None:
                p._flat._release()
        self.values = self.device.zeros(self._starts[-1], self.dtype)
        self.gradients = self.device.zeros(self._starts[-1], self.dtype)
        copyto = self.device.xp.copyto
        for p, value, gradient in self._views():
            self.device.run(copyto, value, p.data)
            if p.has_grad:
                self.device.run(copyto, gradient, p._grad)
            p.version.bump()  # an existing graph refers to the old memory
            p.data, p._grad, p._flat, p.version = value, gradient, self, self.version

    @classmethod
    def over(cls, groups: Iterable[Iterable[Parameter]]) -> FlatParameters:
        """Return the buffers of exactly these groups: the existing ones, or new ones.

        Parameters
        ----------
        groups : iterable of iterable of Parameter
            Parameters by group.

        Returns
        -------
        FlatParameters
            Buffers that several optimizers over the same groups share.
        """
        distinct = _distinct(groups)
        flat = next((p._flat for group in distinct for p in group), None)
        same = flat is not None and [list(map(id, g)) for g in flat.groups] == [list(map(id, g)) for g in distinct]
        return flat if flat is not None and same and flat.device.thread.recorder is None else cls(distinct)

    def __repr__(self) -> str:
        """Return a summary in one line."""
        size = sum(p.size for p in self.parameters)
        groups = "" if len(self.groups) == 1 else f" in {len(self.groups)} groups"
        stale = ", stale" if self.stale else ""
        parameters = counted(len(self.parameters), "parameter")
        return f"FlatParameters({parameters}{groups}, {size} {self.dtype} values on {self.device.name}{stale})"

    def _views(self) -> Iterator[tuple[Parameter, Any, Any]]:
        """Yield (parameter, its view of the values, its view of the gradients)."""
        for p, start in zip(self.parameters, self._starts, strict=False):
            place = slice(start, start + p.size)
            yield p, self.values[place].reshape(p.shape), self.gradients[place].reshape(p.shape)

    def _release(self) -> None:
        """Release all parameters: they keep their memory and belong to no buffer."""
        self.stale = True
        for p in self.parameters:
            if p._flat is self:
                p._flat = None

    def to(self, device: str | Device) -> None:
        """Move values and parameters to another device in place, and drop the gradients.

        Parameters
        ----------
        device : str or Device
            The new device.
        """
        target = get_device(device)
        if target is self.device or self.stale:
            return
        self.values = target.upload(self.device.download(self.values))
        self.gradients = target.zeros(self.gradients.shape, self.dtype)
        self.device = target
        self.version.bump()
        for p, value, gradient in self._views():
            p.data, p._grad, p.device, p.has_grad = value, gradient, target, False

    def download(self, array: Any) -> np.ndarray:
        """Copy an array with the layout of the buffers to the host, without the gaps.

        Parameters
        ----------
        array : array, 1-D
            Array of the device, one element per element of the buffers.

        Returns
        -------
        numpy.ndarray
            One element per element of the parameters, in order.
        """
        host = self.device.download(array)
        first = 0
        for p, start in zip(self.parameters, self._starts, strict=False):
            if start != first:
                host[first : first + p.size] = host[start : start + p.size]
            first += p.size
        return host[:first]

    def write(self, array: Any, host: np.ndarray) -> None:
        """Overwrite an array with the layout of the buffers, its gaps with zeros.

        Parameters
        ----------
        array : array, 1-D
            Array of the device, one element per element of the buffers.
        host : numpy.ndarray, 1-D
            One element per element of the parameters, as `download` returns them.
        """
        padded = np.zeros(array.shape, array.dtype)
        first = 0
        for p, start in zip(self.parameters, self._starts, strict=False):
            padded[start : start + p.size] = host[first : first + p.size]
            first += p.size
        self.device.write(array, padded)


def _distinct(groups: Iterable[Iterable[Parameter]]) -> list[list[Parameter]]:
    return [list({id(p): p for p in group}.values()) for group in groups]


def _check_alike(groups: Sequence[Sequence[Parameter]], parameters: Sequence[Parameter]) -> None:
    """Refuse parameters that cannot share one buffer."""
    if not parameters:
        raise ArgumentError("there are no parameters, expected at least one: pass model.parameters()")
    first = parameters[0]
    for i, p in enumerate(parameters):
        if p.device is not first.device:
            raise DeviceError(
                f"parameter {i} of shape {p.shape} is on {p.device}, parameter 0 on {first.device}: "
                "move the model to one device first"
            )
        if p.dtype != first.dtype:
            raise ArgumentError(
                f"parameter {i} of shape {p.shape} has dtype {p.dtype}, parameter 0 has {first.dtype}: "
                "give all the same dtype"
            )
    group_of: dict[int, int] = {}
    for i, group in enumerate(groups):
        for p in group:
            if id(p) in group_of:
                raise ArgumentError(
                    f"a parameter of shape {p.shape} is in parameter groups {group_of[id(p)]} and {i}: "
                    "name it in one of them"
                )
            group_of[id(p)] = i
