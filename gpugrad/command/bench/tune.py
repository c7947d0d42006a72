"""The command `gpugrad bench tune`: measure variants of matrix products, store or delete the choices."""

from __future__ import annotations

from typing import Annotated

import typer

from ..options import layer_sizes
from .options import DeviceName, Quick, RecordFile, Seconds, measuring, printed

Hidden = Annotated[str, typer.Option(help="Sizes of the hidden layers; 0 for none.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Rows per batch.")]
Inputs = Annotated[int, typer.Option(min=1, help="Number of input features.")]
Outputs = Annotated[int, typer.Option(min=1, help="Number of classes or predicted values.")]
Precision = Annotated[str, typer.Option(help="Precision of the products: float32, tf32 or bfloat16.")]
Forget = Annotated[bool, typer.Option("--forget", help="Delete the stored choices of this device instead.")]


def tune(
    hidden: Hidden = "256,128",
    batch_size: BatchSize = 64,
    inputs: Inputs = 784,
    outputs: Outputs = 10,
    precision: Precision = "float32",
    device: DeviceName = "auto",
    seconds: Seconds = 0.5,
    quick: Quick = False,
    record: RecordFile = None,
    forget: Forget = False,
) -> None:
    """Time the variants of each matrix product of a model on a GPU and store the fastest for later processes.

    Example: gpugrad bench tune --hidden 1024,1024 --batch-size 512
    """
    from ...bench.measure import tune as measured
    from ...bench.measure.timing import QUICK, Budget
    from ...bench.records import tables
    from ...engine import tuning
    from ...engine.device import device as get_device
    from ...engine.precision import check_precision_for

    target = get_device(device)
    tuning.check_variants(target)
    if forget:
        existed = tuning.forget(target)
        print(
            f"deleted {tuning.path(target)}" if existed else f"nothing to delete: {tuning.path(target)} does not exist"
        )
        return
    check_precision_for(precision, target)
    products = measured.products_of((inputs, *layer_sizes(hidden), outputs), batch_size, precision)
    with measuring(device, None, quick=quick, record=record) as (_, sections):
        print(f"\n{tables.TUNE_HEADER}")
        clock = measured.clock(QUICK if quick else Budget(seconds=seconds))
        rows = measured.measure(target, products, clock, printed(tables.tune_line))
        sections["tune"] = {"rows": [row.record() for row in rows]}
    if target.kind in ("emulator", "machine"):
        print(f"times in the {target.kind} mean nothing: no choice is stored")
    elif quick:
        print("times of a quick run mean nothing: no choice is stored")
    else:
        file = tuning.keep(target, measured.choices(rows))
        print(f"stored in {file} for processes that start from now on; GPUGRAD_TUNING=0 turns it off")
