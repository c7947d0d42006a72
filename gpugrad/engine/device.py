"""Device: memory for arrays, the kernels that run on them, and `run`, the one place that launches work."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from .. import kernels
from ..errors import ArgumentError, DeviceError, RecordingError, choose
from ..kernels.contract import CHECKED, PARTIALS
from ..kernels.dense import variants
from . import tuning
from .host import Staging, resident_memory, to_host
from .sharing import Observer, OfThread, Turns, once

ALIGNMENT_BYTES = 64  # a cache line, and the widest vector of a CPU
BLOCK_BYTES = 1 << 14  # small arrays of one shape are cut from a common block of at most this size
MOST_IN_BLOCK = 16  # arrays that are cut from one block
MOST_SHAPES = 256  # shapes for which a device keeps the unused arrays of a block
MOST_RESULTS = 4096  # combinations of operands whose result `Device.call` remembers

_address: Callable[[Any], int] = ctypes.addressof
_byte: Callable[[Any], Any] = ctypes.c_char.from_buffer

Call = Callable[[], Any]


class Device:
    """Memory where arrays are stored, and the kernels that run on them; made by `device`, one per name and toolchain.

    This class keeps its arrays in the host's memory: it is the CPU, the emulator, the machine and the simulator.
    `CudaDevice` is the GPU.

    Any number of threads may use a device: recordings, observers, profiles and scratch belong to a thread.

    Parameters
    ----------
    kind : str
        The kind, such as "cpu".
    toolchain : str
        Name of the toolchain, which selects the files of launchers.

    Attributes
    ----------
    name : str
        "cpu" or "cuda:0".
    kind : str
        The name without a number.
    toolchain : str
        Name of the toolchain, which selects the files of launchers.
    xp : module
        The array library.
    kernels : namespace
        The launchers.
    reason : str
        Why this device was chosen, in one line.
    thread : OfThread
        What the calling thread has for itself.
    lock : Turns
        Held during whatever threads must not do at once on this kind of device.
    """

    xp: Any = np
    index: int | None = None

    def __init__(self, kind: str, toolchain: str) -> None:
        self.kind = self.name = kind
        self.toolchain = toolchain
        self.reason = "asked for"
        self.lock = Turns()
        self.downloads = 0  # copies to the host so far
        self.thread = OfThread()
        self._constants: dict[tuple, Any] = {}
        self._stock: dict[tuple, list[Any]] = {}  # unused arrays of blocks, by shape and dtype
        self._results: dict[tuple, tuple[tuple[int, ...], np.dtype]] = {}  # results of `call`, by operands

    def __repr__(self) -> str:
        return f"device({self.name!r}, toolchain={self.toolchain!r})"

    def __reduce__(self) -> tuple:
        # A copy or a pickle is the device of that name in the process that makes it.
        return device, (self.name, self.toolchain)

    @once
    def kernels(self) -> SimpleNamespace:
        """Launchers of this device's toolchain; loaded at first use, since compilers are slow to import."""
        if self.has_variants:
            variants.use_choices(self.index, self.choices)
        return kernels.load(TOOLCHAINS[self.kind][self.toolchain])

    @property
    def has_variants(self) -> bool:
        """Whether its kernels have variants to choose from; see `kernels.dense.variants`."""
        return TOOLCHAINS[self.kind][self.toolchain] == "cupy_cuda"

    @once
    def choices(self) -> variants.Choices:
        """Variants that were tuned on this device; read once, so that a process keeps its order of additions."""
        if not self.has_variants:
            return {}
        return tuning.load(self)

    @once
    def _scratch_of_choices(self) -> int:
        return max((product.scratch(splits) for product, (_, splits) in self.choices.items()), default=0)

    # ---- work ----

    def run(self, launch: Any, *arrays: Any, **scalars: Any) -> None:
        """Launch one piece of work.

        Parameters
        ----------
        launch : function
            A launcher of `kernels`, or a function of the array library with `out=`.
        *arrays : array or None
            Its arrays.
        **scalars : object
            Its other arguments.
        """
        own = self.thread
        if own.profiler is None:
            launch(*arrays, **scalars)
        else:
            own.profiler(launch, arrays, scalars)
        for observer in own.observers:
            observer(launch, arrays, scalars)

    def run_known(self, key: tuple, *arrays: Any, **scalars: Any) -> None:
        """Launch one piece of work, faster if one with the same key was launched before.

        Parameters
        ----------
        key : tuple
            The launcher, and whatever shapes, strides, dtypes and scalars follow from.
        *arrays : array, function or None
            Its arrays; scratch as a function that returns it, since few launches need any.
        **scalars : object
            Its other arguments.
        """
        own = self.thread
        if own.profiler is None and not own.observers:
            try:
                prepared = CHECKED.get(key)
            except TypeError:  # a scalar that only the check can refuse
                prepared = None
            if prepared is not None:
                prepared(*arrays)
                return
        made = [array() if callable(array) else array for array in arrays]
        self.run(key[0], *made, **scalars)
        key[0].remember(key, made, scalars)

    def call(self, function: Any, *arrays: Any) -> Any:
        """Run an elementwise function of the array library, broadcasting, into a new array.

        Parameters
        ----------
        function : function
            The function, such as `xp.add`.
        *arrays : array or number
            Its operands.

        Returns
        -------
        array
            The result; its shape and dtype follow NumPy's rules.

        Raises
        ------
        ArgumentError
            If the shapes do not broadcast.
        """
        key = (function, *[_NUMBERS.get(type(a)) or (a.shape, a.dtype) for a in arrays])
        known = self._results.get(key)
        if known is None:
            known = _result_of(function, arrays)
            if len(self._results) == MOST_RESULTS:
                self._results.clear()
            self._results[key] = known
        out = self.empty(*known)
        self.run(function, *arrays, out=out)
        return out

    @contextlib.contextmanager
    def observe(self, observer: Observer) -> Iterator[None]:
        """Call an observer after each launch of this thread within the block.

        Parameters
        ----------
        observer : function
            Receives (launch, arrays, scalars).

        Yields
        ------
        None
            The block.
        """
        own, before = self.thread, self.thread.observers
        own.observers = (*before, observer)
        try:
            yield
        finally:
            own.observers = before

    @property
    def observed(self) -> bool:
        """Whether an observer or a profiler sees each launch of this thread."""
        return bool(self.thread.observers) or self.thread.profiler is not None

    def replayer(self, calls: Sequence[Call]) -> Call:
        """Return a function that makes all these calls in order.

        Parameters
        ----------
        calls : sequence of function
            The calls, without arguments.

        Returns
        -------
        function
            Can be called again and again.
        """

        def replay() -> None:
            for call in calls:
                call()

        return replay

    def require_toolchain(self) -> None:
        """Never fall back to another toolchain from now on; raise DeviceError if the device has done so before."""

    def current(self) -> contextlib.AbstractContextManager:
        """Let other code that uses the array library launch in order with this device, within the block.

        Returns
        -------
        context manager
            The block.
        """
        return contextlib.nullcontext()

    def synchronize(self) -> None:
        """Wait until all launched work is done."""

    # ---- time ----

    def mark(self) -> Any:
        """Return a point in time between two launches.

        Returns
        -------
        object
            A mark, for `seconds_between`.
        """
        return time.perf_counter()

    def seconds_between(self, start: Any, end: Any) -> float:
        """Return the seconds from one mark to another; wait for the second one.

        Parameters
        ----------
        start, end : object
            Marks.

        Returns
        -------
        float
            The seconds.
        """
        return float(end - start)

    def held(self) -> contextlib.AbstractContextManager:
        """Queue launches within the block; they begin at its end, or after a moment.

        Returns
        -------
        context manager
            The block.
        """
        return contextlib.nullcontext()

    def named(self, name: str) -> contextlib.AbstractContextManager:
        """Show the work of the block under this name in the profiler of the device's vendor.

        Parameters
        ----------
        name : str
            The name.

        Returns
        -------
        context manager
            The block.
        """
        return contextlib.nullcontext()

    # ---- memory ----

    def empty(self, shape: tuple[int, ...] | int, dtype: Any = np.float32) -> Any:
        """Return a new array with undefined contents.

        Small arrays are cut from a common block: that takes half the time, and an array that is kept holds up to
        `BLOCK_BYTES`.

        Parameters
        ----------
        shape : int or tuple of int
            The sizes.
        dtype : dtype, default float32
            The dtype.

        Returns
        -------
        array
            It starts at a multiple of 64 bytes, so that a step gives bit-for-bit identical results at any address.
        """
        key = shape, dtype
        stock = self._stock.get(key) if type(shape) is tuple else None
        if stock:
            try:
                return stock.pop()
            except IndexError:  # another thread took the last one
                pass
        dtype = np.dtype(dtype)
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        size = math.prod(shape) * dtype.itemsize
        step = -(-size // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
        count = max(1, min(MOST_IN_BLOCK, BLOCK_BYTES // (step or BLOCK_BYTES)))
        buffer = np.empty(count * step + ALIGNMENT_BYTES, np.uint8)
        # The address by way of ctypes takes a third of the time of `buffer.ctypes.data`.
        start = -_address(_byte(buffer)) % ALIGNMENT_BYTES
        if count > 1:
            if len(self._stock) == MOST_SHAPES:
                self._stock.clear()
            self._stock[key] = [np.ndarray(shape, dtype, buffer, start + i * step) for i in range(1, count)]
        return np.ndarray(shape, dtype, buffer, start)

    def full(self, shape: tuple[int, ...] | int, value: float, dtype: Any = np.float32) -> Any:
        """Return a new array with the same value everywhere.

        Parameters
        ----------
        shape : int or tuple of int
            The sizes.
        value : float
            The value.
        dtype : dtype, default float32
            The dtype.

        Returns
        -------
        array
            A new array.
        """
        out = self.empty(shape, dtype)
        self.run(self.xp.copyto, out, value)
        return out

    def zeros(self, shape: tuple[int, ...] | int, dtype: Any = np.float32) -> Any:
        """Return a new array of zeros.

        Parameters
        ----------
        shape : int or tuple of int
            The sizes.
        dtype : dtype, default float32
            The dtype.

        Returns
        -------
        array
            A new array.
        """
        return self.full(shape, 0, dtype)

    def copy(self, array: Any) -> Any:
        """Return a contiguous copy of an array of this device.

        Parameters
        ----------
        array : array
            An array of this device.

        Returns
        -------
        array
            A new array.
        """
        out = self.empty(array.shape, array.dtype)
        self.run(self.xp.copyto, out, array)
        return out

    def upload(self, array: Any, dtype: Any = None) -> Any:
        """Copy an array of any library, or a nested list, to this device.

        Parameters
        ----------
        array : array_like
            The values.
        dtype : dtype, optional
            By default their own.

        Returns
        -------
        array
            A new array.

        Raises
        ------
        RecordingError
            In a recorded step, which would never read the host again.
        """
        self._refuse_upload()
        host = to_host(array, dtype)
        out = self.empty(host.shape, host.dtype)
        np.copyto(out, host)
        return out

    def resident(self, array: np.ndarray) -> Any:
        """Return an array of the host for kernels that only read it.

        Parameters
        ----------
        array : numpy.ndarray
            C-contiguous.

        Returns
        -------
        array
            The array itself where kernels can read it, otherwise a copy.
        """
        return array

    def _refuse_upload(self) -> None:
        if self.thread.recorder is not None:
            raise RecordingError(
                "a host array was uploaded inside a recorded step and would never change again: "
                "create it before the step, or pass it to the step as an argument"
            )

    def download(self, array: Any) -> np.ndarray:
        """Copy an array of this device to the host; wait for the work that computes it.

        Parameters
        ----------
        array : array
            An array of this device.

        Returns
        -------
        numpy.ndarray
            A copy.

        Raises
        ------
        RecordingError
            In a recorded step, where a replay could not follow.
        """
        self._begin_download()
        return np.array(array)

    def _begin_download(self) -> None:
        """Count a copy to the host; refuse it in a recorded step."""
        self.downloads += 1
        if self.thread.recorder is not None:
            raise RecordingError(
                "a recorded step read a value back to the host, where a replay could not follow: "
                "return the tensor from the step and read it outside"
            )

    def write(self, array: Any, value: Any) -> None:
        """Overwrite an array of this device with values from the host, between steps.

        Parameters
        ----------
        array : array
            An array of this device.
        value : array_like
            The values, which broadcast.
        """
        np.copyto(array, value)

    def staging(self, buffers: Sequence[Any]) -> Staging:
        """Return the way of a data set from the host into these arrays, part by part.

        Parameters
        ----------
        buffers : sequence of array
            Arrays of this device, each for two parts.

        Returns
        -------
        Staging
            The way.
        """
        return Staging(buffers)

    def fits(self, size: int) -> bool:
        """Return whether data of this size fit on this device and leave room for training.

        Parameters
        ----------
        size : int
            Bytes.

        Returns
        -------
        bool
            Whether it fits.
        """
        return True

    def peak_memory(self) -> int:
        """Return the most memory that the process has had on this device.

        Returns
        -------
        int
            Bytes; on the host, the process's largest resident size.
        """
        if (most := resident_memory("VmHWM")) is not None:  # getrusage on Linux counts the parent's peak too
            return most
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

    def constant(self, value: float, dtype: Any, shape: tuple[int, ...] = (1,)) -> Any:
        """Return a shared array, the same object each time, that must not be written to.

        Parameters
        ----------
        value : float
            The value of all elements.
        dtype : dtype
            The dtype.
        shape : tuple of int, default (1,)
            The sizes.

        Returns
        -------
        array
            The array.
        """
        key = (value, np.dtype(dtype), shape)
        array = self._constants.get(key)
        if array is None:
            array = self._constants[key] = self.empty(shape, dtype)
            self.write(array, value)
        return array

    def workspace(self, size: int, dtype: Any) -> Any:
        """Return the scratch of a launch; all launches of a thread share it, since they follow each other.

        Parameters
        ----------
        size : int
            Elements that the launch needs.
        dtype : dtype
            The dtype.

        Returns
        -------
        array or None
            None if no scratch is needed; (size,), or more where a tuned variant needs more.
        """
        size = max(size, self._scratch_of_choices)
        if size == 0:
            return None
        key = ("workspace", np.dtype(dtype))
        kept = self.thread.scratch
        scratch = kept.get(key)
        if scratch is None or scratch.size < size:
            scratch = kept[key] = self.empty(size, dtype)
        return scratch[:size]

    def partials(self, dtype: Any) -> Any:
        """Return the scratch of the reductions; all launches of a thread share it, since they follow each other.

        Parameters
        ----------
        dtype : dtype
            The dtype.

        Returns
        -------
        array, (PARTIALS,)
            The scratch.
        """
        key = ("partials", np.dtype(dtype))
        kept = self.thread.scratch
        partials = kept.get(key)
        if partials is None:
            partials = kept[key] = self.empty(PARTIALS, dtype)
        return partials


# Python's numbers, which do not widen an array's dtype, as `resolve_dtypes` names them.
_NUMBERS = {bool: np.dtype(np.bool_), int: int, float: float}


def _result_of(function: Any, arrays: tuple) -> tuple[tuple[int, ...], np.dtype]:
    """Return shape and dtype of an elementwise function of these operands, by NumPy's rules."""
    shape = broadcast_shapes(*(np.shape(array) for array in arrays))
    twin = getattr(np, function.__name__.removeprefix("cupy_"))
    dtypes = (_NUMBERS.get(type(array)) or array.dtype for array in arrays)
    return shape, twin.resolve_dtypes((*dtypes, None))[-1]


def broadcast_shapes(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape that these shapes broadcast to.

    Parameters
    ----------
    *shapes : tuple of int
        The shapes.

    Returns
    -------
    tuple of int
        The shape.

    Raises
    ------
    ArgumentError
        If they do not broadcast.
    """
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise ArgumentError(
            f"the shapes {' and '.join(map(str, shapes))} do not broadcast: expected sizes that are equal or 1, "
            "counted from the last axis"
        ) from None


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

    Parameters
    ----------
    kind : str
        Its name.
    toolchains : dict
        The file of kernels/<operation>/ that each toolchain runs, the default first.
    make : function
        From (toolchain, index) to the device.
    obstacle : function
        From (toolchain, index) to the reason why there is none here and the remedy, or None.
    falls_back : bool, default False
        Whether a device with the default toolchain exists even so, and replaces the toolchain with a warning.
    """
    TOOLCHAINS[kind] = toolchains
    _KINDS[kind] = _Kind(make, obstacle, falls_back)


_devices: dict[tuple[str, int, str], Device] = {}
# What "auto" chose and why, by GPUGRAD_DEVICE and toolchain: to look for a GPU takes longer than to make a tensor.
_automatic: dict[tuple[str, str | None], tuple[Device, str]] = {}

# The device of "auto" within `automatic`.
_inside: ContextVar[Device | None] = ContextVar("inside", default=None)

# Other words for a kind of device, for messages.
SYNONYMS = {"gpu": "cuda", "nvidia": "cuda", "host": "cpu"}


def device(name: str | Device = "auto", toolchain: str | None = None) -> Device:
    """Return a device by name, the same object each time.

    Every parameter `device` of this package accepts what this function accepts; its default is "auto" where nothing
    else, such as the device of a tensor, decides.

    Parameters
    ----------
    name : {"auto", "cpu", "cuda", "cuda:1", "emulator", "machine", "simulator"} or Device, default "auto"
        "auto" is a GPU if one answers, else the CPU, unless the environment variable GPUGRAD_DEVICE names another;
        `reason` of the result explains the choice. "cuda:1" is the second GPU.
    toolchain : str, optional
        On the CPU "numba" (compiled loops where they pay) or "numpy" (the reference alone), on a GPU and in the
        machine "cupy" or "numba"; by default the first of these. A CPU whose loops cannot be compiled then uses
        "numpy", with a warning; a toolchain that is named is never replaced.

    Returns
    -------
    Device
        The device.

    Raises
    ------
    ArgumentError
        If the name or the toolchain is unknown.
    DeviceError
        If this machine does not have the device or the named toolchain.
    """
    if isinstance(name, Device):
        return name if toolchain in (None, name.toolchain) else device(name.name, toolchain)
    if name == "auto":
        return _choose_automatically(toolchain)
    return _find(name, toolchain, "device")


@contextlib.contextmanager
def automatic(target: Device) -> Iterator[None]:
    """Make "auto" this device within the block: around a user's function, whose constants then join its arguments."""
    token = _inside.set(target)
    try:
        yield
    finally:
        _inside.reset(token)


def _choose_automatically(toolchain: str | None) -> Device:
    """Return the device that GPUGRAD_DEVICE names, else a GPU, else the CPU; its `reason` explains the choice."""
    if toolchain is None and (inside := _inside.get()) is not None:
        return inside
    wish = os.environ.get("GPUGRAD_DEVICE") or "auto"
    key = (wish, toolchain)
    if key not in _automatic:
        if wish == "auto":
            obstacle = unavailable("cuda", toolchain or "cupy")
            kind, reason = ("cpu", obstacle) if obstacle else ("cuda", "a GPU answers")
            _automatic[key] = _find(kind, toolchain, "device"), reason
        else:
            _automatic[key] = _find(wish, toolchain, "device in GPUGRAD_DEVICE"), f"GPUGRAD_DEVICE={wish}"
    found, reason = _automatic[key]
    found.reason = reason
    return found


def _find(name: str, toolchain: str | None, what: str) -> Device:
    """Return the device of this name, which is not "auto"; `what` the name is, for messages."""
    kind, _, index = name.partition(":") if isinstance(name, str) else (name, "", "")
    if kind not in TOOLCHAINS:
        _refuse_name(what, name, kind, index)
    if index and not (kind == "cuda" and re.fullmatch("[0-9]{1,9}", index)):
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
    return found


def _refuse_name(what: str, name: Any, kind: Any, index: str) -> None:
    """Raise an ArgumentError that suggests the device that was meant: "cuda:0" for "gpu:0", "cpu" for "CPU"."""
    options = (*TOOLCHAINS, "auto")
    meant = SYNONYMS.get(str(kind).lower(), str(kind).lower())
    if meant not in options:
        choose(what, kind, options)
    number = f":{index}" if index and meant == "cuda" else ""
    raise ArgumentError(f"unknown {what} {name!r}: did you mean {meant + number!r}? choose one of {', '.join(options)}")


def unavailable(kind: str, toolchain: str, index: int = 0) -> str | None:
    """Return why a device cannot be used with a toolchain here, and the remedy.

    Parameters
    ----------
    kind : str
        The kind of device.
    toolchain : str
        The toolchain.
    index : int, default 0
        The number of a GPU.

    Returns
    -------
    str or None
        None if it can be used.
    """
    return _KINDS[kind].obstacle(toolchain, index)
