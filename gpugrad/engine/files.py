"""Write files whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import ArgumentError, StorageError

PARTIAL = ".gpugrad-part"  # suffix of temporary files
LOCK = ".gpugrad-lock"  # name of the file that the process holds that writes to a folder


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


@contextlib.contextmanager
def only_writer(folder: str | Path) -> Iterator[None]:
    """Hold a folder within the block, so that no other process that asks writes to it.

    A process that dies holds it no longer. Systems and file systems without locks are not protected.

    Parameters
    ----------
    folder : path
        The folder; created if it does not exist.

    Yields
    ------
    None
        The block.

    Raises
    ------
    ArgumentError
        If another process holds it.
    StorageError
        If the folder cannot be written to.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    path = Path(folder) / LOCK
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("a+")
        except OSError as error:
            raise storage_error(path.parent, error) from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                holder = f"process {number}" if (number := file.read(20).strip()) else "another process"
                raise ArgumentError(
                    f"{holder} is writing to {folder}: wait until it ends, or choose another folder"
                ) from None
            except OSError:  # a file system without locks
                pass
            if not (path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat())):
                continue  # its last holder has removed this file
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
            return


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
