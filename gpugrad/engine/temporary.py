"""Temporary files and folders, which the next run removes if a process was killed before it did.

The process that makes one holds a lock on it, which ends with the process. So another process, also in another
container, can tell a file that is being written from one that is left over. Where the system or the file system has no
locks, left-over files stay.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

PARTIAL = ".gpugrad-part"  # suffix of temporary files and folders
MOST_BYTES = 100  # of the name that is part of a temporary name, whose limit is 255 in all

Handle = TypeVar("Handle", int, int | None)

_cleaned: set[Path] = set()  # folders from which this process has removed what was left over


@contextlib.contextmanager
def temporary_file(folder: Path, name: str) -> Iterator[tuple[BinaryIO, Path]]:
    """Make a file within the block, with the permissions of any new file.

    Parameters
    ----------
    folder : Path
        An existing folder; what killed processes left there is removed once per process.
    name : str
        The name that the file is to take; part of its temporary name.

    Yields
    ------
    file : binary file
        The file, open for writing.
    path : Path
        Its path. A file that still has it at the end of the block is removed.

    Raises
    ------
    OSError
        If the file cannot be made.
    """
    handle, path = _make(folder, name, lambda path: os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666))
    try:
        with open(handle, "wb") as file:
            yield file, path
    finally:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def temporary_folder(folder: Path, name: str) -> Iterator[Path]:
    """Make a folder within the block that only this user can read.

    Parameters
    ----------
    folder : Path
        An existing folder; what killed processes left there is removed once per process.
    name : str
        Part of the temporary name.

    Yields
    ------
    Path
        The folder. Whatever it holds at the end of the block is removed.

    Raises
    ------
    OSError
        If the folder cannot be made.
    """
    handle, path = _make(folder, name, _make_folder)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        if handle is not None:
            os.close(handle)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files and folders of killed processes.

    Parameters
    ----------
    folder : Path
        The folder that holds them.
    """
    if fcntl is None:
        return
    for path in folder.glob(f".*{PARTIAL}"):
        with contextlib.suppress(OSError):  # held by a living process, or no longer there
            handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()
            finally:
                os.close(handle)


def _make_folder(path: Path) -> int | None:
    path.mkdir(mode=0o700)
    return None if fcntl is None else os.open(path, os.O_RDONLY)


def _make(folder: Path, name: str, make: Callable[[Path], Handle]) -> tuple[Handle, Path]:
    """Make something with a new temporary name and hold its lock; return its handle and path."""
    if folder not in _cleaned:
        _cleaned.add(folder)
        remove_leftovers(folder)
    start = os.fsencode(name)[:MOST_BYTES].decode(errors="ignore")
    while True:
        path = folder / f".{start}.{secrets.token_hex(6)}{PARTIAL}"
        handle = make(path)
        if handle is None or fcntl is None:
            return handle, path
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass  # another process took it for left over
        except OSError:
            return handle, path  # no locks here
        else:
            if path.exists():
                return handle, path
        os.close(handle)
