"""The commands `gpugrad bench …`: each measures one thing; `all` runs them in turn and writes one record."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ...bench.records import tables
from ...errors import counted
from ..options import names
from . import estimators as estimators_command
from . import latency as latency_command
from . import operations as operations_command
from . import report as report_commands
from . import tune as tune_command
from .options import (
    DataDir,
    DeviceName,
    Engines,
    Quick,
    RecordFile,
    Seconds,
    Threads,
    ToolchainName,
    measuring,
    printed,
)

app = typer.Typer(
    help="Measure kernels and training; compare and plot the results.\n\nExample: gpugrad bench training --quick"
)

Only = Annotated[str | None, typer.Option(help="Kernels or operations, separated by commas; default: all.")]
Against = Annotated[
    str | None, typer.Option(help="Libraries to compare with, separated by commas: numpy or cupy, torch.")
]
Rounds = Annotated[int, typer.Option(min=1, help="Timed epochs, after one untimed epoch.")]
Busy = Annotated[int, typer.Option(min=0, help="Other processes that compute all the time while a step is timed.")]
Target = Annotated[float, typer.Option(help="Measure the time to this test accuracy; 0: do not.")]
Starts = Annotated[int, typer.Option(min=1, help="Number of starts with an empty cache, and with a warm one.")]

QUICK_STEPS = 50  # training steps per epoch with --quick
QUICK_VALUES = 3  # values per scaling axis with --quick
QUICK_ROWS = 5_120  # rows of the memory measurement with --quick


@app.callback(invoke_without_command=True)
def bench(context: typer.Context) -> None:
    """Print the help if there is no command."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def kernels(
    device: DeviceName = "auto",
    toolchain: ToolchainName = None,
    only: Only = None,
    against: Against = None,
    quick: Quick = False,
    threads: Threads = None,
    seconds: Seconds = 1.0,
    record: RecordFile = None,
) -> None:
    """Time every kernel at several sizes and compare with the machine's limits and with other libraries.

    Example: gpugrad bench kernels --only adam_step,dense --against numpy,torch
    """
    from ...bench.measure.kernels import chosen

    chosen(names(only) or ())  # refuses a name before anything is printed
    with measuring(device, toolchain, threads=threads, quick=quick, record=record) as (target, sections):
        sections["kernels"] = _kernels(target, quick, seconds, only=names(only), against=names(against))


@app.command()
def training(
    device: DeviceName = "auto",
    engines: Engines = None,
    rounds: Rounds = 5,
    target: Target = 0.975,
    busy: Busy = 0,
    data_dir: DataDir = None,
    quick: Quick = False,
    threads: Threads = None,
    record: RecordFile = None,
) -> None:
    """Time whole training steps, and training to an accuracy, for gpugrad and the installed engines.

    Example: gpugrad bench training --engines jax-scan --rounds 11
    """
    with measuring(device, None, threads=threads, quick=quick, record=record) as (found, sections):
        sections.update(_training(found, quick, names(engines), rounds, target, data_dir, busy))


@app.command()
def scaling(
    device: DeviceName = "auto",
    toolchain: ToolchainName = None,
    quick: Quick = False,
    threads: Threads = None,
    seconds: Seconds = 1.0,
    record: RecordFile = None,
) -> None:
    """Time a training step for growing width, depth and batch size.

    Example: gpugrad bench scaling --seconds 0.4
    """
    with measuring(device, toolchain, threads=threads, quick=quick, record=record) as (target, sections):
        sections["scaling"] = _scaling(target, quick, seconds)


@app.command()
def startup(
    device: DeviceName = "auto",
    toolchain: ToolchainName = None,
    starts: Starts = 3,
    quick: Quick = False,
    record: RecordFile = None,
) -> None:
    """Time new processes from start to the first training step, with an empty and a warm kernel cache.

    Example: gpugrad bench startup --starts 5
    """
    with measuring(device, toolchain, quick=quick, record=record) as (target, sections):
        sections["startup"] = _startup(target, quick, starts)


@app.command()
def memory(
    device: DeviceName = "auto", toolchain: ToolchainName = None, quick: Quick = False, record: RecordFile = None
) -> None:
    """Compare peak memory of a run with its bound: data + 8 × parameters + activations + a constant.

    Example: gpugrad bench memory --device cpu
    """
    with measuring(device, toolchain, quick=quick, record=record) as (target, sections):
        sections["memory"] = _memory(target, quick)


