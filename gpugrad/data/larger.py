"""Tables larger than memory: prepared once, from Parquet files to memory maps that training streams from."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..engine.files import check_writable, storage_error, write_whole
from ..engine.temporary import temporary_folder
from ..errors import ArgumentError, DataError, StorageError, choose, reason, shown
from .cells import Cells, number_cells, plain_numbers
from .dataset import Dataset
from .messages import check_column_name, check_finite, unknown_column
from .parquet import ParquetFiles, Paths, check_rows
from .preprocessing import MAX_CATEGORIES, Column, Preprocessing, mean_and_scale
from .split import check_split, keep_seen, split_rows
from .target import CLASSES_OF_TEXT, MAX_AUTO_CLASSES, MAX_EXACT, TASKS, Target, encode_quantity, encode_target

COLUMN_BYTES = 32 * 1024**2  # size of the columns whose statistics are computed together; at least one column
DESCRIPTION = "data.json"  # written last, so a folder that has it is complete
ARRAYS = ("x_train", "y_train", "x_test", "y_test")


def open_parquet(
    paths: Paths,
    *,
    target: str,
    task: str = "auto",
    test_fraction: float = 0.2,
    seed: int = 0,
    folder: str | os.PathLike[str] | None = None,
    batch_rows: int | None = None,
) -> Dataset:
    """Open Parquet files that need not fit into memory as a data set of memory maps.

    The preprocessing and the rows in each part are those of `data.load`, bit for bit; only their order is that of the
    files.

    Parameters
    ----------
    paths : path or list of paths
        A file, a folder of .parquet files, or several of these, all with the same columns.
    target : str
        Column to predict.
    task : {"auto", "classification", "regression"}, default "auto"
        As for `data.load`.
    test_fraction : float, default 0.2
        As for `data.load`.
    seed : int, default 0
        As for `data.load`.
    folder : str or path, default None
        Folder of the prepared .npy files, 4 bytes per feature and row, written whole or not at all. If it holds the
        same files, prepared in the same way, they are used unchanged. None: a temporary folder that lives as long as
        the data set.
    batch_rows : int, default None
        Rows in memory at a time; None for about 16 MiB. In addition about 60 bytes per row of all files are needed.

    Returns
    -------
    Dataset
        Training and test part, as memory maps.

    Raises
    ------
    ArgumentError
        If an option does not apply, or the folder has other content.
    DataError
        As for `data.load`.
    StorageError
        If the disk has no room.
    """
    check_column_name("target", target)
    choose("task", task, TASKS)
    check_split(test_fraction, seed)
    files = ParquetFiles(paths)
    batch_rows = check_rows("batch_rows", batch_rows, files)
    if target not in files.names:
        raise unknown_column("column", target, files.names, str(files.paths[0]))
    if len(files.names) == 1:
        raise DataError(
            f"{files.paths[0]} has no column but the target {target!r}: expected at least one to predict it from"
        )
    made_from = {
        "files": [[str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns] for path in files.paths],
        "options": {"target": target, "task": task, "test_fraction": float(test_fraction), "seed": int(seed)},
    }
    if folder is not None:
        folder = Path(folder)
        if (folder / DESCRIPTION).is_file():
            return _reopen(folder, made_from)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ArgumentError(f"{folder} is not empty and no prepared data set: choose a new folder")
    parent = Path(tempfile.gettempdir()) if folder is None else folder.parent
    check_writable(parent)
    around = contextlib.ExitStack()
    try:
        made = around.enter_context(temporary_folder(parent, "data")) / "data"
        made.mkdir()
        _prepare(files, made, made_from, batch_rows)
        if folder is not None:
            made = _rename(made, folder)
        dataset = _reopen(made, made_from)
    except BaseException as error:
        around.close()
        if isinstance(error, OSError) and not isinstance(error, StorageError):
            raise storage_error(folder or parent, error, folder=True) from error
        raise
    if folder is None:
        weakref.finalize(dataset, around.close)
    else:
        around.close()
    return dataset


# ---- preparing a folder ----


def _rename(made: Path, folder: Path) -> Path:
    """Give a prepared folder its name, unless another process has prepared one meanwhile; return the name."""
    try:
        if folder.exists():
            folder.rmdir()
        made.rename(folder)
    except OSError:
        if not (folder / DESCRIPTION).is_file():
            raise
    return folder


def _prepare(files: ParquetFiles, folder: Path, made_from: dict[str, Any], batch_rows: int) -> None:
    """Write the arrays and their description: statistics a few columns at a time, then rows a batch at a time."""
    options = made_from["options"]
    name = options["target"]
    target = _target(files, name, options["task"], batch_rows)
    split = {key: options[key] for key in ("test_fraction", "seed")}
    codes = None if target.classes is None else target.y
    train, test = split_rows(files.rows, codes, target.classes, **split)
    texts = [column for column in files.names if files.kinds[column] == "texts" and column != name]
    of_texts = _Codes(files, texts, batch_rows, {} if codes is None else {name: codes})
    train, test, _ = keep_seen(train, test, of_texts)
    numbers = [column for column in files.names if column not in (name, *texts)]
    columns = of_texts.found | _numbers(files, numbers, train, batch_rows)
    mean, scale = (0.0, 1.0) if codes is not None else mean_and_scale(name, target.y[train])
    ordered = tuple(columns[column] for column in files.names if column != name)
    preprocessing = Preprocessing(ordered, name, mean, scale)
    in_train = np.zeros(files.rows, bool)
    in_train[train] = True
    del train, test
    _check_room(folder, 4 * files.rows * (preprocessing.n_features + 1))
    y = target.y if codes is not None else preprocessing.transform_target(target.y)
    for part, chosen in (("train", in_train), ("test", ~in_train)):
        np.save(folder / f"y_{part}.npy", y[chosen])
    _write_features(files, folder, in_train, preprocessing, batch_rows)
    description = {
        "made_from": made_from,
        "task": target.task,
        "classes": target.classes,
        "preprocessing": preprocessing.to_json(),
    }
    write_whole(folder / DESCRIPTION, json.dumps(description))


def _target(files: ParquetFiles, name: str, task: str, batch_rows: int) -> Target:
    """Encode the whole column like `encode_target`, keeping only numbers, or codes and one copy of each text."""
    numbers = np.empty(files.rows)
    for place, columns in files.columns([name], batch_rows, text=(name,)):
        parsed = plain_numbers(columns[name].tolist())
        if parsed is None:
            if task == "regression":
                with place.named():
                    encode_quantity(name, columns[name])
            break
        numbers[place.first : place.first + len(parsed)] = parsed
    else:
        check_finite(name, numbers)
        distinct, which = np.unique(numbers, return_inverse=True)
        # Few whole numbers that float64 cannot distinguish are labels as written.
        labels_of_numbers = task == "classification" or (task == "auto" and len(distinct) <= MAX_AUTO_CLASSES)
        if not labels_of_numbers or np.abs(distinct).max() < MAX_EXACT:
            found = encode_target(name, distinct, task)
            return Target(found.task, numbers if found.classes is None else found.y[which], found.classes)
    codes, texts = _codes(files, name, batch_rows, limit=None)
    Cells(name, texts, codes).numbers_of(None if task == "classification" else CLASSES_OF_TEXT)
    found = encode_target(name, np.array(texts, object), task)
    return Target(found.task, found.y[codes], found.classes)


class _Codes(Mapping[str, np.ndarray]):
    """Columns of texts as numbers that distinguish the texts of a column (rows,); each is read on access.

    `known` are columns that exist already; `found` has the categories of each other column that was read.
    """

    def __init__(self, files: ParquetFiles, names: list[str], batch_rows: int, known: dict[str, np.ndarray]) -> None:
        self._files, self._names, self._batch_rows, self._known = files, names, batch_rows, known
        self.found: dict[str, Column] = {}

    def __getitem__(self, name: str) -> np.ndarray:
        if name in self._known:
            return self._known[name]
        codes, texts = _codes(self._files, name, self._batch_rows, limit=MAX_CATEGORIES)
        self.found[name] = Column(name, categories=tuple(sorted(texts)))
        return codes

    def __iter__(self) -> Iterator[str]:
        return iter((*self._names, *self._known))

    def __len__(self) -> int:
        return len(self._names) + len(self._known)


def _codes(files: ParquetFiles, name: str, batch_rows: int, limit: int | None) -> tuple[np.ndarray, list[str]]:
    """Return the number of each row's text (rows,) int32, and the texts in the order of these numbers."""
    number: dict[str, int] = {}
    codes = np.empty(files.rows, np.int32)
    for place, columns in files.columns([name], batch_rows, text=(name,)):
        cells = columns[name].tolist()
        found = number_cells(cells, number)
        if limit is not None and len(number) > limit:
            raise DataError(
                f"column {shown(name)} has more than {limit} different texts, such as {shown(cells[-1])}: expected "
                f"numbers or at most {limit} categories; drop it or write it as numbers"
            )
        codes[place.first : place.first + len(cells)] = found
    if limit is not None:
        Cells(name, number, codes).refuse_numbers()
    return codes, list(number)


