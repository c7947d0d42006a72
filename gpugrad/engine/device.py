"""Device: where arrays live, which kernels run on them, and `run`, the one place work is launched."""

from __future__ import annotations

import contextlib
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from .. import kernels
from ..errors import ArgumentError, DeviceError, RecordingError, choose
from ..kernels.contract import PARTIALS
from ..kernels.dense import variants
from . import tuning
from .host import Staging, to_host
from .recorder import Recorder

ALIGNMENT_BYTES = 64  # bytes: a cache line, and the widest vector of a CPU

Observer = Callable[[Any, tuple, dict[str, Any]], None]  # (launch, arrays, scalars)
Call = Callable[[], Any]


class Device:
    """Where arrays live and which kernels run on them. Made by `device()`, one object for each name and toolchain.

    This class keeps its arrays in the host's memory: it is the CPU, the emulator and the simulator. `CudaDevice` is
    the GPU.

    Attributes: `name` ("cpu", "cuda:0"), `kind`, `toolchain`, `xp` (the array library), `kernels` (the launchers),
    `reason` (why this device was chosen, one line), `recorder` (the recording in progress, or None), `profiler` (what
    times each launch, or None), `lock` (reentrant: threads that share a device take turns under it; a Trainer and the
    estimators hold it while they train and predict, other work holds it itself).
    """

    xp: Any = np
    index: int | None = None

    def __init__(self, kind: str, toolchain: str) -> None:
        self.kind = self.name = kind
        self.toolchain = toolchain
        self.reason = "asked for"
        self.lock = threading.RLock()
        self.recorder: Recorder | None = None
        self.profiler: Observer | None = None
        self._observers: list[Observer] = []
        self._constants: dict[tuple, Any] = {}

    def __repr__(self) -> str:
        return f"device({self.name!r}, toolchain={self.toolchain!r})"

    def __reduce__(self) -> tuple:
        # A copy, and a pickle where it is read, is the device of that name.
        return device, (self.name, self.toolchain)

    @cached_property
    def kernels(self) -> SimpleNamespace:
        """The launchers of this device's toolchain; loaded at first use, since compilers are slow to import."""
        if self.has_variants:
            variants.use_choices(self.index, self.choices)
        return kernels.load(TOOLCHAINS[self.kind][self.toolchain])

    @property
    def has_variants(self) -> bool:
        """Whether its kernels have variants to choose from; see `kernels.dense.variants`."""
        return TOOLCHAINS[self.kind][self.toolchain] == "cupy_cuda"

    @cached_property
    def choices(self) -> variants.Choices:
        """The variants that were tuned on this device; read once, so that a process keeps its order of additions."""
        if not self.has_variants:
            return {}
        return tuning.load(self)

    @cached_property
    def _scratch_of_choices(self) -> int:
        return max((product.scratch(splits) for product, (_, splits) in self.choices.items()), default=0)

    # ---- work ----

    def run(self, launch: Any, *arrays: Any, **scalars: Any) -> None:
        """Launch one piece of work: a launcher of `kernels`, or a function of the array library with `out=`."""
        if self.profiler is None:
            launch(*arrays, **scalars)
        else:
            self.profiler(launch, arrays, scalars)
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
        """Whether someone wants to see each launch."""
        return bool(self._observers) or self.profiler is not None

    def replayer(self, calls: Sequence[Call]) -> Call:
        """A function that makes all these calls in order, as often as it is called; they take no arguments."""

        def replay() -> None:
            for call in calls:
                call()

        return replay

    def require_toolchain(self) -> None:
        """Never fall back to another toolchain from now on; raise DeviceError if the device has done so before."""

    def current(self) -> contextlib.AbstractContextManager:
        """Within the block, other code that uses the array library launches in order with this device."""
        return contextlib.nullcontext()

    def synchronize(self) -> None:
        """Wait until all launched work is done."""

    # ---- time ----

    def mark(self) -> Any:
        """A point in time between two launches, for `seconds_between`."""
        return time.perf_counter()

    def seconds_between(self, start: Any, end: Any) -> float:
        """Seconds from one mark to another; waits for the second one."""
        return float(end - start)

    def held(self) -> contextlib.AbstractContextManager:
        """Within the block, launches queue up; they begin at its end, or after a moment."""
        return contextlib.nullcontext()

    def named(self, name: str) -> contextlib.AbstractContextManager:
        """Within the block, the profiler of the device's vendor shows the work under this name."""
        return contextlib.nullcontext()

    # ---- memory ----

    def empty(self, shape: tuple[int, ...] | int, dtype: Any = np.float32) -> Any:
        """A new array with undefined contents, aligned so that the same step gives the same bits wherever it lies."""
        dtype = np.dtype(dtype)
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        size = math.prod(shape) * dtype.itemsize
        buffer = np.empty(size + ALIGNMENT_BYTES, np.uint8)
        start = -buffer.ctypes.data % ALIGNMENT_BYTES
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
        """A copy on this device of an array of any library, or of a nested list."""
        self._refuse_upload()
        host = to_host(array, dtype)
        out = self.empty(host.shape, host.dtype)
        np.copyto(out, host)
        return out

    def resident(self, array: np.ndarray) -> Any:
        """A C-contiguous array of the host for kernels that only read it: itself where they can, else a copy."""
        return array

    def _refuse_upload(self) -> None:
        if self.recorder is not None:
            raise RecordingError(
                "a host array was uploaded inside a recorded step and would never change again: "
                "create it before the step, or pass it to the step as an argument"
            )

    def download(self, array: Any) -> np.ndarray:
        """A copy on the host of an array of this device; waits for the work that computes it."""
        self._refuse_download()
        return np.array(array)

    def _refuse_download(self) -> None:
        if self.recorder is not None:
            raise RecordingError(
                "a recorded step read a value back to the host, where a replay could not follow: "
                "return the tensor from the step and read it outside"
            )

    def write(self, array: Any, value: Any) -> None:
        """Overwrite an array of this device with values from the host, between steps."""
        np.copyto(array, value)

    def staging(self, buffers: Sequence[Any]) -> Staging:
        """What brings parts of a data set from the host into these arrays."""
        return Staging(buffers)

    def fits(self, size: int) -> bool:
        """Whether so many bytes can stay on this device and leave room for training."""
        return True

    def peak_memory(self) -> int:
        """The most bytes that the process has had on this device; of the host, its largest resident size."""
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

    def constant(self, value: float, dtype: Any, shape: tuple[int, ...] = (1,)) -> Any:
        """A shared array, the same object each time, that must not be written to."""
        key = (value, np.dtype(dtype), shape)
        if key not in self._constants:
            array = self.empty(shape, dtype)
            self.write(array, value)
            self._constants[key] = array
        return self._constants[key]

    def workspace(self, size: int, dtype: Any) -> Any:
        """Scratch of a launch, or None if it takes none; shared by all launches, since they follow each other.

        (size,), or more where a tuned variant takes more.
        """
        size = max(size, self._scratch_of_choices)
        if size == 0:
            return None
        key = ("workspace", np.dtype(dtype))
        if key not in self._constants or self._constants[key].size < size:
            self._constants[key] = self.empty(size, dtype)
        return self._constants[key][:size]

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


