"""`gpugrad predict`: write the label and the probabilities of each row of a file."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import data
from ..engine.files import write_whole
from ..errors import ArgumentError, counted
from .options import RUN, DeviceName, Json, ToolchainName, finish, option, printer
from .trained import MODEL, load_trained


def predict(
    model: Annotated[Path, typer.Argument(help="A model file, or the --out folder of a run.")],
    file: Annotated[Path, typer.Argument(help="A .csv, .tsv, .npz or .parquet file with the training columns.")],
    out: Annotated[Path | None, option(RUN, "CSV file to write; default: standard output.")] = None,
    device: DeviceName = "auto",
    toolchain: ToolchainName = None,
    as_json: Json = False,
) -> None:
    """Write the label and the probability of each class, or the predicted number, for every row of a file.

    Example: gpugrad predict runs/mnist new.npz --out labels.csv
    """
    if as_json and out is None:
        raise ArgumentError("--json needs --out FILE for the predictions: both would go to standard output")
    for read in (file, model / MODEL if model.is_dir() else model):
        if out is not None and out.exists() and read.exists() and out.samefile(read):
            raise ArgumentError(f"--out is {out}, which is read: name another file for the predictions")
    table, result = run(model, file, device=device, toolchain=toolchain)
    if out is None:
        sys.stdout.write(table)
    else:
        write_whole(out, table)
        printer(as_json)(f"wrote {counted(result['rows'], 'prediction')} to {out}")
        finish(result, as_json)


def run(model: Path, file: Path, *, device: str = "auto", toolchain: str | None = None) -> tuple[str, dict[str, Any]]:
    """Predict every row of a file; return the CSV text and the result of --json.

    The columns are `label` and one `probability_…` per class; for regression `prediction`, in the target's units.
    """
    trained = load_trained(model, device, toolchain)
    x = data.load_features(file, trained.preprocessing, n_features=trained.n_features)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if trained.classes is None:
        values = trained.trainer.predict(x)
        if trained.preprocessing is not None:
            values = trained.preprocessing.inverse_target(values)
        writer.writerow(["prediction"])
        writer.writerows(values.tolist())
    else:
        probabilities = trained.trainer.predict_proba(x)
        writer.writerow(["label", *(f"probability_{name}" for name in trained.classes)])
        for label, row in zip(probabilities.argmax(axis=1), probabilities, strict=True):
            writer.writerow([trained.classes[label], *(f"{value:.9g}" for value in row)])
    place = trained.trainer.device
    return text.getvalue(), {
        "model": str(model),
        "file": str(file),
        "rows": len(x),
        "device": place.name,
        "toolchain": place.toolchain,
    }
