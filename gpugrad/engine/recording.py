"""Record a step once, replay it with no tape and no allocation: a list of calls on a CPU, one CUDA graph on a GPU."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from ..errors import RecordingError
from .device import Device
from .device import device as get_device
from .precision import product_settings
from .recorder import Recorder
from .tape import grad_enabled
from .tensor import Tensor


class _Recording:
    """One recorded variant of a step: its launches, the tensors it reads its arguments from, and what it returns."""

    def __init__(self, device: Device, recorder: Recorder, inputs: list[Tensor], outputs: Any) -> None:
        self.recorder = recorder
        self.inputs = inputs
        self.outputs = outputs
        # Arguments were checked when the step was recorded: a replay goes past the checks of the contracts.
        self._run = device.replayer(
            [
                functools.partial(getattr(launch, "launch", launch), *arrays, **scalars)
                for launch, arrays, scalars in recorder.launches
            ]
        )

    def replay(self, device: Device, arrays: list[Any]) -> Any:
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
        return self.outputs


class Recorded:
    """A step that is recorded at its first call and replayed from then on. Made by `record`.

    Attributes: `recordings` (how many variants have been recorded: one for each combination of argument shapes,
    dtypes and plain values, and of host state that the step depends on).
    """

    def __init__(self, step: Callable[..., Any], device: Device) -> None:
        functools.update_wrapper(self, step)
        self._step = step
        self._device = device
        self._variants: dict[Hashable, list[_Recording]] = {}

    @property
    def recordings(self) -> int:
        return sum(map(len, self._variants.values()))

    def __call__(self, *arguments: Any) -> Any:
        if self._device.recorder is not None:
            raise RecordingError("a recorded step was called inside another one: record the outer step only")
        arrays = [self._array(a) for a in arguments if isinstance(a, Tensor | np.ndarray)]
        # The type is part of a plain value: 1, 1.0 and True are equal. Under no_grad() or another precision, another
        # step is recorded.
        key: Hashable = (grad_enabled(), product_settings(), *map(_argument_key, arguments))
        try:
            variants = self._variants.setdefault(key, [])
        except TypeError:
            raise RecordingError(
                "a recorded step takes tensors, NumPy arrays and hashable plain values: pass lists and dicts as arrays"
            ) from None
        for recording in variants:
            if recording.recorder.valid():
                return recording.replay(self._device, arrays)
        recording = self._record(arguments)
        variants.append(recording)
        return recording.outputs

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
        recorder = Recorder()
        device.recorder = recorder
        try:
            with device.observe(recorder):
                outputs = self._step(*static)
        finally:
            device.recorder = None
        if not recorder.launches:
            raise RecordingError(f"the step launched nothing on {device}: pass record() the device that it runs on")
        recorder.finish()
        return _Recording(device, recorder, inputs, outputs)


def _argument_key(argument: Any) -> Hashable:
    if isinstance(argument, Tensor | np.ndarray):
        return tuple(argument.shape), str(argument.dtype), isinstance(argument, Tensor)
    return type(argument), argument


def record(step: Callable[..., Any], device: str | Device | None = None) -> Recorded:
    """Make a step that is recorded at its first call and replayed afterwards, bit for bit as if it ran each time.

    step: a function of tensors, NumPy arrays and hashable plain values that launches work on one device, such as
        `zero_grad`, a forward pass, `backward` and an optimizer's `step`. Array arguments are copied in at each call.
        What it returns is returned by every call: tensors in it are overwritten by the next one.
    device: the device that the step runs on; None is the CPU with its default toolchain.

    The first call runs the step for real. A call with other shapes, dtypes or plain values, or after a change of host
    state that the step depends on (train/eval mode, an optimizer's hyperparameters), records anew; the learning rate
    is the exception, it may change freely. Whatever else the step does in Python happens only when it is recorded.

    Raises RecordingError, while recording, for what a replay could not repeat: reading a value back to the host,
    uploading a host array, an index whose result has a shape that depends on values.
    """
    return Recorded(step, get_device(device or "auto"))
