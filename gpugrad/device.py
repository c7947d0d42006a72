"""Device: where arrays live, which kernels run on them, and `run`, the one place work is launched."""

from __future__ import annotations

import contextlib
import importlib.util
import math
import os
from collections.abc import Callable, Iterator
from functools import cached_property
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from . import kernels
from .errors import ArgumentError, DeviceError, RecordingError, choose
from .kernels.contract import PARTIALS

if TYPE_CHECKING:
    from .recording import Recorder

# For each kind of device its toolchains, the default first, and the files of kernels/<operation>/ that each one runs.
TOOLCHAINS = {
    "cpu": {"numba": "numba_cpu", "numpy": "reference"},
    "cuda": {"cupy": "cupy_cuda", "numba": "numba_cuda"},
    "emulator": {"cupy": "cupy_cuda"},
    "simulator": {"numba": "numba_cuda"},
}

ALIGNMENT = 64  # bytes: a cache line, and the widest vector of a CPU

Observer = Callable[[Any, tuple, dict[str, Any]], None]


class Device:
    """Where arrays live and which kernels run on them. Made by `device()`, one object for each name and toolchain.

    Attributes: `name` ("cpu"), `kind`, `toolchain`, `xp` (the array library), `kernels` (the launchers), `reason` (why
    this device was chosen, one line), `recorder` (the recording in progress, or None).
    """

    kind = "cpu"
    xp = np

    def __init__(self, toolchain: str, reason: str = "asked for") -> None:
        self.name = self.kind
        self.toolchain = toolchain
        self.reason = reason
        self.recorder: Recorder | None = None
        self._observers: list[Observer] = []
        self._constants: dict[tuple, Any] = {}

    def __repr__(self) -> str:
        return f"device({self.name!r}, toolchain={self.toolchain!r})"

    @cached_property
    def kernels(self) -> SimpleNamespace:
        """The launchers of this device's toolchain; loaded at first use, since compilers are slow to import."""
        return kernels.load(TOOLCHAINS[self.kind][self.toolchain])

    # ---- work ----

    def run(self, launch: Any, *arrays: Any, **scalars: Any) -> None:
        """Launch one piece of work: a launcher of `kernels`, or a function of the array library with `out=`."""
        launch(*arrays, **scalars)
        for observer in self._observers:
            observer(launch, arrays, scalars)

    def call(self, function: Any, *arrays: Any) -> Any:
        """Run an elementwise function of the array library, broadcasting, into a new array."""
        shape = np.broadcast_shapes(*(np.shape(array) for array in arrays))
        # NumPy's own rule for the result: a bare Python number does not widen an array's dtype.
        twin = getattr(np, function.__name__.removeprefix("cupy_"))
        dtype = twin.resolve_dtypes((*(_dtype_of(array) for array in arrays), None))[-1]
        out = self.empty(shape, dtype)
        self.run(function, *arrays, out=out)
        return out

    @contextlib.contextmanager
    def observe(self, observer: Observer) -> Iterator[None]:
        """Within the block, call `observer(launch, arrays, scalars)` after each launch."""
        self._observers.append(observer)
        try:
            yield
        finally:
            self._observers.remove(observer)

    @property
    def observed(self) -> bool:
        return bool(self._observers)

    def synchronize(self) -> None:
        """Wait until all launched work is done."""

    # ---- memory ----

    def empty(self, shape: tuple[int, ...] | int, dtype: Any = np.float32) -> Any:
        """A new array with undefined contents, aligned so that the same step gives the same bits wherever it lies."""
        dtype = np.dtype(dtype)
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        size = math.prod(shape) * dtype.itemsize
        buffer = np.empty(size + ALIGNMENT, np.uint8)
        start = -buffer.ctypes.data % ALIGNMENT
        return buffer[start : start + size].view(dtype).reshape(shape)

    def full(self, shape: tuple[int, ...] | int, value: float, dtype: Any = np.float32) -> Any:
        out = self.empty(shape, dtype)
        self.run(self.xp.copyto, out, value)
        return out

    def zeros(self, shape: tuple[int, ...] | int, dtype: Any = np.float32) -> Any:
        return self.full(shape, 0, dtype)

    def copy(self, array: Any) -> Any:
        """A contiguous copy of an array of this device."""
        out = self.empty(array.shape, array.dtype)
        self.run(self.xp.copyto, out, array)
        return out

    def upload(self, array: Any, dtype: Any = None) -> Any:
        """A copy on this device of an array or nested list on the host."""
        if self.recorder is not None:
            raise RecordingError(
                "a host array was uploaded inside a recorded step and would never change again: "
                "create it before the step, or pass it to the step as an argument"
            )
        host = np.asarray(array, dtype)
        out = self.empty(host.shape, host.dtype)
        np.copyto(out, host)
        return out

    def download(self, array: Any) -> np.ndarray:
        """A copy on the host of an array of this device; waits for the work that computes it."""
        if self.recorder is not None:
            raise RecordingError(
                "a recorded step read a value back to the host, where a replay could not follow: "
                "return the tensor from the step and read it outside"
            )
        return np.array(array)

    def write(self, array: Any, value: Any) -> None:
        """Overwrite an array of this device with values from the host, between steps."""
        np.copyto(array, value)

    def constant(self, value: float, dtype: Any, shape: tuple[int, ...] = (1,)) -> Any:
        """A shared array, the same object each time, that must not be written to."""
        key = (value, np.dtype(dtype), shape)
        if key not in self._constants:
            array = self.empty(shape, dtype)
            self.write(array, value)
            self._constants[key] = array
        return self._constants[key]

    def partials(self, dtype: Any) -> Any:
        """The scratch array of the reductions; one is enough, since launches follow each other."""
        key = ("partials", np.dtype(dtype))
        if key not in self._constants:
            self._constants[key] = self.empty(PARTIALS, dtype)
        return self._constants[key]


