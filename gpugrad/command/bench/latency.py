"""The command `gpugrad bench latency`: predictions of single rows, alone and while another thread trains."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ...bench.records import tables
from ..options import names
from .options import DeviceName, Quick, RecordFile, Threads, measuring, printed

Libraries = Annotated[
    str | None,
    typer.Option(help="Libraries to compare with, separated by commas, such as pytorch,jax; default: all installed."),
]
Calls = Annotated[int, typer.Option(min=100, help="Predictions per engine and round.")]
Rounds = Annotated[int, typer.Option(min=1, help="Rounds, in which the engines take turns.")]

STEPS = 64  # training steps per epoch of the other thread
QUICK_STEPS = 8


def latency(
    device: DeviceName = "auto",
    engines: Libraries = None,
    calls: Calls = 500,
    rounds: Rounds = 4,
    quick: Quick = False,
    threads: Threads = None,
    record: RecordFile = None,
) -> None:
    """Time predictions of single rows, alone and while another thread of the process trains.

    Example: gpugrad bench latency --engines pytorch,jax
    """
    from ...bench.engines import LIBRARIES
    from ...bench.measure import latency as measured
    from ...bench.measure.networks import NETWORKS, random_problem
    from ...bench.measure.training import choose

    with measuring(device, None, threads=threads, quick=quick, record=record) as (target, sections):
        chosen, missing = choose(target.kind, names(engines), LIBRARIES)
        print(f"\nPredictions of one row{tables.not_here(missing)}\n{tables.LATENCY_HEADER}")
        rows: list[dict[str, Any]] = []
        for hidden, batch in NETWORKS[:1] if quick else (NETWORKS[0], NETWORKS[-1]):
            problem = random_problem(hidden, batch, QUICK_STEPS if quick else STEPS)
            turns = {"calls": 100, "rounds": 1} if quick else {"calls": calls, "rounds": rounds}
            rows += measured.measure(problem, chosen, target.name, **turns, on_row=printed(tables.latency_line))
        sections["latency"] = {"rows": rows, "missing": missing}
