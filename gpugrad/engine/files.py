"""Write files whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import tempfile
from pathlib import Path
from typing import Any

from ..errors import StorageError

PARTIAL = ".gpugrad-part"  # suffix of temporary files


def write_whole(path: str | Path, content: bytes | str) -> None:
    """Write a file so that a reader, or a crash at any moment, finds the old file or the new one, never a part.

    The content goes to a temporary file in the same folder, is synced to the disk, and takes the name in one step.

    Parameters
    ----------
    path : path
        The file.
    content : bytes or str
        Its content.

    Raises
    ------
    StorageError
        If the disk is full or the folder cannot be written to; the temporary file is then gone.
    """
    path = Path(path)
    data = content.encode() if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=PARTIAL, dir=path.parent)
    except OSError as error:
        raise storage_error(path, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp keeps files private
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise storage_error(path, error) from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def cache_folder() -> Path:
    """Return the folder of compiled kernels and tuned variants.

    Returns
    -------
    Path
        $GPUGRAD_CACHE, or gpugrad/ in the user's cache.
    """
    if os.environ.get("GPUGRAD_CACHE"):
        return Path(os.environ["GPUGRAD_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gpugrad"


def check_writable(folder: str | Path) -> None:
    """Create a folder if it is missing, and check that files can be written to it.

    Parameters
    ----------
    folder : path
        The folder.

    Raises
    ------
    StorageError
        If they cannot.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"probe")
    except OSError as error:
        raise storage_error(folder, error) from error


def remove_partial(folder: str | Path) -> None:
    """Remove the temporary files that a killed process left in a folder.

    Parameters
    ----------
    folder : path
        The folder.
    """
    for path in Path(folder).glob(f".*{PARTIAL}"):
        path.unlink(missing_ok=True)


def to_json(value: Any, *, indent: int | None = None) -> str:
    """Return JSON that every reader accepts: NaN and infinity become null.

    Parameters
    ----------
    value : object
        Dicts, lists and plain values.
    indent : int, optional
        As in `json.dumps`.

    Returns
    -------
    str
        The JSON.
    """
    return json.dumps(_finite(value), indent=indent, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def storage_error(path: Path, error: OSError) -> StorageError:
    """Translate an OSError of a file that was to be written.

    Parameters
    ----------
    path : Path
        The file.
    error : OSError
        The error.

    Returns
    -------
    StorageError
        With a remedy.
    """
    remedy = {
        errno.ENOSPC: "free some space or choose another folder",
        errno.EDQUOT: "free some space or choose another folder",
        errno.EACCES: "choose a folder that you may write to",
        errno.EPERM: "choose a folder that you may write to",
        errno.EROFS: "choose a folder that you may write to",
        errno.ENOTDIR: "choose a path whose parents are folders",
        errno.EEXIST: "choose a path whose parents are folders",
    }.get(error.errno or 0, "choose another folder")
    return StorageError(f"cannot write {path}: {os.strerror(error.errno or 0)}: {remedy}")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    if hasattr(os, "O_DIRECTORY"):  # Windows cannot open a folder, and needs no sync of it
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
