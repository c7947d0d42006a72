"""Parameter: a leaf that an optimizer trains; FlatParameters: many in one buffer, their gradients in another."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError, DeviceError, RecordingError
from .device import Device
from .device import device as get_device
from .tape import Version
from .tensor import Tensor

# Elements: each parameter starts on a line of 128 bytes, so that a wide load never straddles two parameters.
ALIGNED_ELEMENTS = 32


class Parameter(Tensor):
    """A leaf that an optimizer trains.

    Its memory may move: to another device, or into the flat buffers of an optimizer. `data` is always where it is now,
    and a recorded step that used the old memory is recorded again.

    Parameters
    ----------
    data : array_like
        The values, which are copied. An array keeps its dtype, Python floats become float32.
    device : str or Device, default "auto"
        The device.
    requires_grad : bool, default True
        False freezes the parameter: optimizers leave it out.

    Raises
    ------
    GraphError
        If integers are to require a gradient.
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
        """Array in the memory of the parameter, wherever that is now."""
        memory, recorder = self._memory, self.device.recorder
        if recorder is not None and recorder.first((id(self), "memory", id(memory))):
            recorder.require(lambda: self._memory is memory)
        return memory

    @data.setter
    def data(self, memory: Any) -> None:
        self._memory = memory

    def to_device(self, device: str | Device) -> None:
        """Move to another device in place; the gradient is dropped.

        A parameter of an optimizer takes the others of that optimizer with it, since they share one buffer.

        Parameters
        ----------
        device : str or Device
            The device.
        """
        target = get_device(device)
        if self._flat is not None:
            self._flat.to(target)
        elif target is not self.device:
            self.data = target.upload(self.numpy())
            self.device, self._grad, self.has_grad = target, None, False
            self.version.bump()

    def __reduce__(self) -> tuple:
        # Copies and pickles hold the values alone: a gradient and an optimizer belong to the original.
        return _rebuild, (self.numpy(), self.device, self.requires_grad)


def _rebuild(data: np.ndarray, device: Device, requires_grad: bool) -> Parameter:
    return Parameter(data, device, requires_grad)


class FlatParameters:
    """Many parameters in one buffer and their gradients in another, on one device.

    The parameters' `data` and gradients become views of the buffers; values and gradients are kept.

    Parameters
    ----------
    groups : iterable of iterable of Parameter
        Parameters by group; a group is contiguous. A parameter that is named twice in a group counts once.

    Attributes
    ----------
    groups, parameters : list
        The parameters by group, and all of them in order.
    device : Device
        The device.
    dtype : dtype
        The dtype.
    values, gradients : array
        The buffers, 1-D.
    slices : list of slice
        The place of each group.
    version : Version
        Shared by all parameters.
    stale : bool
        Whether a later FlatParameters has taken some of the parameters; then this one must not be used any more.

    Raises
    ------
    ArgumentError
        If there are no parameters, several dtypes, or a parameter in two groups.
    DeviceError
        If there are several devices.
    RecordingError
        In a recorded step.

    Notes
    -----
    Each parameter starts at a multiple of 32 elements. The gaps are zero in both buffers and stay zero, since every
    optimizer moves an element without value and gradient by nothing; they add nothing to a norm either.
    """

    def __init__(self, groups: Iterable[Iterable[Parameter]]) -> None:
        self.groups = [list({id(p): p for p in group}.values()) for group in groups]
        self.parameters = [p for group in self.groups for p in group]
        _check_alike(self.groups, self.parameters)
        self.device, self.dtype = self.parameters[0].device, self.parameters[0].dtype
        if self.device.recorder is not None:
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
            p.version.bump()  # earlier graphs read the old memory
            p.data, p._grad, p._flat, p.version = value, gradient, self, self.version

    def _views(self) -> Iterable[tuple[Parameter, Any, Any]]:
        """Yield (parameter, its view of the values, its view of the gradients)."""
        for p, start in zip(self.parameters, self._starts, strict=False):
            place = slice(start, start + p.size)
            yield p, self.values[place].reshape(p.shape), self.gradients[place].reshape(p.shape)

    def _release(self) -> None:
        """Let go of all parameters; they keep their memory."""
        self.stale = True
        for p in self.parameters:
            if p._flat is self:
                p._flat = None

    def to(self, device: str | Device) -> None:
        """Move values and parameters to another device in place; gradients are dropped.

        Parameters
        ----------
        device : str or Device
            The device.
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
        """Copy an array with the layout of the buffers to the host, without the gaps between parameters.

        Parameters
        ----------
        array : array
            An array of this device.

        Returns
        -------
        numpy.ndarray
            A copy, 1-D.
        """
        host = self.device.download(array)
        first = 0
        for p, start in zip(self.parameters, self._starts, strict=False):
            if start != first:
                host[first : first + p.size] = host[start : start + p.size]
            first += p.size
        return host[:first]

    def write(self, array: Any, host: np.ndarray) -> None:
        """Overwrite an array with the layout of the buffers; the gaps become zero.

        Parameters
        ----------
        array : array
            An array of this device.
        host : numpy.ndarray
            The values, as `download` returned them.
        """
        padded = np.zeros(array.shape, array.dtype)
        first = 0
        for p, start in zip(self.parameters, self._starts, strict=False):
            padded[start : start + p.size] = host[first : first + p.size]
            first += p.size
        self.device.write(array, padded)


def _check_alike(groups: Sequence[Sequence[Parameter]], parameters: Sequence[Parameter]) -> None:
    if not parameters:
        raise ArgumentError("there are no parameters, expected at least one: pass model.parameters()")
    first = parameters[0]
    for i, p in enumerate(parameters):
        if p.device is not first.device:
            raise DeviceError(
                f"parameter {i} of shape {p.shape} lives on {p.device}, parameter 0 on {first.device}: "
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
