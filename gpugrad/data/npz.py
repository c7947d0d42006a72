"""Arrays from .npz files: which are features, which the target."""

from __future__ import annotations

import contextlib
import math
import os
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import DataError, counted, reason, shown
from .messages import listed, row_name, unknown_column
from .packed import MOST

# Names of features with their targets, in the order of search.
PAIRS = (("x_train", "y_train"), ("x", "y"), ("X", "y"))
FEATURES = ("x", "X", "x_test")


class Header(NamedTuple):
    """The shape and the dtype that an array in a file claims to have."""

    shape: tuple[int, ...]
    dtype: np.dtype


class Arrays(Mapping[str, Header]):
    """The arrays of an .npz file: each is checked by its header first, and only then read.

    Parameters
    ----------
    path : str or path
        The file.

    Raises
    ------
    DataError
        If it is absent, empty, damaged or holds no arrays.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path = Path(path)
        if not os.path.isfile(path):
            raise DataError(f"there is no file {path}: pass the path of an existing .npz file")
        if not path.stat().st_size:
            raise DataError(f"{path} is empty: expected an .npz file with the arrays x and y")
        if not zipfile.is_zipfile(path):
            raise DataError(f"{path} is not an .npz file, or is truncated: write it with numpy.savez")
        with self._opened() as file:
            members = [member for member in file.infolist() if member.filename.endswith(".npy")]
            self._headers = {member.filename.removesuffix(".npy"): _header(file, member) for member in members}
        if not self._headers:
            raise DataError(f"{path} holds no array: expected x and y, or x_train, y_train, x_test and y_test")

    def __getitem__(self, name: str) -> Header:
        return self._headers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._headers)

    def __len__(self) -> int:
        return len(self._headers)

    def read(self, name: str) -> np.ndarray:
        """Return an array."""
        with self._opened() as file, file.open(f"{name}.npy") as member:
            return np.lib.format.read_array(member, allow_pickle=False)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[zipfile.ZipFile]:
        try:
            with zipfile.ZipFile(self.path) as file:
                yield file
        except MemoryError:
            raise DataError(f"{self.path} does not fit into memory: use a part of it") from None
        except Exception as error:  # bytes of any kind can raise anything
            raise DataError(
                f"{self.path} is damaged or holds Python objects ({reason(error)}): write plain arrays with numpy.savez"
            ) from error


def _header(file: zipfile.ZipFile, member: zipfile.ZipInfo) -> Header:
    """Return the header of an array; raise ValueError unless the member has the size that it promises."""
    with file.open(member) as content:
        version = np.lib.format.read_magic(content)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(content)
        size = content.tell() + math.prod(shape) * dtype.itemsize
    if dtype.hasobject:
        raise ValueError(f"{member.filename} holds objects")
    if min(shape, default=0) < 0 or size != member.file_size or size > MOST * max(member.compress_size, 1):
        raise ValueError(f"{member.filename} has another size than its header promises")
    return Header(shape, dtype)


def pick_arrays(arrays: Arrays, target: str | None) -> tuple[str, str]:
    """Return the names of the array of features and of the array of targets.

    They are x_train and y_train, x and y, or X and y. `target` names another array of targets; the features are then
    the array of one of these names, or the only other one. Raise DataError if no two arrays match.
    """
    if target is None:
        for pair in PAIRS:
            if pair[0] in arrays and pair[1] in arrays:
                return pair
        raise DataError(
            f"{arrays.path} holds the arrays {listed(arrays)}: expected x and y, or x_train, y_train, x_test and "
            "y_test; rename them or name the target with --target"
        )
    if target not in arrays:
        raise unknown_column("array", target, arrays, str(arrays.path))
    return pick_features(arrays, train=True, target=target), target


def pick_features(arrays: Arrays, *, train: bool = False, target: str | None = None) -> str:
    """Return the name of the features: x, X, x_test (x_train to train on), or else the only array but the target."""
    names = [name for name in arrays if name != target]
    for name in ("x_train", *FEATURES[:2]) if train else FEATURES:
        if name in names:
            return name
    if len(names) != 1:
        raise DataError(f"{arrays.path} holds the arrays {listed(names)}: expected features named x; rename that array")
    return names[0]


def read_pair(arrays: Arrays, x_name: str, y_name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return features and targets as `read_features` and `read_target` do; nothing is read unless they fit."""
    x, y = _check_features(arrays, x_name), arrays[y_name]
    if len(y.shape) not in (1, 2) or y.shape[1:] not in ((), (1,)):
        raise DataError(
            f"the array {shown(y_name)} of {arrays.path} has the shape {y.shape}: expected one target per row, "
            "(rows,); one-hot rows become labels by argmax(axis=1)"
        )
    if y.shape[0] != x.shape[0]:
        raise DataError(
            f"the array {shown(y_name)} of {arrays.path} has {counted(y.shape[0], 'row')}: expected {x.shape[0]}, as "
            "the features have"
        )
    if y.dtype.kind not in "biufSU":
        raise DataError(
            f"the array {shown(y_name)} of {arrays.path} has the dtype {reason(y.dtype)}: expected numbers or texts; "
            "convert it"
        )
    return read_features(arrays, x_name), arrays.read(y_name).reshape(-1)


def _check_features(arrays: Arrays, name: str) -> Header:
    header = arrays[name]
    if header.dtype.kind not in "iuf":
        raise DataError(
            f"the array {shown(name)} of {arrays.path} has the dtype {reason(header.dtype)}: expected numbers; convert "
            "it"
        )
    if not header.shape or 0 in header.shape:
        raise DataError(
            f"the array {shown(name)} of {arrays.path} has the shape {header.shape}: expected (rows, features), none "
            "of them 0"
        )
    return header


def read_features(arrays: Arrays, name: str) -> np.ndarray:
    """Return features as (rows, features), images flattened; raise DataError for texts, no rows, NaN or infinity."""
    _check_features(arrays, name)
    array = arrays.read(name)
    x = np.ascontiguousarray(array.reshape(len(array), -1))
    finite = np.isfinite(x)
    if not finite.all():
        row, feature = np.unravel_index(np.argmin(finite), x.shape)
        raise DataError(
            f"the array {shown(name)} of {arrays.path} has {x[row, feature]} in {row_name(int(row))}, feature "
            f"x{feature}: expected finite numbers; correct or drop that row"
        )
    return x
