"""Kernels at the sizes of their contracts: compared with the reference, then timed, beside the machine's limits."""

from __future__ import annotations

import contextlib
import itertools
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from ... import kernels
from ...engine.check import compare, reference_of
from ...engine.device import Device
from ...errors import ArgumentError, KernelError
from ...kernels.contract import Contract, Cost, Example
from ...kernels.cuda import source as cuda
from .ceilings import Ceilings
from .libraries import check_libraries, same_work
from .timing import QUICK, Budget, Timing, repeat, sampler

MEASURABLE = ("cpu", "cuda")
OWN = "gpugrad"
# What Numba's compilers announce; the one for GPUs, a package of its own, tells no more than that it holds its lock.
COMPILER_EVENTS = {"numba.core.event": "numba:compile", "numba.cuda.core.event": "numba-cuda:compiler_lock"}


@dataclass(frozen=True)
class Row:
    """One measurement: which kernel, at what size, by whom; its seconds; what it did, and the share of the limit.

    by: "gpugrad", or the library that does the same work. compile: seconds that compilers took in the first call, 0
    where the code came from a cache; None for a library. times_ours: the seconds of a library over those of gpugrad.
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
        """Bytes a second."""
        return self.cost.bytes / self.timing.median

    @property
    def speed(self) -> float:
        """Operations a second."""
        return self.cost.operations / self.timing.median

    @property
    def intensity(self) -> float:
        """Operations for each byte."""
        return self.cost.operations / self.cost.bytes

    def record(self) -> dict[str, Any]:
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
    """Measure the kernels of a device at the sizes of their contracts, beside libraries that do the same work.

    names: kernels, or operations for all of theirs; None: every one. against: "numpy", "cupy", "torch".
    quick: the first size of each and little time. `on_row` is told of each row as it is measured; the limits are
    measured again at the end, and the rows that are returned have their shares of the faster ones.

    Raises ArgumentError for a device that is not worth timing and for an unknown name, KernelError for a kernel whose
    result is wrong, or that compiles again at its second call.
    """
    if device.kind not in MEASURABLE:
        raise ArgumentError(f"the {device.kind} is here to find faults, its speed means nothing: measure cpu or cuda")
    check_libraries(against or [], device)
    budget = budget or (QUICK if quick else Budget())
    ceilings = Ceilings(device, budget)
    rows = []
    for contract in chosen(names):
        for row in measure_kernel(device, contract, ceilings, against or [], budget, quick=quick):
            rows.append(row)
            on_row(row)
    ceilings.measure_again()
    return [next_to(ceilings, row) for row in rows], ceilings


def measure_kernel(
    device: Device, contract: Contract, ceilings: Ceilings, against: list[str], budget: Budget, *, quick: bool = False
) -> Iterator[Row]:
    """Yield the rows of one kernel, as `measure` does, with their shares of the limits so far."""
    for workload in itertools.islice(contract.draw_workloads(), 1 if quick else None):
        if device.kind == "cpu" and workload.scalars.get("precision", "float32") != "float32":
            continue  # a CPU has lower precisions to be compared with, not for speed
        yield from _measure_workload(device, contract, workload, ceilings, against, budget)


def next_to(ceilings: Ceilings, row: Row) -> Row:
    """The row with its share of the limits as they are known now."""
    limit, share = ceilings.share(row.cost, row.timing.median, row.precision, cold=row.cache == "cold")
    return replace(row, limit=limit, share=share)


def chosen(names: list[str] | None) -> list[Contract]:
    """The contracts of these kernels and operations, in the order of the list of operations."""
    every = list(kernels.contracts())
    known = {name for operation, contract in every for name in (operation, contract.name)}
    for name in names or []:
        if name not in known:
            raise ArgumentError(f"unknown kernel {name!r}, expected one of {', '.join(sorted(known))}")
    return [c for operation, c in every if names is None or operation in names or c.name in names]


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
    """Seconds of the first call and, of these, of compilers; the second call must not compile."""
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
            "keep what it compiles"
        )
    return seconds[0]


@contextlib.contextmanager
def compiling() -> Iterator[Callable[[], float]]:
    """Within the block, the function tells the seconds that Numba and NVRTC have spent compiling."""
    with contextlib.ExitStack() as stack:
        listeners = []
        for module, kind in COMPILER_EVENTS.items():
            event = sys.modules.get(module)
            if event is not None:
                listeners.append(stack.enter_context(event.install_listener(kind, event.TimingListener())))
        before = cuda.build_seconds()

        def total() -> float:
            return sum(listener.duration for listener in listeners if listener.done) + cuda.build_seconds() - before

        yield total
