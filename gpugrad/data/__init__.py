"""Data sets by name or from files, and the features of files to predict on."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable
from typing import NoReturn

from ..engine.elsewhere import DATA, has_no
from ..errors import ArgumentError, choose, shown
from .builtin import IMAGE_SETS, cache_folder, load_digits, load_images
from .dataset import Dataset
from .download import fetch
from .files import SUFFIXES, load_features, load_file, load_labelled
from .idx import read_idx
from .larger import open_parquet
from .messages import check_column_name
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


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)


def __getattr__(name: str) -> NoReturn:
    raise AttributeError(has_no(__name__, name, DATA), name=name, obj=sys.modules[__name__])


def is_file(name: str) -> bool:
    """Return whether a data set is a file, by its suffix or since it exists, and not one that has a name."""
    return name.lower().endswith(SUFFIXES) or (name not in NAMES and os.path.isfile(name))


def load(
    name: str | os.PathLike[str],
    *,
    data_dir: str | os.PathLike[str] | None = None,
    target: str | None = None,
    task: str = "auto",
    categorical: Collection[str] = (),
    test_fraction: float = 0.2,
    seed: int = 0,
    download: bool = True,
) -> Dataset:
    """Load a data set by name, or from a file.

    Parameters
    ----------
    name : str or path
        One of these:

        - "digits": inside scikit-learn; split by ``test_fraction`` and ``seed``, stratified.
        - "mnist", "fashion-mnist": from ``data_dir`` or GPUGRAD_DATA (files gzipped or not, in that folder or in its
          folder of that name; nothing is downloaded there), else from the cache, downloaded on first use; split as
          published.
        - A path to .csv, .csv.gz, .tsv, .tsv.gz or .parquet: split as the digits; numbers are standardized, texts and
          booleans one-hot.
        - A path to .npz: arrays x_train, y_train, x_test, y_test, split as in the file; or x (or X) and y, split as the
          digits. uint8 features of a classification keep their values, with the scale 1/255; all others are
          standardized.
    data_dir : str or path, default None
        Folder with the IDX files of "mnist" or "fashion-mnist".
    target : str, default None
        Column to predict, which a table needs; in .npz the array to predict, if it is not y.
    task : {"auto", "classification", "regression"}, default "auto"
        "auto": texts, booleans and at most 20 different whole numbers are classes.
    categorical : collection of str, default ()
        Columns of a table that are categories although they hold numbers, or nearly all numbers.
    test_fraction : float, default 0.2
        Fraction of the rows to test on, between 0 and 1.
    seed : int, default 0
        Seed of the split, at least 0.
    download : bool, default True
        Download a data set that is not in the cache.

    Returns
    -------
    Dataset
        Training and test part.

    Raises
    ------
    ArgumentError
        If the name is unknown (with the nearest one), or an option does not apply.
    DataError
        If the data cannot be read or trained on.
    DownloadError
        If the data cannot be downloaded.
    """
    name = os.fspath(name)
    check_column_name("target", target)
    categorical = (
        (categorical,) if isinstance(categorical, str) or not isinstance(categorical, Iterable) else categorical
    )
    categorical = tuple(categorical)
    for column in categorical:
        check_column_name("categorical", column)
    if is_file(name):
        return load_file(
            name, target=target, task=task, categorical=categorical, test_fraction=test_fraction, seed=seed
        )
    choose("data set", name, (*NAMES, *(f"FILE{suffix}" for suffix in SUFFIXES)))
    given = {"target": target, "categorical": categorical, "task": "" if task in ("auto", "classification") else task}
    if wrong := next((option for option, value in given.items() if value), None):
        raise ArgumentError(
            f"{wrong}={shown(given[wrong])} does not apply to {name}, which has its own classes: leave it out"
        )
    if name == "digits":
        return load_digits(test_fraction=test_fraction, seed=seed)
    return load_images(name, data_dir=data_dir, download=download)
