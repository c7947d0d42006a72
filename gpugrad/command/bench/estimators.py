"""The command `gpugrad bench estimators`: compare the estimators with scikit-learn's, one row per data set."""

from __future__ import annotations

from statistics import geometric_mean
from typing import Annotated, Any

import typer

from ...bench.records.tables import duration
from ..options import names
from .options import DeviceName, Quick, RecordFile, Threads, ToolchainName, measuring, printed

Only = Annotated[str | None, typer.Option(help="Data sets, separated by commas; default: all ten.")]
Seeds = Annotated[int, typer.Option(min=2, help="Number of seeds; each sets the split, weights and generated rows.")]

QUICK_SEEDS = 2
QUICK_EPOCHS = 5
HEADER = (
    f"{'data set':<14} {'rows':>9} {'scikit-learn':>16} {'gpugrad':>16} {'difference':>19} {'equal':>6} {'':<8} "
    f"{'curves':>8} {'fit':>9} {'20–80 %':>15} {'scikit-learn':>12} {'× ours':>7}"
)


def estimators(
    device: DeviceName = "auto",
    toolchain: ToolchainName = None,
    only: Only = None,
    seeds: Seeds = 10,
    quick: Quick = False,
    threads: Threads = None,
    record: RecordFile = None,
) -> None:
    """Compare scores and times of the estimators with scikit-learn's on ten data sets; exit with 1 if one is worse.

    Example: gpugrad bench estimators --seeds 5 --json estimators.json
    """
    from ...bench.measure import estimators as measured

    chosen = measured.choose(names(only))
    with measuring(device, toolchain, threads=threads, quick=quick, record=record) as (target, sections):
        print("\nScores on a held-out third, mean ± spread over the seeds; equal: seeds with identical scores")
        print(HEADER)
        options: dict[str, Any] = {"seeds": QUICK_SEEDS, "most_epochs": QUICK_EPOCHS} if quick else {"seeds": seeds}
        rows = measured.measure(chosen, target, **options, on_row=printed(line))
        sections["estimators"] = {"rows": rows}
        worse = sum(row["verdict"] == measured.WORSE for row in rows)
        ratio = geometric_mean([row["times_ours"] for row in rows])
        print(f"{worse} of {len(rows)} worse than scikit-learn, which needs {ratio:.2f} × the time (geometric mean)")
    if worse:
        raise typer.Exit(1)


def line(row: dict[str, Any]) -> str:
    """Format a row of the table."""
    theirs = f"{row['sklearn_score']:.4f} ± {row['sklearn_score_spread']:.4f}"
    ours = f"{row['score']:.4f} ± {row['score_spread']:.4f}"
    return (
        f"{row['data']:<14} {row['rows']:>5}×{row['features']:<3} {theirs:>16} {ours:>16} "
        f"{row['difference']:>+9.5f} ± {row['standard_error']:.5f} {row['equal']:>3}/{row['seeds']:<2} "
        f"{row['verdict']:<8} {row['curve']:>8.0e} {duration(row['median']):>9} "
        f"{duration(row['low']) + '–' + duration(row['high']):>15} {duration(row['sklearn_median']):>12} "
        f"{row['times_ours']:>7.2f}"
    )
