"""Write files whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import ArgumentError, StorageError
from .temporary import temporary_file

LOCK = ".gpugrad-lock"  # name of the file that the process holds that writes to a folder


def write_whole(path: str | Path, content: bytes | str) -> None:
    """Write a file so that a reader, or a crash at any moment, finds the old file or the new one, never a part.

    The content goes to a temporary file in the same folder, is synced to the disk, and takes the name in one step. A
    link is followed; a device, a pipe or a descriptor such as /dev/stdout is written to.

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
    data = content.encode() if isinstance(content, str) else content
    try:
        target = _behind_links(Path(path))
        if not isinstance(target, Path):
            with open(path if target is None else os.dup(target), "ab") as file:
                file.write(data)
        else:
            _replace(target, data)
    except OSError as error:
        raise storage_error(Path(path), error) from error


def _behind_links(path: Path) -> Path | int | None:
    """Return the file that a path names; the number of an open one, as of /dev/stdout; None for a device or a pipe."""
    with contextlib.suppress(FileNotFoundError):
        mode = path.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            return None
    while path.is_symlink():
        if path.parent.resolve().is_relative_to("/proc"):
            return int(path.name) if path.parent.resolve() == Path("/proc/self/fd").resolve() else None
        path = path.parent / path.readlink()
    return path


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with temporary_file(path.parent, path.name) as (file, temporary):
        file.write(data)
        file.flush()
        if path.exists():
            temporary.chmod(stat.S_IMODE(path.stat().st_mode))
        os.fsync(file.fileno())
        temporary.replace(path)
    _sync_folder(path.parent)


def cache_folder() -> Path:
    """Return the folder of compiled kernels and tuned variants.

    Returns
    -------
    Path
        $GPUGRAD_CACHE, or gpugrad/ in the user's cache.
    """
    named = os.environ.get("GPUGRAD_CACHE")
    return Path(named) if named else user_cache()


def user_cache() -> Path:
    """Return the project's folder in the user's cache.

    Returns
    -------
    Path
        The folder gpugrad in $XDG_CACHE_HOME or ~/.cache; for a user without a home, a folder for temporary files.
    """
    named, home = os.environ.get("XDG_CACHE_HOME", ""), os.path.expanduser("~")
    if os.path.isabs(named):
        return Path(named, "gpugrad")
    return Path(home, ".cache", "gpugrad") if os.path.isabs(home) else Path(tempfile.gettempdir(), "gpugrad-cache")


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
    try:
        _try_folder(Path(folder))
    except OSError as error:
        raise storage_error(Path(folder), error, folder=True) from error


def check_writable_file(path: str | Path) -> None:
    """Create the folder of a file if it is missing, and check that the file can be written, before the work for it.

    Parameters
    ----------
    path : path
        The file.

    Raises
    ------
    StorageError
        If it cannot, or is a folder.
    """
    path = Path(path)
    try:
        target = _behind_links(path)
        if not isinstance(target, Path):  # a device or a pipe
            return
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        _try_folder(target.parent)
    except OSError as error:
        raise storage_error(path, error) from error


def _try_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as probe:
        probe.write(b"probe")


@contextlib.contextmanager
def only_writer(folder: str | Path) -> Iterator[None]:
    """Hold a folder within the block, so that no other process that asks writes to it.

    A process that dies holds it no longer. Systems and file systems without locks are not protected.

    Parameters
    ----------
    folder : path
        The folder; created if it does not exist, and removed at the end if it is still empty.

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
    new = not path.parent.exists()
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("a+b", buffering=0)  # unbuffered, so that a full disk fails the write below and no other
        except OSError as error:
            raise storage_error(path.parent, error, folder=True) from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                holder = f"process {number}" if (number := file.read(20).decode().strip()) else "another process"
                raise ArgumentError(
                    f"{holder} is writing to {folder}: wait until it ends, or choose another folder"
                ) from None
            except OSError:  # a file system without locks
                pass
            if not (path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat())):
                continue  # its last holder has removed this file
            try:
                try:
                    file.truncate(0)
                    file.write(str(os.getpid()).encode())
                except OSError as error:
                    raise storage_error(path.parent, error, folder=True) from error
                yield
            finally:
                path.unlink(missing_ok=True)
                if new:  # unless it has content now
                    with contextlib.suppress(OSError):
                        path.parent.rmdir()
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


# What helps after an error: for a file, and for a folder.
_NO_SPACE = "free some space or choose a path on another disk", "free some space or choose another folder"
_NOT_ALLOWED = "choose a path in a folder that you may write to", "choose a folder that you may write to"
_REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), _NO_SPACE),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), _NOT_ALLOWED),
    errno.EISDIR: ("name a file in it", "choose another folder"),
}


def storage_error(path: Path, error: OSError, *, folder: bool = False) -> StorageError:
    """Translate an OSError of a file that was to be written, or of a folder.

    Parameters
    ----------
    path : Path
        The file or folder.
    error : OSError
        The error.
    folder : bool, default False
        Whether it is a folder.

    Returns
    -------
    StorageError
        With a remedy.
    """
    for part in (path, *path.parents)[not folder :]:
        if os.path.exists(part) and not os.path.isdir(part):
            return StorageError(f"cannot write {path}: {part} is a file, expected a folder: choose another path")
    remedy = _REMEDIES.get(error.errno or 0, ("choose another path", "choose another folder"))[folder]
    return StorageError(f"cannot write {path}: {os.strerror(error.errno or 0)}: {remedy}")


def _sync_folder(folder: Path) -> None:
    if hasattr(os, "O_DIRECTORY"):  # Windows cannot open a folder, and needs no sync of it
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
