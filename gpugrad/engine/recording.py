"""Record a step once and replay it without tape or allocation: a list of calls on a CPU, a CUDA graph on a GPU."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Collection, Hashable
from typing import Any

import numpy as np

from ..errors import GraphError, RecordingError, a_or_an
from .device import Device
from .device import device as get_device
from .precision import product_settings
from .recorder import Recorder
from .sharing import Turns
from .surroundings import MOST, Surroundings
from .tape import grad_enabled
from .tensor import Tensor

MOST_VARIANTS = 64  # recordings that are kept for the same kinds of arguments


class _Recording:
    """One recorded variant of a step: its launches, the tensors it reads its arguments from, and what it returns."""

    def __init__(self, device: Device, recorder: Recorder, inputs: list[Tensor], outputs: Any) -> None:
        self.recorder = recorder
        self.inputs = inputs
        self._outputs = outputs
        self._given: list[Tensor] = []  # what the last call returned
        # The arguments were checked when the step was recorded: a replay skips the checks.
        self._run = device.replayer(
            [
                functools.partial(getattr(launch, "launch", launch), *arrays, **scalars)
                for launch, arrays, scalars in recorder.launches
            ]
        )

    def replay(self, device: Device, arrays: list[Any]) -> Any:
        self._end_results()
        for action in self.recorder.before_replay:
            action()
        for tensor, array in zip(self.inputs, arrays, strict=True):
            device.write(tensor.data, array)
        if device.observed:
            for launch, launch_arrays, scalars in self.recorder.launches:
                device.run(launch, *launch_arrays, **scalars)
        else:
            self._run()
        for action in self.recorder.after_replay:
            action()
        return self.results()

    def results(self) -> Any:
        """Return what the step returned, as new tensors."""
        return self._new(self._outputs)

    def _end_results(self) -> None:
        """Let nobody read the results of the call before any more."""
        for tensor in self._given:
            tensor.data = _OVERWRITTEN
        self._given = []

    def _new(self, value: Any) -> Any:
        if value is None:
            return None
        if isinstance(value, Tensor):
            self._given.append(Tensor(value.data, value.device, version=value.version))
            return self._given[-1]
        if isinstance(value, dict):
            return {name: self._new(item) for name, item in value.items()}
        if isinstance(value, list | tuple):
            items = [self._new(item) for item in value]
            return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
        held = vars(value).values() if hasattr(value, "__dict__") else value if isinstance(value, Collection) else ()
        if any(isinstance(item, Tensor) for item in held):
            raise RecordingError(
                f"a recorded step returned {a_or_an(type(value))} with tensors, expected tensors, or lists, tuples "
                "and dicts of them: return those"
            )
        return value


class _Overwritten:
    """In place of the array of a tensor that a later call has overwritten."""

    def __getattr__(self, name: str) -> Any:
        raise GraphError(
            "a later call of the recorded step has overwritten this result: read it before that call, or keep a copy, "
            "such as loss.numpy() or loss + 0"
        )


_OVERWRITTEN = _Overwritten()


class Recorded:
    """Step that is recorded at its first call and then replayed; made by `record`.

    Parameters
    ----------
    step : function
        The step.
    device : Device
        The device of the step.

    Attributes
    ----------
    recordings : int
        Number of recorded variants: one per combination of argument shapes, dtypes and plain values, and of
        host state that the step depends on.
    """

    def __init__(self, step: Callable[..., Any], device: Device) -> None:
        functools.update_wrapper(self, step)
        self._step = step
        self._device = device
        self._variants: dict[Hashable, list[_Recording]] = {}
        self._scratch: dict[tuple, Any] = {}  # of all variants, since they follow each other
        self._turns = Turns()
        self._running = False

    @property
    def recordings(self) -> int:
        """Number of recorded variants."""
        return sum(map(len, self._variants.values()))

    def __repr__(self) -> str:
        name = getattr(self._step, "__qualname__", self._step)
        return f"Recorded({name}, {self.recordings} recorded, on {self._device.name})"

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        if options:
            raise RecordingError(
                f"a recorded step got {', '.join(options)} by name, expected arguments by position: leave the names out"
            )
        if self._device.thread.recorder is not None:
            raise RecordingError("a recorded step was called inside another one: record the outer step only")
        arrays = [self._array(a) for a in arguments if isinstance(a, Tensor | np.ndarray)]
        # 1, 1.0 and True are equal, so the key holds types too. no_grad() and the precision select other recordings.
        key: Hashable = (grad_enabled(), product_settings(), *map(_argument_key, arguments))
        try:
            variants = self._variants.setdefault(key, [])
        except TypeError:
            raise RecordingError(
                "a recorded step takes tensors, NumPy arrays and hashable plain values: pass lists and dicts as arrays"
            ) from None
        with self._turns:
            if self._running:  # a signal handler, or __del__, called it
                raise RecordingError("a recorded step was called within itself: call it after it has returned")
            self._running = True
            try:
                for recording in variants:
                    if recording.recorder.valid():
                        return recording.replay(self._device, arrays)
                recording = self._record(arguments)
                del variants[: 1 - MOST_VARIANTS]
                variants.append(recording)
                return recording.results()
            finally:
                self._running = False

    def _array(self, argument: Tensor | np.ndarray) -> Any:
        if isinstance(argument, np.ndarray):
            return argument
        if argument.device is not self._device:
            raise RecordingError(
                f"an argument lives on {argument.device}, the step was recorded for {self._device}: move it with .to()"
            )
        if argument.requires_grad:
            raise RecordingError(
                "an argument of a recorded step requires a gradient, which would be lost since it is copied in: "
                "pass detach(), or let the step use the tensor itself"
            )
        return argument.data

    def _record(self, arguments: tuple) -> _Recording:
        device = self._device
        inputs: list[Tensor] = []
        static = []
        for argument in arguments:
            if isinstance(argument, Tensor | np.ndarray):
                data = argument.data if isinstance(argument, Tensor) else argument
                copy = device.copy(data) if isinstance(argument, Tensor) else device.upload(data)
                inputs.append(Tensor(copy, device))
                static.append(inputs[-1])
            else:
                static.append(argument)
        around = Surroundings(self._step)
        recorder, thread = Recorder(around), device.thread
        thread.recorder, scratch, thread.scratch = recorder, thread.scratch, self._scratch
        try:
            with device.observe(recorder):
                outputs = self._step(*static)
        finally:
            thread.recorder, thread.scratch = None, scratch
        if not recorder.launches:
            raise RecordingError(f"the step launched nothing on {device}: pass record() the device that it runs on")
        recorder.finish()
        if around.too_many:
            warnings.warn(
                f"the step can read more than {MOST} values around it, too many to watch, so it is recorded "
                "anew at each call: leave large lists and dicts of objects out of its variables and modules",
                RuntimeWarning,
                stacklevel=2,
            )
        return _Recording(device, recorder, inputs, outputs)


def _argument_key(argument: Any) -> Hashable:
    if type(argument) in (int, bool):
        return type(argument), argument
    if isinstance(argument, Tensor | np.ndarray):
        return tuple(argument.shape), str(argument.dtype), isinstance(argument, Tensor)
    # By their digits, NaN is equal to itself and −0 is not 0.
    return type(argument), repr(argument) if isinstance(argument, float | complex | np.inexact) else argument


def record(step: Callable[..., Any], device: str | Device = "auto") -> Recorded:
    """Record a step at its first call and replay it afterwards, bit for bit as if it ran each time.

    The first call runs the step. A call with other shapes, dtypes or plain values, or after a change of host state that
    the step depends on, records again: options, mode and parts of the modules that it calls, an optimizer's
    hyperparameters, and what the step finds around it and does not change itself: its variables outside, plain values
    in collections (up to 65 536), small NumPy arrays, attributes of your own objects, classes and modules, and the same
    of your functions and modules that it calls. The learning rate is the exception, it may
    change freely. Other Python code in the step runs only while it is recorded.

    Parameters
    ----------
    step : function
        A function of tensors, NumPy arrays and hashable plain values whose work is on one device: `zero_grad`, a
        forward pass, `backward` and an optimizer's `step`, for instance. Array arguments are copied in at each call.
    device : str or Device, default "auto"
        The device of the step.

    Returns
    -------
    Recorded
        A function with the arguments of the step. It returns what the step returned, off the tape; the next call
        overwrites the tensors in it, which can then no longer be read; views of them that were made before change.
        Calls of several threads follow each other.

    Raises
    ------
    RecordingError
        While recording, for what a replay could not repeat: reading a value back to the host, uploading a host
        array, an index whose result has a shape that depends on values.
    """
    return Recorded(step, get_device(device))
