"""`gpugrad evaluate`: test a trained model on labelled data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import data
from ..errors import ArgumentError, DataError, counted
from .options import DataDir, DeviceName, Json, Target, ToolchainName, completing, finish, printer
from .trained import Majority, file_digest, load_trained, scores_of, sentence


def evaluate(
    model: Annotated[Path, typer.Argument(help="A model file, or the --out folder of a run.")],
    dataset: Annotated[
        str,
        typer.Argument(
            help="digits, mnist or fashion-mnist, or a file; of the data it was trained on, the test rows.",
            autocompletion=completing(data.NAMES),
        ),
    ],
    target: Target = None,
    device: DeviceName = "auto",
    toolchain: ToolchainName = None,
    data_dir: DataDir = None,
    all_rows: Annotated[
        bool, typer.Option("--all-rows", help="Test on all rows of the file, those it was trained on too.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Test a trained model on labelled data.

    Example: gpugrad evaluate runs/digits digits
    """
    result = run(
        model,
        dataset,
        target=target,
        device=device,
        toolchain=toolchain,
        data_dir=data_dir,
        all_rows=all_rows,
        log=printer(as_json),
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
    all_rows: bool = False,
    log: Callable[..., None] = print,
) -> dict[str, Any]:
    """Test a model and return the result of --json.

    The rows are the test rows of the data that it was trained on, unless `all_rows`, or all rows of another file.
    """
    trained = load_trained(model, device, toolchain)
    is_file = data.is_file(dataset)
    known = is_file and trained.file_digest is not None and file_digest(dataset) == trained.file_digest
    if known and not all_rows:
        options = {name: trained.settings[name] for name in ("target", "task", "seed")}
        same = data.load(dataset, **options, categorical=trained.settings.get("categorical", ()))
        x, y = same.x_test, same.y_test
    elif is_file:
        x, y = data.load_labelled(
            dataset, trained.preprocessing, trained.classes, n_features=trained.n_features, target=target
        )
    else:
        named = data.load(dataset, data_dir=data_dir, target=target, seed=trained.settings["seed"])
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
    majority = None if trained.classes is None else Majority.of(y, y, trained.classes)
    rows = f"{counted(len(x), 'row')} of {dataset}"
    if known:
        rows += ", of which it was trained on most" if all_rows else " that it was not trained on"
    log(f"{sentence('test', scores, majority)} on {rows}")
    if trained.classes is not None:
        from sklearn.metrics import classification_report

        predicted = trained.trainer.predict(x)
        labels = list(range(len(trained.classes)))
        log(classification_report(y, predicted, labels=labels, target_names=trained.classes, digits=4, zero_division=0))
    place = trained.trainer.device
    result = {
        "model": str(model),
        "dataset": dataset,
        "device": place.name,
        "toolchain": place.toolchain,
        "rows": len(x),
        **scores,
    }
    return result if majority is None else {**result, "majority_class_accuracy": majority.accuracy}
