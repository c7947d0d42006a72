"""CudaDevice: arrays in the memory of a GPU, owned by CuPy; all work runs in order on one stream."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..errors import DeviceMemoryError, KernelError, counted
from .device import Call, Device, register
from .device_in_turns import DeviceInTurns
from .host import Staging

RECENT = 8  # launches in the report of an error that surfaces late
LONGEST_HOLD = 0.02  # seconds: queued work starts after this time, even if the block that queues it has not ended
RESIDENT_SHARE = 0.5  # a data set stays on the GPU if it takes at most this share of the free memory


class CudaDevice(Device):
    """A GPU: CuPy owns the memory, and both toolchains launch on `stream`.

    The stream is the device's own, since the legacy default stream cannot be captured into a graph. Launches return
    before the work is done, so a fault inside a kernel surfaces at the next wait: it is then reported with the last
    launches. With GPUGRAD_SYNCHRONOUS=1 in the environment each launch is waited for, and the error names its kernel.

    Parameters
    ----------
    index : int
        The number of the GPU, as CUDA_VISIBLE_DEVICES counts.
    toolchain : str
        Name of the toolchain, which selects the files of launchers.

    Attributes
    ----------
    index : int
        The number of the GPU.
    stream : cupy.cuda.Stream
        All work runs on it, in order.
    """

    def __init__(self, index: int, toolchain: str) -> None:
        super().__init__("cuda", toolchain)
        import cupy

        self.xp = cupy
        self.index = index
        self.name = f"cuda:{index}"
        self._gpu = cupy.cuda.Device(index)
        with self._gpu:
            self.stream = cupy.cuda.Stream(non_blocking=True)
            self._memory = self._gpu.mem_info[1]  # bytes of the GPU
        self._synchronous = os.environ.get("GPUGRAD_SYNCHRONOUS", "") not in ("", "0")
        self._recent: deque[str] = deque(maxlen=RECENT)
        self._failures = (cupy.cuda.runtime.CUDARuntimeError, cupy.cuda.driver.CUDADriverError)

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
        with self.lock, self._gpu, self.stream:
            self._recent.append(getattr(launch, "__name__", repr(launch)))
            try:
                super().run(launch, *arrays, **scalars)
                if self._synchronous:
                    self.stream.synchronize()
            except self._failures as error:
                raise KernelError(f"{_call(launch, arrays, scalars)} failed on {self.name}: {error}") from error

    def replayer(self, calls: Sequence[Call]) -> Call:
        """Return a function that launches all these calls as one CUDA graph, captured at the first replay.

        Parameters
        ----------
        calls : sequence of function
            The calls, without arguments.

        Returns
        -------
        function
            Can be called again and again.
        """
        graph: Any = None
        # Memory that the array library allocates during the capture must not be reused while the graph exists: it comes
        # from a separate pool.
        pool = self.xp.cuda.MemoryPool()

        def replay() -> None:
            nonlocal graph
            with self.lock, self._gpu, self.stream:
                self._recent.append("a recorded step")
                try:
                    if graph is None:
                        graph = self._capture(calls, pool)
                    graph.launch(self.stream)
                    if self._synchronous:
                        self.stream.synchronize()
                except self._failures as error:
                    raise KernelError(
                        f"a recorded step of {counted(len(calls), 'launch', 'launches')} failed on {self.name}: {error}"
                    ) from error

        return replay

    def _capture(self, calls: Sequence[Call], pool: Any) -> Any:
        self.stream.begin_capture()
        try:
            with self.xp.cuda.using_allocator(pool.malloc):
                for call in calls:
                    call()
        except BaseException:
            with contextlib.suppress(*self._failures):
                self.stream.end_capture()
            raise
        return self.stream.end_capture()

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        """Let other code that uses the array library launch in order with this device, within the block.

        Yields
        ------
        None
            The block.
        """
        with self.lock, self._gpu, self.stream:
            yield

    def wait_for_caller(self) -> None:
        """Let the stream wait for the work of the caller's current stream, which is taken to compute arrays of CuPy."""
        with self.lock, self._gpu:
            self.stream.wait_event(self.xp.cuda.get_current_stream().record())

    def synchronize(self) -> None:
        """Wait until all launched work is done."""
        with self.lock, self._gpu, self._late_failures():
            self.stream.synchronize()
        self._recent.clear()

    @contextlib.contextmanager
    def _late_failures(self) -> Iterator[None]:
        """Report a failure within the block as one of the earlier launches."""
        try:
            yield
        except self._failures as error:
            raise KernelError(
                f"work on {self.name} failed: {error}; the last launches were {', '.join(self._recent)}: run the "
                "program again with GPUGRAD_SYNCHRONOUS=1 to learn which one and with what arguments"
            ) from error

    # ---- time ----

    def mark(self) -> Any:
        """Return a point in time between two launches.

        Returns
        -------
        object
            A mark, for `seconds_between`.
        """
        with self._gpu:
            event = self.xp.cuda.Event()
            event.record(self.stream)
            return event

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
        with self._late_failures():
            end.synchronize()
        return float(self.xp.cuda.get_elapsed_time(start, end)) / 1e3

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Queue launches within the block; they begin at its end, or after a moment.

        Yields
        ------
        None
            The block.
        """
        queued = threading.Event()
        with self._gpu:
            self.stream.launch_host_func(lambda _: queued.wait(LONGEST_HOLD), None)
        try:
            yield
        finally:
            queued.set()

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
        from cupyx.profiler import time_range

        return time_range(name)

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
        size = int(np.prod(shape, dtype=np.float64)) * np.dtype(dtype).itemsize
        with self.lock, self._gpu, self.stream:
            if size <= self._memory:  # a driver may not survive a request for more than the GPU has
                with contextlib.suppress(self.xp.cuda.memory.OutOfMemoryError):
                    return self.xp.empty(shape, dtype)
            free = self._gpu.mem_info[0] + self.xp.get_default_memory_pool().free_bytes()
        raise DeviceMemoryError(
            f"{self.name} has no room for an array of shape {shape} and dtype {np.dtype(dtype)}: it needs "
            f"{_size(size)}, and {_size(free)} of {_size(self._memory)} are free; choose a smaller batch or model"
        )

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
        if hasattr(array, "__cuda_array_interface__"):
            self.wait_for_caller()
            with self.lock, self._gpu, self.stream:
                source = self.xp.from_dlpack(array) if hasattr(array, "__dlpack__") else self.xp.asarray(array)
                out = self.empty(source.shape, source.dtype if dtype is None else dtype)
                self.run(self.xp.copyto, out, source, casting="unsafe")
                return out
        with self.lock, self._gpu, self.stream, self._late_failures():
            host = np.ascontiguousarray(np.asarray(array, dtype))
            out = self.empty(host.shape, host.dtype)
            out.set(host, self.stream)
            # The copy reads host memory that the caller may change or free.
            self.stream.synchronize()
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
        return self.upload(array)

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
        with self.lock, self._gpu, self.stream, self._late_failures():
            return self.xp.asnumpy(array, stream=self.stream)

    def write(self, array: Any, value: Any) -> None:
        """Overwrite an array of this device with values from the host, between steps.

        Parameters
        ----------
        array : array
            An array of this device.
        value : array_like
            The values, which broadcast.
        """
        with self.lock, self._gpu, self.stream, self._late_failures():
            if np.ndim(value) == 0 and not hasattr(value, "__cuda_array_interface__"):
                array.fill(value)
            elif isinstance(value, self.xp.ndarray):
                self.xp.copyto(array, value)
            else:
                host = np.ascontiguousarray(np.broadcast_to(np.asarray(value, array.dtype), array.shape))
                self.xp.copyto(array, self.xp.asarray(host))  # through pinned memory, without a wait

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
        return CudaStaging(self, buffers)

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
        free, _ = self._gpu.mem_info
        with self._gpu:
            pool = self.xp.get_default_memory_pool()
            return size <= RESIDENT_SHARE * (free + pool.free_bytes())

    def peak_memory(self) -> int:
        """Return the most memory that arrays have had.

        Returns
        -------
        int
            Bytes that CuPy's pool took from the driver, which it keeps.
        """
        with self._gpu:
            return self.xp.get_default_memory_pool().total_bytes()


class CudaStaging(Staging):
    """Pinned memory for one part, with a stream for its transfer.

    Parameters
    ----------
    device : CudaDevice
        The GPU.
    buffers : sequence of array
        Arrays on the device, each for two parts of the data set.
    """

    def __init__(self, device: CudaDevice, buffers: Sequence[Any]) -> None:
        super().__init__(buffers)
        self._device, self._xp = device, device.xp
        self._host = [_pinned(device.xp, part.shape, part.dtype) for part, _ in self._halves]
        with device.current():
            self._copies = device.xp.cuda.Stream(non_blocking=True)
            self._launched = device.xp.cuda.Event()

    def begin(self) -> None:
        """Begin a transfer, which waits for all work launched so far."""
        with self._device.lock:
            self._launched.record(self._device.stream)

    def host(self, half: int) -> list[np.ndarray]:
        """Return the arrays to write the next part to.

        Parameters
        ----------
        half : {0, 1}
            The half of the buffers for it.

        Returns
        -------
        list of numpy.ndarray
            One array per buffer.
        """
        return self._host

    def send(self, half: int, rows: int) -> None:
        """Transfer what was written; return when it is there.

        Parameters
        ----------
        half : {0, 1}
            The half of the buffers.
        rows : int
            Number of rows.
        """
        with self._xp.cuda.Device(self._device.index):  # this runs in another thread, which has its own current device
            self._copies.wait_event(self._launched)
            for halves, host in zip(self._halves, self._host, strict=True):
                halves[half][:rows].set(host[:rows], self._copies)
            self._copies.synchronize()


def _pinned(xp: Any, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Return an array in host memory that the GPU can read."""
    size = int(np.prod(shape)) * dtype.itemsize
    return np.frombuffer(xp.cuda.alloc_pinned_memory(size), np.uint8, size).view(dtype).reshape(shape)


