"""Data sets by name or from files, and the features of files to predict on."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import ArgumentError, choose
from .builtin import IMAGE_SETS, cache_folder, load_digits, load_images
from .dataset import Dataset
from .download import fetch
from .files import SUFFIXES, load_features, load_file, load_labelled
from .idx import read_idx
from .larger import open_parquet
from .parquet import parquet_batches
from .preprocessing import Preprocessing
from .split import hold_out_rows
from .table import read_table

__all__ = [
    "SUFFIXES",
    "Dataset",
    "Preprocessing",
    "cache_folder",
    "fetch",
    "hold_out_rows",
    "load",
    "load_features",
    "load_labelled",
    "open_parquet",
    "parquet_batches",
    "read_idx",
    "read_table",
]

NAMES = ("digits", *IMAGE_SETS)


def load(
    name: str | os.PathLike[str],
    *,
    data_dir: str | os.PathLike[str] | None = None,
    target: str | None = None,
    task: str = "auto",
    test_fraction: float = 0.2,
    seed: int = 0,
    download: bool = True,
) -> Dataset:
    """Load a data set by name, or from a file.

    "digits"                   embedded; split by `test_fraction` and `seed`, stratified
    "mnist", "fashion-mnist"   from `data_dir` or GPUGRAD_DATA (files gzipped or not, in that folder or in its folder of
                               that name; nothing is downloaded there), else from the cache, fetched on first use
                               unless `download` is false; split as published
    a path to .csv, .parquet   `target` names the column to predict; split as digits; numbers are standardised, texts
    and
                               booleans one-hot
    a path to .npz             arrays x_train, y_train, x_test, y_test, used as split there; or x (or X) and y, split as
                               digits; `target` names another array than y; uint8 features of a classification are kept,
                               with the scale 1/255, all others are standardised

    `task` is "classification", "regression" or "auto": texts, booleans and at most 20 different whole numbers are
    classes.
    Raises ArgumentError for an unknown name (with the nearest one) or an option that does not apply, DataError for data
    that cannot be read or trained on, DownloadError for data that cannot be fetched.
    """
    name = os.fspath(name)
    if Path(name).suffix.lower() in SUFFIXES:
        return load_file(name, target=target, task=task, test_fraction=test_fraction, seed=seed)
    choose("data set", name, (*NAMES, *(f"FILE{suffix}" for suffix in SUFFIXES)))
    if target is not None or task not in ("auto", "classification"):
        given = f"target={target!r}" if target is not None else f"task={task!r}"
        raise ArgumentError(f"{given} does not apply to {name}, which has its own classes: leave it out")
    if name == "digits":
        return load_digits(test_fraction=test_fraction, seed=seed)
    return load_images(name, data_dir=data_dir, download=download)