# ---- kinds of devices ----

# For each kind its toolchains, the default first, and the files of kernels/<operation>/ that each one runs.
TOOLCHAINS: dict[str, dict[str, str]] = {}


class _Kind(NamedTuple):
    make: Callable[[str, int], Device]
    obstacle: Callable[[str, int], str | None]
    falls_back: bool


_KINDS: dict[str, _Kind] = {}


def register(
    kind: str,
    toolchains: dict[str, str],
    *,
    make: Callable[[str, int], Device],
    obstacle: Callable[[str, int], str | None],
    falls_back: bool = False,
) -> None:
    """Add a kind of device.

    toolchains: the file of kernels/<operation>/ that each one runs, the default first. make(toolchain, index): the
    device. obstacle(toolchain, index): why there is none here and what would change that, or None.
    falls_back: a device with the default toolchain exists even so, and uses another one with a warning.
    """
    TOOLCHAINS[kind] = toolchains
    _KINDS[kind] = _Kind(make, obstacle, falls_back)


_devices: dict[tuple[str, int, str], Device] = {}


def device(name: str | Device = "auto", toolchain: str | None = None) -> Device:
    """Return a device by name, the same object each time.

    name: "cpu", "cuda", "cuda:1", "emulator", "simulator", or "auto": a GPU if one answers, else the CPU, unless the
        environment variable GPUGRAD_DEVICE names another; `reason` of the result says why.
    toolchain: on the CPU "numba" (compiled loops where they pay) or "numpy" (the reference alone); on a GPU "cupy" or
        "numba". None: the first of these.

    Raises ArgumentError for an unknown name, DeviceError for a device that this machine does not have. There is one
    fallback, and it warns: without `toolchain`, a CPU whose loops cannot be compiled uses the reference.
    """
    if isinstance(name, Device):
        return name if toolchain in (None, name.toolchain) else device(name.name, toolchain)
    reason: str | None = None
    if name == "auto":
        name = os.environ.get("GPUGRAD_DEVICE") or "auto"
        reason = f"GPUGRAD_DEVICE={name}"
        if name == "auto":
            obstacle = unavailable("cuda", toolchain or "cupy")
            name, reason = ("cpu", obstacle) if obstacle else ("cuda", "a GPU answers")
    kind, _, index = name.partition(":")
    source = " in GPUGRAD_DEVICE" if reason and reason.startswith("GPUGRAD_DEVICE") else ""
    choose(f"device{source}", kind, (*TOOLCHAINS, "auto"))
    if index and not (kind == "cuda" and index.isdigit()):
        raise ArgumentError(f"unknown device {name!r}: only cuda takes a number, as in 'cuda:1'")
    required = toolchain is not None
    toolchain = choose(f"toolchain of {kind}", toolchain or next(iter(TOOLCHAINS[kind])), TOOLCHAINS[kind])
    number = int(index or 0)
    key = (kind, number, toolchain)
    if key not in _devices:
        may_fall_back = _KINDS[kind].falls_back and not required
        obstacle = None if may_fall_back else unavailable(kind, toolchain, number)
        if obstacle:
            raise DeviceError(f"device {name!r} with toolchain {toolchain!r} cannot be used: {obstacle}")
        _devices.setdefault(key, _KINDS[kind].make(toolchain, number))  # one object, though threads ask at once
    found = _devices[key]
    if required:
        found.require_toolchain()
    if reason is not None:
        found.reason = reason
    return found


def unavailable(kind: str, toolchain: str, index: int = 0) -> str | None:
    """Why a device cannot be used with a toolchain here, and what would change that; None if it can."""
    return _KINDS[kind].obstacle(toolchain, index)