def _call(launch: Any, arrays: tuple, scalars: dict[str, Any]) -> str:
    """Describe a launch: `adam_step(float32 (235146,), …, beta1=0.9)`."""
    words = [f"{a.dtype} {tuple(a.shape)}" if hasattr(a, "shape") else repr(a) for a in arrays]
    words += [f"{name}={value}" for name, value in scalars.items() if name != "out"]
    return f"{getattr(launch, '__name__', launch)}({', '.join(words)})"


def _size(count: float) -> str:
    """Format bytes, such as "1.5 GiB"."""
    for unit in ("bytes", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.4g} {unit}"
        count /= 1024
    return f"{count:.4g} GiB"


# ---- creation ----


def _obstacle(toolchain: str, index: int) -> str | None:
    if toolchain not in TOOLCHAINS:
        return f"toolchain {toolchain!r} exists only on the CPU"
    # Ask CuPy, never Numba: under Numba's simulator numba.cuda.is_available() is True.
    if importlib.util.find_spec("cupy") is None:
        return (
            'CuPy is not installed: pip install "gpugrad[cuda12]" or "gpugrad[cuda13]", whichever the driver supports'
        )
    import cupy

    if not cupy.cuda.is_available():
        return "CuPy finds no GPU: check with nvidia-smi that a driver answers, and CUDA_VISIBLE_DEVICES"
    count = cupy.cuda.runtime.getDeviceCount()
    if index >= count:
        return f"this machine has {count} GPU{'s' * (count > 1)}, numbered from 0: check CUDA_VISIBLE_DEVICES"
    return _numba_obstacle(simulator=False) if toolchain == "numba" else None