def _dtype_of(operand: Any) -> Any:
    if hasattr(operand, "dtype"):
        return operand.dtype
    return np.dtype(np.bool_) if isinstance(operand, bool) else type(operand)


_devices: dict[tuple[str, str], Device] = {}


def device(name: str | Device = "auto", toolchain: str | None = None) -> Device:
    """Return a device by name, the same object each time.

    name: "cpu", "cuda", "cuda:1", "emulator", "simulator", or "auto": a GPU if one answers, else the CPU, unless the
        environment variable GPUGRAD_DEVICE names another; `reason` of the result says why.
    toolchain: on the CPU "numba" (compiled loops where they pay) or "numpy" (the reference alone); on a GPU "cupy" or
        "numba". None: the first of these.

    Raises ArgumentError for an unknown name, DeviceError for a device that this machine does not have: nothing ever
    falls back silently.
    """
    if isinstance(name, Device):
        return name if toolchain in (None, name.toolchain) else device(name.name, toolchain)
    reason: str | None = None
    if name == "auto":
        name = os.environ.get("GPUGRAD_DEVICE") or "auto"
        reason = f"GPUGRAD_DEVICE={name}"
        if name == "auto":
            obstacle = _cuda_obstacle(toolchain or "cupy")
            name, reason = ("cpu", obstacle) if obstacle else ("cuda", "a GPU answers")
    kind, _, index = name.partition(":")
    source = " in GPUGRAD_DEVICE" if reason and reason.startswith("GPUGRAD_DEVICE") else ""
    choose(f"device{source}", kind, (*TOOLCHAINS, "auto"))
    if index and not (kind == "cuda" and index.isdigit()):
        raise ArgumentError(f"unknown device {name!r}: only cuda takes a number, as in 'cuda:1'")
    toolchain = choose(f"toolchain of {kind}", toolchain or next(iter(TOOLCHAINS[kind])), TOOLCHAINS[kind])
    if (name, toolchain) not in _devices:
        obstacle = unavailable(kind, toolchain)
        if obstacle:
            raise DeviceError(f"device {name!r} with toolchain {toolchain!r} cannot be used: {obstacle}")
        _devices[name, toolchain] = Device(toolchain)
    found = _devices[name, toolchain]
    if reason is not None:
        found.reason = reason
    return found


def unavailable(kind: str, toolchain: str) -> str | None:
    """Why a kind of device cannot be used with a toolchain here, and what would change that; None if it can."""
    if kind == "cuda":
        return _cuda_obstacle(toolchain)
    if kind == "simulator" and importlib.util.find_spec("numba_cuda") is None:
        return 'numba-cuda is not installed: pip install "gpugrad[cuda12]"'
    return _kernels_obstacle(TOOLCHAINS[kind][toolchain])


def _kernels_obstacle(files: str) -> str | None:
    missing = kernels.missing(files)
    return f"{len(missing)} kernels are still to be written, {missing[0]} first: use device 'cpu'" if missing else None


def _cuda_obstacle(toolchain: str) -> str | None:
    # CuPy is asked, never Numba: under its simulator numba.cuda.is_available() is True.
    if importlib.util.find_spec("cupy") is None:
        return (
            'CuPy is not installed: pip install "gpugrad[cuda12]" or "gpugrad[cuda13]", whichever the driver supports'
        )
    import cupy

    if not cupy.cuda.is_available():
        return "CuPy finds no GPU: check with nvidia-smi that a driver answers, and CUDA_VISIBLE_DEVICES"
    return _kernels_obstacle(TOOLCHAINS["cuda"].get(toolchain, "cupy_cuda"))
