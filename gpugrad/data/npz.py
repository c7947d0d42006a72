"""Arrays from .npz files: which are features, which the target."""

from __future__ import annotations

import os
import zipfile
import zlib
from pathlib import Path

import numpy as np

from ..errors import DataError
from .table import listed, row_name, unknown_column

# Names of features with their targets, in the order of search.
PAIRS = (("x_train", "y_train"), ("x", "y"), ("X", "y"))
FEATURES = ("x", "X", "x_test")

Arrays = dict[str, np.ndarray]


def read_npz(path: str | os.PathLike[str]) -> Arrays:
    """Read every array of the file by name; raise DataError if it is absent, empty, damaged or holds pickles."""
    path = Path(path)
    if not path.is_file():
        raise DataError(f"there is no file {path}: pass the path of an existing .npz file")
    if not path.stat().st_size:
        raise DataError(f"{path} is empty: expected an .npz file with the arrays x and y")
    if not zipfile.is_zipfile(path):
        raise DataError(f"{path} is not an .npz file, or is truncated: write it with numpy.savez")
    try:
        with np.load(path, allow_pickle=False) as file:
            members = {name: file[name] for name in file.files}
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError) as error:
        raise DataError(
            f"{path} is damaged or holds Python objects ({error}): write plain arrays with numpy.savez"
        ) from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}; expected a readable .npz file") from error
    arrays = {name: member for name, member in members.items() if isinstance(member, np.ndarray)}
    if not arrays:
        raise DataError(f"{path} holds no array: expected x and y, or x_train, y_train, x_test and y_test")
    return arrays


def pick_arrays(path: str | os.PathLike[str], arrays: Arrays, target: str | None) -> tuple[str, str]:
    """Return the names of the array of features and of the array of targets.

    They are x_train and y_train, x and y, or X and y. `target` names another array of targets; the features are then
    the array of one of these names, or the only other one. Raise DataError if no two arrays match.
    """
    if target is None:
        for pair in PAIRS:
            if pair[0] in arrays and pair[1] in arrays:
                return pair
        raise DataError(
            f"{path} holds the arrays {listed(arrays)}: expected x and y, or x_train, y_train, x_test and y_test; "
            "rename them or name the target with --target"
        )
    if target not in arrays:
        raise unknown_column("array", target, arrays, str(path))
    return pick_features(path, {name: array for name, array in arrays.items() if name != target}, train=True), target


def pick_features(path: str | os.PathLike[str], arrays: Arrays, *, train: bool = False) -> str:
    """Return the name of the features: x, X, x_test (x_train to train on), or else the only array."""
    names = ("x_train", *FEATURES[:2]) if train else FEATURES
    found = next((name for name in names if name in arrays), None)
    if found is None and len(arrays) == 1:
        found = next(iter(arrays))
    if found is None:
        raise DataError(f"{path} holds the arrays {listed(arrays)}: expected features named x; rename that array")
    return found


def flat_features(path: str | os.PathLike[str], name: str, array: np.ndarray) -> np.ndarray:
    """Return features as (rows, features), images flattened; raise DataError for texts, no rows, NaN or infinity."""
    if array.dtype.kind not in "iuf":
        raise DataError(f"the array {name!r} of {path} has the dtype {array.dtype}: expected numbers; convert it")
    if array.ndim == 0 or array.size == 0:
        raise DataError(
            f"the array {name!r} of {path} has the shape {array.shape}: expected (rows, features), none of them 0"
        )
    x = np.ascontiguousarray(array.reshape(len(array), -1))
    finite = np.isfinite(x)
    if not finite.all():
        row, feature = np.unravel_index(np.argmin(finite), x.shape)
        raise DataError(
            f"the array {name!r} of {path} has {x[row, feature]} in {row_name(int(row))}, feature x{feature}: expected "
            "finite numbers; correct or drop that row"
        )
    return x


def flat_target(path: str | os.PathLike[str], name: str, array: np.ndarray, n_rows: int) -> np.ndarray:
    """Return targets as (n_rows,); raise DataError for another number of rows, several targets or complex numbers."""
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise DataError(
            f"the array {name!r} of {path} has the shape {array.shape}: expected one target per row, (rows,); one-hot "
            "rows become labels by argmax(axis=1)"
        )
    if len(array) != n_rows:
        raise DataError(f"the array {name!r} of {path} has {len(array)} rows: expected {n_rows}, as the features have")
    if array.dtype.kind not in "biufSU":
        raise DataError(
            f"the array {name!r} of {path} has the dtype {array.dtype}: expected numbers or texts; convert it"
        )
    return array
