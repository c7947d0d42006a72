"""Data sets that have a name: digits from scikit-learn, MNIST and Fashion-MNIST from their IDX files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..engine.files import user_cache as cache_folder
from ..errors import DataError, counted
from .dataset import Dataset
from .digits import digits
from .download import fetch
from .idx import read_idx
from .split import split_rows

IDX_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
DIGITS = tuple("0123456789")
CLOTHES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)


@dataclass(frozen=True)
class ImageSet:
    """A data set of IDX files; all sets have the same file names, and the first labels distinguish them."""

    classes: tuple[str, ...]
    first_labels: tuple[int, ...]


IMAGE_SETS = {
    "mnist": ImageSet(DIGITS, (5, 0, 4, 1, 9, 2, 1, 3, 1, 4)),
    "fashion-mnist": ImageSet(CLOTHES, (9, 0, 0, 3, 0, 2, 7, 2, 5, 5)),
}


def load_digits(*, test_fraction: float, seed: int) -> Dataset:
    """Load 1,797 images of 8×8 pixels from 0 to 16, split by `seed`, stratified."""
    pixels = digits()
    x, y = np.ascontiguousarray(pixels[:, :-1]), pixels[:, -1].astype(np.int32)
    train, test = split_rows(len(x), y, DIGITS, test_fraction=test_fraction, seed=seed)
    return Dataset("digits", "classification", x[train], y[train], x[test], y[test], DIGITS, 1 / 16, None)


def load_images(name: str, *, data_dir: str | os.PathLike[str] | None, download: bool) -> Dataset:
    """Load the four IDX files of `name`, split as published; pixels are from 0 to 255.

    The files are searched in `data_dir`, else in GPUGRAD_DATA, in its folder `name` and then in itself, gzipped or not.
    A folder that the user names is only read: nothing is ever downloaded into it. Without one, the files are those of
    the cache, `cache_folder()/name`; missing ones are downloaded if `download` is true. Raise DataError for files that
    are absent, damaged, do not fit each other, or belong to another data set; DownloadError where they cannot be
    downloaded.
    """
    paths = _find(name, data_dir or os.environ.get("GPUGRAD_DATA") or None, download)
    parts = [read_idx(path) for path in paths]
    _check(name, paths, parts)
    x_train, y_train, x_test, y_test = (part.reshape(len(part), -1) for part in parts)
    y_train, y_test = y_train[:, 0].astype(np.int32), y_test[:, 0].astype(np.int32)
    classes = IMAGE_SETS[name].classes
    return Dataset(name, "classification", x_train, y_train, x_test, y_test, classes, 1 / 255, None)


def _find(name: str, named: str | os.PathLike[str] | None, download: bool) -> list[Path]:
    if named is not None:
        folders = [Path(named).expanduser() / name, Path(named).expanduser()]
    else:
        folders = [cache_folder() / name]
    for folder in folders:
        if paths := _idx_files(folder):
            return paths
    wanted = ", ".join(IDX_FILES)
    if named is not None:
        raise DataError(
            f"{named} does not hold {name}: expected the files {wanted}, with or without .gz, there or in its folder "
            f"{name}; put them there, or leave out --data-dir and GPUGRAD_DATA to download them"
        )
    if not download:
        raise DataError(
            f"{name} is not in the cache {folders[0]} and downloading is off: allow it, or name a folder with {wanted} "
            "by --data-dir or GPUGRAD_DATA"
        )
    fetch(name, folders[0])
    return [folders[0] / f"{file}.gz" for file in IDX_FILES]


def _idx_files(folder: Path) -> list[Path] | None:
    """Return the four files in this folder, or None if one is missing; of two forms, the unpacked one."""
    forms = [[folder / file, folder / f"{file}.gz"] for file in IDX_FILES]
    found = [next((path for path in paths if path.is_file()), None) for paths in forms]
    paths = [path for path in found if path is not None]
    return paths if len(paths) == len(IDX_FILES) else None


def _check(name: str, paths: list[Path], parts: list[np.ndarray]) -> None:
    """Raise DataError unless these are images of one size, each with a label, of this data set."""
    for path, part, rank in zip(paths, parts, (3, 1, 3, 1), strict=True):
        if part.ndim != rank or part.dtype != np.uint8 or not part.size:
            kind = "images, (rows, height, width)" if rank == 3 else "labels, (rows,)"
            raise DataError(
                f"{path} holds {part.dtype} of shape {part.shape}: expected uint8 {kind}; delete it and fetch it again"
            )
    for images, labels, path in ((parts[0], parts[1], paths[1]), (parts[2], parts[3], paths[3])):
        if len(images) != len(labels):
            raise DataError(
                f"{path} has {counted(len(labels), 'label')}: expected {len(images)}, one per image; "
                "delete both and fetch them again"
            )
        if labels.max() >= len(IMAGE_SETS[name].classes):
            raise DataError(
                f"{path} has the label {labels.max()}: expected classes from 0 to 9; delete it and fetch it again"
            )
    if parts[0].shape[1:] != parts[2].shape[1:]:
        raise DataError(
            f"{paths[2]} has images of {parts[2].shape[1:]} pixels: expected {parts[0].shape[1:]}, as for training; "
            "delete both and fetch them again"
        )
    first = tuple(parts[1][:10].tolist())
    for other, known in IMAGE_SETS.items():
        if other != name and first == known.first_labels:
            raise DataError(
                f"{paths[1].parent} holds {other}, not {name}: give each its own folder, {name} and {other}"
            )