def _numbers(files: ParquetFiles, names: list[str], train: np.ndarray, batch_rows: int) -> dict[str, Column]:
    """Return the columns of numbers with the statistics of the rows `train`, summed in the order of `data.load`."""
    at_once = max(1, COLUMN_BYTES // (8 * files.rows))
    found: dict[str, Column] = {}
    for start in range(0, len(names), at_once):
        some = names[start : start + at_once]
        whole = {name: np.empty(files.rows) for name in some}
        for place, columns in files.columns(some, batch_rows):
            for name, values in columns.items():
                whole[name][place.first : place.first + len(values)] = values
        for name in some:
            found[name] = Column(name, *mean_and_scale(name, whole.pop(name)[train]))
    return found


def _write_features(
    files: ParquetFiles, folder: Path, in_train: np.ndarray, preprocessing: Preprocessing, batch_rows: int
) -> None:
    """Write x_train.npy and x_test.npy in order: a full disk is then an error, which it is not in a memory map."""
    rows = {"train": int(in_train.sum()), "test": int((~in_train).sum())}
    names = [column.name for column in preprocessing.columns]
    with open(folder / "x_train.npy", "wb") as train, open(folder / "x_test.npy", "wb") as test:
        for file, part in ((train, "train"), (test, "test")):
            shape = rows[part], preprocessing.n_features
            header = {"descr": "<f4", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
        for place, columns in files.columns(names, batch_rows, text=preprocessing.categorical):
            with place.named():
                x = preprocessing.transform(columns).astype("<f4", copy=False)
            chosen = in_train[place.first : place.first + len(x)]
            train.write(x[chosen].data)
            test.write(x[~chosen].data)
        for file in (train, test):
            file.flush()
            os.fsync(file.fileno())


def _check_room(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if size > free:
        raise StorageError(
            f"the prepared data take {size / 1e9:.1f} GB, and {folder.parent} has {free / 1e9:.1f} GB free: free some "
            "space or choose another folder"
        )


def _reopen(folder: Path, made_from: dict[str, Any]) -> Dataset:
    """Open the data set in a folder; raise ArgumentError unless it was made from the same files in the same way."""
    try:
        description = json.loads((folder / DESCRIPTION).read_text())
        same = description["made_from"] == json.loads(json.dumps(made_from))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder / DESCRIPTION} is damaged ({error}): remove the folder") from error
    if not same:
        raise ArgumentError(
            f"{folder} holds data of other or changed files, or data prepared with other options: "
            "choose another folder, or remove it"
        )
    name = Path(made_from["files"][0][0]).name
    try:
        preprocessing = Preprocessing.from_json(description["preprocessing"])
        x_train, y_train, x_test, y_test = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in ARRAYS)
        for x, y in ((x_train, y_train), (x_test, y_test)):
            if x.shape != (len(y), preprocessing.n_features) or x.dtype != np.float32:
                raise ValueError(f"features {x.dtype} {x.shape} for {len(y)} rows")
        task, classes = description["task"], description["classes"]
        classes = None if classes is None else tuple(classes)
    except Exception as error:  # damaged files can raise anything
        raise DataError(f"{folder} is damaged ({reason(error)}): remove it") from error
    return Dataset(name, task, x_train, y_train, x_test, y_test, classes, 1.0, preprocessing)
