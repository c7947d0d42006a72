"""Time kernels at the sizes of their contracts, after comparing with the reference, against the machine's limits."""

from __future__ import annotations

import contextlib
import itertools
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from ... import kernels
from ...engine.check import chosen, compare, reference_of
from ...engine.device import Device
from ...errors import ArgumentError, KernelError
from ...kernels.contract import Contract, Cost, Example
from ...kernels.cuda import source as cuda
from .ceilings import Ceilings
from .libraries import check_libraries, same_work
from .timing import QUICK, Budget, Timing, repeat, sampler

__all__ = ["Row", "chosen", "measure"]

MEASURABLE = ("cpu", "cuda")
OWN = "gpugrad"
# Adapters that can listen to the compilers of Numba; one that is not loaded compiles nothing.
NUMBA_ADAPTERS = ("cpu.private", "numba_cuda.private")


@dataclass(frozen=True)
class Row:
    """One measurement of a kernel at one size.

    Parameters
    ----------
    kernel, size : str
        The kernel and the description of the workload.
    by : str
        "gpugrad", or the library that does the same work.
    device, toolchain, precision, cache : str
        Conditions of the measurement; ``cache`` is "hot" or "cold".
    timing : Timing
        Seconds of a call.
    cost : Cost
        Bytes and operations of a call.
    limit : str
        "memory" or "arithmetic".
    share : float or None
        Fraction of the limit reached.
    first_call : float
        Seconds of the first call.
    compile : float or None
        Seconds of compilers in the first call, 0 if the code came from a cache; None for a library.
    times_ours : float, optional
        Seconds of a library over those of gpugrad.
    """

    kernel: str
    size: str
    by: str
    device: str
    toolchain: str
    precision: str
    cache: str
    timing: Timing
    cost: Cost
    limit: str
    share: float | None
    first_call: float
    compile: float | None
    times_ours: float | None = None

    @property
    def bandwidth(self) -> float:
        """Bytes per second."""
        return self.cost.bytes / self.timing.median

    @property
    def speed(self) -> float:
        """Operations per second."""
        return self.cost.operations / self.timing.median

    @property
    def intensity(self) -> float:
        """Operations per byte."""
        return self.cost.operations / self.cost.bytes

    def record(self) -> dict[str, Any]:
        """Return the row as a JSON-able dict.

        Returns
        -------
        dict
            All fields, with those of the timing and the cost, and the rates.
        """
        entry = asdict(self)
        return {
            **{name: value for name, value in entry.items() if name not in ("timing", "cost")},
            **entry["timing"],
            **entry["cost"],
            "bandwidth": self.bandwidth,
            "speed": self.speed,
            "intensity": self.intensity,
        }


def measure(
    device: Device,
    *,
    names: list[str] | None = None,
    against: list[str] | None = None,
    quick: bool = False,
    budget: Budget | None = None,
    on_row: Callable[[Row], None] = lambda _: None,
) -> tuple[list[Row], Ceilings]:
    """Measure the kernels of a device at the sizes of their contracts, and libraries that do the same work.

    Parameters
    ----------
    device : Device
        The device.
    names : list of str, optional
        Kernels or operations; by default all.
    against : list of str, optional
        Libraries to compare with: "numpy" or "cupy", "torch".
    quick : bool, default False
        Measure only the first size of each kernel, and briefly.
    budget : Budget, optional
        When to stop repeating a call.
    on_row : callable, optional
        Receives each row as it is measured.

    Returns
    -------
    rows : list of Row
        Their shares refer to the returned limits.
    ceilings : Ceilings
        The limits, the better of two measurements before and after the kernels.

    Raises
    ------
    ArgumentError
        If the device is not measurable or a name is unknown.
    KernelError
        If a result is wrong, or a kernel compiles again at its second call.
    """
    if device.kind not in MEASURABLE:
        raise ArgumentError(f"times in the {device.kind} mean nothing: measure cpu or cuda")
    check_libraries(against or [], device)
    budget = budget or (QUICK if quick else Budget())
    ceilings = Ceilings(device, budget)
    rows = []
    for _, contract in chosen(names or ()):
        for row in measure_kernel(device, contract, ceilings, against or [], budget, quick=quick):
            rows.append(row)
            on_row(row)
    ceilings.measure_again()
    return [next_to(ceilings, row) for row in rows], ceilings