def _numba_obstacle(simulator: bool) -> str | None:
    """Return why Numba's CUDA kernels cannot run in its simulator, or on a GPU, in this process."""
    if importlib.util.find_spec("numba_cuda") is None:
        extra = "compile" if simulator else "cuda12"
        return f'numba-cuda is not installed: pip install "gpugrad[{extra}]"'
    if importlib.util.find_spec("numba") is None:
        return "Numba is not installed: pip install numba"
    from ..kernels.numba_cuda import target  # late: Numba is slow to import

    return target.obstacle(simulator)


def _make(toolchain: str, index: int) -> Device:
    if toolchain == "numba":
        _choose_target(simulator=False)
    return CudaDevice(index, toolchain)


def _make_simulator(toolchain: str, index: int) -> Device:
    _choose_target(simulator=True)
    return DeviceInTurns("simulator", toolchain)


def _choose_target(simulator: bool) -> None:
    from ..kernels.numba_cuda import target

    target.choose_target(simulator)


TOOLCHAINS = {"cupy": "cupy_cuda", "numba": "numba_cuda"}
register("cuda", TOOLCHAINS, make=_make, obstacle=_obstacle)
# Numba's simulator stands in for a GPU, with arrays of the host.
register(
    "simulator",
    {"numba": "numba_cuda"},
    make=_make_simulator,
    obstacle=lambda toolchain, index: _numba_obstacle(simulator=True),
)