@app.command(name="all")
def everything(
    device: DeviceName = "auto",
    toolchain: ToolchainName = None,
    against: Against = None,
    engines: Engines = None,
    rounds: Rounds = 5,
    data_dir: DataDir = None,
    quick: Quick = False,
    threads: Threads = None,
    seconds: Seconds = 1.0,
    record: RecordFile = None,
) -> None:
    """Measure kernels, training, scaling, startup and memory, and write one record.

    Example: gpugrad bench all --json record.json
    """
    with measuring(device, toolchain, threads=threads, quick=quick, record=record) as (target, sections):
        sections["kernels"] = _kernels(target, quick, seconds, against=names(against))
        sections.update(_training(target, quick, names(engines), rounds, 0.975, data_dir))
        sections["scaling"] = _scaling(target, quick, seconds)
        sections["startup"] = _startup(target, quick, 3)
        sections["memory"] = _memory(target, quick)


app.command()(estimators_command.estimators)
app.command()(latency_command.latency)
app.command()(operations_command.operations)
app.command()(tune_command.tune)
app.command()(report_commands.compare)
app.command()(report_commands.report)


# ---- the measurements ----


def _kernels(target: Any, quick: bool, seconds: float, *, only: Any = None, against: Any = None) -> dict[str, Any]:
    from ...bench.measure.kernels import measure
    from ...bench.measure.timing import QUICK, Budget

    print(f"\n{tables.kernel_header()}")
    rows, ceilings = measure(
        target,
        names=only,
        against=against,
        quick=quick,
        budget=QUICK if quick else Budget(seconds=seconds),
        on_row=printed(tables.kernel_line),
    )
    limits = ceilings.records()
    print("\n(m: memory-bound, a: compute-bound; *: the median did not settle)")
    print("Limits of this machine: the better of two measurements, before and after the kernels; records contain these")
    print("\n".join(tables.ceiling_lines(limits)))
    return {"ceilings": limits, "rows": [row.record() for row in rows]}


def _training(
    target: Any, quick: bool, engines: Any, rounds: int, accuracy: float, data_dir: Any, busy: int = 0
) -> dict[str, Any]:
    from ...bench.measure import company
    from ...bench.measure import training as measured
    from ...bench.measure.networks import problems

    chosen, missing = measured.choose(target.kind, engines)
    posed = problems(data_dir=data_dir)
    if quick:
        posed, rounds, accuracy = [posed[0].first(QUICK_STEPS)], 2, 0.0
    beside = f" beside {counted(busy, 'busy process', 'busy processes')}" if busy else ""
    print(f"\nAdam on {posed[0].data}{beside}{tables.not_here(missing)}\n{tables.training_header()}")
    rows: list[dict[str, Any]] = []
    reached: list[dict[str, Any]] = []
    with company.busy(busy):
        for problem in posed:
            shown = printed(tables.training_line)
            rows += measured.measure_steps(problem, chosen, target.name, rounds=rounds, on_row=shown)
    if busy:
        return {"training_in_company": {"rows": rows, "missing": missing, "busy": busy}}
    if accuracy:
        print(f"\nSeconds of training to a test accuracy of {accuracy:.1%}, without evaluation")
        shown = printed(tables.reached_line)
        reached = measured.measure_time_to_accuracy(posed[0], chosen, target.name, target=accuracy, on_row=shown)
    return {"training": {"rows": rows, "missing": missing}, "time_to_accuracy": {"rows": reached}}


def _scaling(target: Any, quick: bool, seconds: float) -> dict[str, Any]:
    from ...bench.measure import scaling as measured
    from ...bench.measure.timing import QUICK, Budget

    print(f"\n{tables.SCALING_HEADER}")
    rows, slopes = measured.measure(
        target,
        budget=QUICK if quick else Budget(seconds=seconds),
        most_values=QUICK_VALUES if quick else None,
        on_row=printed(tables.scaling_line),
    )
    print()
    for slope in slopes:
        where = f"{slope['axis']}, {slope['from']} to {slope['to']}"
        print(f"{where}: slope {slope['slope']:.2f}; {slope['explanation']}")
    return {"rows": rows, "slopes": slopes}


def _startup(target: Any, quick: bool, starts: int) -> dict[str, Any]:
    from ...bench.measure import startup as measured

    print(f"\nFrom process start: {measured.NETWORK} on digits, batch size {measured.BATCH}\n{tables.STARTUP_HEADER}")
    return {"rows": measured.measure(target, rounds=1 if quick else starts, on_row=printed(tables.startup_line))}


def _memory(target: Any, quick: bool) -> dict[str, Any]:
    from ...bench.measure import memory as measured

    print(f"\n{tables.MEMORY_HEADER}")
    rows = QUICK_ROWS if quick else measured.TRAIN_ROWS
    return {"rows": measured.measure(target, rows=rows, on_row=printed(tables.memory_line))}
