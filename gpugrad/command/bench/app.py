"""The commands `gpugrad bench …`: what each measures and prints, one after the other or all in one record."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ...bench.records import tables
from ..options import names
from . import estimators as estimators_command
from . import operations as operations_command
from . import report as report_commands
from . import tune as tune_command
from .options import DataDir, DeviceName, Quick, RecordFile, Seconds, Threads, ToolchainName, measuring, printed

app = typer.Typer(help="Measure kernels and training, compare and draw what was measured.", no_args_is_help=True)

Only = Annotated[str | None, typer.Option(help="Kernels or operations, with commas between; all if not given.")]
Against = Annotated[
    str | None, typer.Option(help="Libraries that do the same work, with commas between: numpy or cupy, torch.")
]
Engines = Annotated[
    str | None,
    typer.Option(help="Peers, with commas between, such as pytorch-fused-adam,jax-scan; all there are if not given."),
]
Rounds = Annotated[int, typer.Option(min=1, help="Epochs that are timed, after a first one.")]
Target = Annotated[float, typer.Option(help="Test accuracy, the time to which is measured; 0: none.")]
Starts = Annotated[int, typer.Option(min=1, help="Starts with an empty cache, and as many with a warm one.")]

QUICK_STEPS = 50  # of an epoch of training
QUICK_VALUES = 3  # of each axis of scaling
QUICK_ROWS = 5_120  # of the data whose memory is measured


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
    """Time every kernel at several sizes, beside the limits of the machine and what libraries take."""
    with measuring(device, toolchain, threads=threads, quick=quick, record=record) as (target, sections):
        sections["kernels"] = _kernels(target, quick, seconds, only=names(only), against=names(against))


@app.command()
def training(
    device: DeviceName = "auto",
    engines: Engines = None,
    rounds: Rounds = 5,
    target: Target = 0.975,
    data_dir: DataDir = None,
    quick: Quick = False,
    threads: Threads = None,
    record: RecordFile = None,
) -> None:
    """Time whole training steps, and the time to an accuracy, beside the peers that are installed."""
    with measuring(device, None, threads=threads, quick=quick, record=record) as (found, sections):
        sections.update(_training(found, quick, names(engines), rounds, target, data_dir))


@app.command()
def scaling(
    device: DeviceName = "auto",
    toolchain: ToolchainName = None,
    quick: Quick = False,
    threads: Threads = None,
    seconds: Seconds = 1.0,
    record: RecordFile = None,
) -> None:
    """Time a training step as its network grows wider and deeper, and as its minibatches grow."""
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
    """Time new processes from their start to the first training step, with the cache of kernels empty and warm."""
    with measuring(device, toolchain, quick=quick, record=record) as (target, sections):
        sections["startup"] = _startup(target, quick, starts)


@app.command()
def memory(
    device: DeviceName = "auto", toolchain: ToolchainName = None, quick: Quick = False, record: RecordFile = None
) -> None:
    """Compare the peak memory of a training with what it must hold: data, 8 × parameters, activations, a constant."""
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
    """Measure all of it, into one record: kernels, training, scaling, startup and memory."""
    with measuring(device, toolchain, threads=threads, quick=quick, record=record) as (target, sections):
        sections["kernels"] = _kernels(target, quick, seconds, against=names(against))
        sections.update(_training(target, quick, names(engines), rounds, 0.975, data_dir))
        sections["scaling"] = _scaling(target, quick, seconds)
        sections["startup"] = _startup(target, quick, 3)
        sections["memory"] = _memory(target, quick)


app.command()(estimators_command.estimators)
app.command()(operations_command.operations)
app.command()(tune_command.tune)
app.command()(report_commands.compare)
app.command()(report_commands.report)


# ---- what they do ----


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
    print("\n(m: limited by memory, a: by arithmetic; *: the median did not settle)")
    print(
        "The limits of this machine, the faster ones of before and after the kernels; a record has the shares of these"
    )
    print("\n".join(tables.ceiling_lines(limits)))
    return {"ceilings": limits, "rows": [row.record() for row in rows]}


def _training(target: Any, quick: bool, engines: Any, rounds: int, accuracy: float, data_dir: Any) -> dict[str, Any]:
    from ...bench.measure import training as measured
    from ...bench.measure.networks import problems

    chosen, missing = measured.choose(target.kind, engines)
    posed = problems(data_dir=data_dir)
    if quick:
        posed, rounds, accuracy = [posed[0].first(QUICK_STEPS)], 2, 0.0
    print(f"\nAdam on {posed[0].data}; cannot be measured here: {', '.join(missing) or 'none'}")
    print(tables.training_header())
    rows: list[dict[str, Any]] = []
    reached: list[dict[str, Any]] = []
    for problem in posed:
        shown = printed(tables.training_line)
        rows += measured.measure_steps(problem, chosen, target.name, rounds=rounds, on_row=shown)
    if accuracy:
        print(f"\nSeconds of training to a test accuracy of {accuracy:.1%}, evaluation left out")
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

    print(
        f"\nFrom the start of a process: {measured.NETWORK} on digits, batch {measured.BATCH}\n{tables.STARTUP_HEADER}"
    )
    shown = printed(tables.startup_line)
    return {"rows": measured.measure(target, rounds=1 if quick else starts, on_row=shown)}


def _memory(target: Any, quick: bool) -> dict[str, Any]:
    from ...bench.measure import memory as measured

    print(f"\n{tables.MEMORY_HEADER}")
    rows = QUICK_ROWS if quick else measured.TRAIN_ROWS
    return {"rows": measured.measure(target, rows=rows, on_row=printed(tables.memory_line))}
