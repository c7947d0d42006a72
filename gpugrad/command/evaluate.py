"""`gpugrad evaluate`: test a trained model on labelled data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import data
from ..errors import ArgumentError, DataError
from .options import DataDir, DeviceName, Json, Target, ToolchainName, counted, finish, printer
from .trained import load_trained, scores_of, sentence


def evaluate(
    model: Annotated[Path, typer.Argument(help="A model file, or the --out folder of a run.")],
    dataset: Annotated[
        str, typer.Argument(help="digits, mnist or fashion-mnist (the test rows), or a file (all rows).")
    ],
    target: Target = None,
    device: DeviceName = "auto",
    toolchain: ToolchainName = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Test a trained model on labelled data.

    Example: gpugrad evaluate runs/digits digits
    """
    result = run(
        model, dataset, target=target, device=device, toolchain=toolchain, data_dir=data_dir, log=printer(as_json)
    )
    finish(result, as_json)


def run(
    model: Path,
    dataset: str,
    *,
    target: str | None = None,
    device: str = "auto",
    toolchain: str | None = None,
    data_dir: Path | None = None,
    log: Callable[..., None] = print,
) -> dict[str, Any]:
    """Test a model on the test rows of a named data set, or on all rows of a file; return the result of --json."""
    trained = load_trained(model, device, toolchain)
    if Path(dataset).suffix.lower() in data.SUFFIXES:
        x, y = data.load_labelled(
            dataset, trained.preprocessing, trained.classes, n_features=trained.n_features, target=target
        )
    else:
        named = data.load(dataset, data_dir=data_dir, target=target, seed=trained.seed)
        if named.classes != trained.classes:
            raise ArgumentError(
                f"{dataset} has other classes than {model} was trained on: evaluate it on data with the same classes"
            )
        if named.n_features != trained.n_features:
            raise DataError(
                f"{dataset} has {counted(named.n_features, 'feature')}, {model} was trained on {trained.n_features}: "
                "evaluate it on data with the same columns"
            )
        x, y = named.x_test, named.y_test
    scores = scores_of(trained.trainer, x, y, trained.preprocessing)
    log(sentence("test", scores) + f" on {counted(len(x), 'row')} of {dataset}")
    if trained.classes is not None:
        from sklearn.metrics import classification_report

        predicted = trained.trainer.predict(x)
        labels = list(range(len(trained.classes)))
        log(classification_report(y, predicted, labels=labels, target_names=trained.classes, digits=4, zero_division=0))
    place = trained.trainer.device
    return {
        "model": str(model),
        "dataset": dataset,
        "device": place.name,
        "toolchain": place.toolchain,
        "rows": len(x),
        **scores,
    }
