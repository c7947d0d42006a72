"""The work of a stage of record.py in its own process, which prints one line of JSON per result.

    python -m session.work check '{"device": "cuda", "toolchain": "numba", "names": ["sum_elements"]}'
    python -m session.work training '{"device": "cuda"}'

It runs in tests/gpu, with the checkout in PYTHONPATH.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import importlib.util
import itertools
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

WORKERS = 8  # maximum number of test processes, since each uses GPU memory
ROUNDS = 7  # timed epochs, after one untimed epoch
SECONDS = 0.2  # maximum per row of kernels and of scaling
ACCURACY = 0.98  # target accuracy on MNIST's test rows
PRECISIONS = ("float32", "tf32", "bfloat16")  # of the matrix product, if a library supports it
BEFORE_THE_END = 2.0  # seconds before a kernel's limit at which the process prints a traceback
# The operations of a training step; their kernels are measured first.
OF_A_STEP = ("dense", "softmax_cross_entropy", "adam", "gather", "reduction")

PR_SET_PDEATHSIG = 1  # of <sys/prctl.h>

Emit = Callable[..., None]


@contextlib.contextmanager
def standard_output_alone() -> Iterator[Emit]:
    """Yield a function that prints results to standard output; redirect all other output to standard error."""
    from gpugrad.engine.files import to_json

    with os.fdopen(os.dup(1), "w") as out:
        os.dup2(2, 1)
        yield lambda **found: print(to_json(found), file=out, flush=True)


# ---- kernels against their reference ----


def check(
    emit: Emit, *, device: str, toolchain: str, names: list[str], limit: float = 30.0, most_work: float = float("inf")
) -> None:
    """Check kernels over their examples; emit each example as it begins, and the finding of each kernel."""
    import gpugrad as gg
    from gpugrad import kernels
    from gpugrad.engine.check import check_kernel

    target = gg.device(device, toolchain)
    contracts = {contract.name: (operation, contract) for operation, contract in kernels.contracts()}
    emit(ready=target.name)
    for name in names:
        faulthandler.dump_traceback_later(max(1.0, limit - BEFORE_THE_END))
        finding = check_kernel(target, *contracts[name], most_work, lambda example: emit(example=example.reason))
        emit(finding=asdict(finding))
    faulthandler.cancel_dump_traceback_later()


# ---- benchmarks ----


def measured(emit: Emit, device: str, toolchain: str | None = None) -> Any:
    """Return the device to measure, and emit a description of the machine."""
    import gpugrad as gg
    from gpugrad.bench.measure.machine import describe

    target = gg.device(device, toolchain)
    emit(machine=describe(target))
    return target


def training(emit: Emit, *, device: str, quick: bool = False) -> None:
    """Measure the networks of `gpugrad bench training` with all installed engines; report and skip failing ones."""
    from gpugrad.bench.engines import OWN
    from gpugrad.bench.measure import networks, training, workers

    target = measured(emit, device)
    if target.kind == "cuda":
        workers.PAUSE = 0.0  # the pause is for host threads that compute; none do on a GPU
    engines, missing = training.choose(target.kind)
    emit(missing=missing)
    posed = [networks.random_problem((16,), 32, 20)] if quick else networks.problems()
    for problem in posed:
        rows = None
        while rows is None:
            try:
                rows = training.measure_steps(
                    problem, engines, target.name, rounds=2 if quick else ROUNDS, on_row=lambda row: emit(row=row)
                )
            except workers.EngineError as error:
                emit(problem=f"{problem.network}, batch {problem.batch}: {error}")
                if error.engine == OWN:
                    raise
                engines = [entry for entry in engines if entry.name != error.engine]


def accuracy(emit: Emit, *, device: str, quick: bool = False) -> None:
    """Measure the seconds of training to an accuracy on MNIST."""
    from gpugrad.bench.measure import networks, training

    problem = networks.problems(networks.NETWORKS[:1])[0]
    if quick or problem.data == networks.DRAWN:
        emit(skipped="it needs MNIST's files in GPUGRAD_DATA and a GPU: other accuracies mean nothing")
        return
    target = measured(emit, device)
    engines, missing = training.choose(target.kind)
    emit(missing=missing)
    training.measure_time_to_accuracy(problem, engines, target.name, target=ACCURACY, on_row=lambda row: emit(row=row))


def kernels(emit: Emit, *, device: str, quick: bool = False) -> None:
    """Measure kernels, the limits in this run, and libraries; report and skip kernels that fail."""
    from gpugrad.bench.measure import kernels as measured_kernels
    from gpugrad.bench.measure.ceilings import LARGEST_COPY, Ceilings
    from gpugrad.bench.measure.timing import QUICK, Budget
    from gpugrad.engine.check import chosen

    target = measured(emit, device)
    budget = QUICK if quick else Budget(seconds=SECONDS)
    libraries = [n for n in ("cupy" if target.kind == "cuda" else "numpy", "torch") if importlib.util.find_spec(n)]
    ceilings = Ceilings(target, budget)
    ceilings.copy(LARGEST_COPY, cold=target.kind == "cuda")
    for precision in PRECISIONS:
        ceilings.product(precision)
    emit(ceilings=ceilings.records())
    contracts = [contract for _, contract in chosen(["adam"] if quick else ())]
    rows = []
    for contract in sorted(contracts, key=lambda contract: contract.operation not in OF_A_STEP):
        try:
            for row in measured_kernels.measure_kernel(target, contract, ceilings, libraries, budget, quick=quick):
                rows.append(row)
                emit(row=row.record())
        except Exception as error:
            emit(problem=f"{contract.name}: {error}")
    ceilings.measure_again()
    rows = [measured_kernels.next_to(ceilings, row) for row in rows]
    emit(ceilings=ceilings.records(), rows=[row.record() for row in rows])


def launches(
    emit: Emit, *, device: str, toolchain: str | None = None, quick: bool = False, alone: bool = False
) -> None:
    """Measure the cost of a launch, also in a graph and in a whole step unless `alone`."""
    from . import launch_costs

    target = measured(emit, device, toolchain)
    effort = launch_costs.QUICK if quick else launch_costs.Effort()
    rows = itertools.chain(launch_costs.launches(target, effort), launch_costs.steps(target, effort))
    for row in itertools.islice(rows, 2 if alone else None):
        emit(row={"toolchain": target.toolchain, **row})


def scaling(emit: Emit, *, device: str, quick: bool = False) -> None:
    """Measure the time of a step against width, depth and batch size."""
    from gpugrad.bench.measure.scaling import measure
    from gpugrad.bench.measure.timing import QUICK, Budget

    budget, most = (QUICK, 2) if quick else (Budget(seconds=SECONDS), None)
    _, slopes = measure(measured(emit, device), budget=budget, most_values=most, on_row=lambda row: emit(row=row))
    emit(slopes=slopes)


def startup(emit: Emit, *, device: str, quick: bool = False) -> None:
    """Measure the time from process start to the first step."""
    from gpugrad.bench.measure.startup import measure

    measure(measured(emit, device), rounds=1 if quick else 3, on_row=lambda row: emit(row=row))


def memory(emit: Emit, *, device: str, quick: bool = False) -> None:
    """Measure the peak memory of a run and its bound."""
    from gpugrad.bench.measure.memory import measure
    from gpugrad.bench.measure.networks import TRAIN_ROWS

    measure(measured(emit, device), rows=5_120 if quick else TRAIN_ROWS, on_row=lambda row: emit(row=row))


# ---- tests ----


def tests(emit: Emit, *, arguments: list[str], parallel: bool) -> None:
    """Run pytest with these arguments, in several processes if xdist is installed."""
    import pytest

    from gpugrad.bench.measure.machine import usable_cores

    from .reporter import Reporter

    plugins = ["-p", "no:cacheprovider", "-p", "no:benchmark", "--continue-on-collection-errors"]
    if parallel and importlib.util.find_spec("xdist"):
        plugins += ["-n", str(min(WORKERS, usable_cores())), "--dist", "worksteal"]
    code = pytest.main([*plugins, *arguments], plugins=[Reporter(emit)])
    sys.exit(0 if code == pytest.ExitCode.TESTS_FAILED else int(code))  # failures are already reported


WORKS = {
    work.__name__: work for work in (check, training, accuracy, kernels, launches, scaling, startup, memory, tests)
}


def end_with_parent() -> None:
    """Let the system kill this process when its parent is killed: a hanging process would stay forever."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> None:
    name, options = sys.argv[1], json.loads(sys.argv[2])
    end_with_parent()
    with standard_output_alone() as emit:
        WORKS[name](emit, **options)


if __name__ == "__main__":
    main()