def measure_kernel(
    device: Device, contract: Contract, ceilings: Ceilings, against: list[str], budget: Budget, *, quick: bool = False
) -> Iterator[Row]:
    """Yield the rows of one kernel with their shares of the limits measured so far."""
    for workload in itertools.islice(contract.draw_workloads(), 1 if quick else None):
        if device.kind == "cpu" and workload.scalars.get("precision", "float32") != "float32":
            continue  # lower precisions on a CPU serve comparison, not speed
        yield from _measure_workload(device, contract, workload, ceilings, against, budget)


def next_to(ceilings: Ceilings, row: Row) -> Row:
    """Return the row with its share of the current limits."""
    limit, share = ceilings.share(row.cost, row.timing.median, row.precision, cold=row.cache == "cold")
    return replace(row, limit=limit, share=share)


def _cost(contract: Contract, workload: Example) -> Cost:
    return contract.cost_of(*_arrays(contract, workload), **workload.scalars)


def _arrays(contract: Contract, workload: Example) -> list[Any]:
    return [workload.arrays[name] for name in contract.arrays]


def _measure_workload(
    device: Device, contract: Contract, workload: Example, ceilings: Ceilings, against: list[str], budget: Budget
) -> Iterator[Row]:
    launcher = getattr(device.kernels, contract.name)
    arrays = [None if a is None else device.upload(a) for a in _arrays(contract, workload)]
    first_call, compiled = _first_calls(device, launcher, arrays, workload)
    for name, _, problem in compare(device, contract, workload):
        if problem:
            raise KernelError(f"{contract.name} of {launcher.source}, {workload.reason}: {name} {problem}")
    cost = _cost(contract, workload)
    precision = workload.scalars.get("precision", "float32")

    def row(by: str, toolchain: str, call: Callable[[], Any], cold: bool, captured: bool, **more: Any) -> Row:
        timing = repeat(sampler(device, call, cold=cold, captured=captured), budget)
        limit, share = ceilings.share(cost, timing.median, precision, cold=cold)
        cache = "cold" if cold else "hot"
        return Row(
            contract.name,
            workload.reason,
            by,
            device.name,
            toolchain,
            precision,
            cache,
            timing,
            cost,
            limit,
            share,
            **more,
        )

    def launch() -> None:
        launcher.launch(*arrays, **workload.scalars)

    ours = {}
    for cold in (False, True) if device.kind == "cuda" else (False,):
        ours[cold] = row(OWN, device.toolchain, launch, cold, True, first_call=first_call, compile=compiled)
        yield ours[cold]
    expected = dict(zip(contract.arrays, reference_of(contract, workload), strict=True)) if against else {}
    for library in against:
        call = same_work(library, device, contract, workload, expected)
        if call is None:
            continue
        start = time.perf_counter()
        call()
        device.synchronize()
        first_call = time.perf_counter() - start
        for cold, own in ours.items():
            found = row(library, library, call, cold, False, first_call=first_call, compile=None)
            yield replace(found, times_ours=found.timing.median / own.timing.median)


# ---- first calls ----


def _first_calls(device: Device, launcher: Any, arrays: list[Any], workload: Example) -> tuple[float, float]:
    """Return the seconds of the first call and those of compilers in it; the second call must not compile."""
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        with compiling() as compile_seconds:
            device.run(launcher, *arrays, **workload.scalars)
            device.synchronize()
        seconds.append((time.perf_counter() - start, compile_seconds()))
    if seconds[1][1] > 0:
        raise KernelError(
            f"{launcher.__name__} of {launcher.source} compiles again at its second call ({workload.reason}): "
            "cache the compiled code"
        )
    return seconds[0]


@contextlib.contextmanager
def compiling() -> Iterator[Callable[[], float]]:
    """Yield a function that returns the seconds that Numba and NVRTC spent compiling within the block."""
    with contextlib.ExitStack() as stack:
        listeners = []
        for name in NUMBA_ADAPTERS:
            adapter = sys.modules.get(f"{kernels.__name__}.{name}")
            if adapter is not None:
                listeners.append(stack.enter_context(adapter.compile_listener()))
        before = cuda.build_seconds()

        def total() -> float:
            return sum(listener.duration for listener in listeners if listener.done) + cuda.build_seconds() - before

        yield total
