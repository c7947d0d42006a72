"""Published data sets from their mirrors: verified before anything is unpacked, written whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import sys
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..engine.temporary import temporary_file
from ..errors import DownloadError, choose, reason

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

TIMEOUT = 30.0  # seconds in which a mirror has to send so many bytes per second
LEAST_SPEED = 1000
BLOCK = 1 << 16
QUEUED = 16  # blocks received ahead of the disk


@dataclass(frozen=True)
class RemoteFile:
    """A published file: its name, its size in bytes and the SHA-256 of the transferred bytes."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Source:
    """The mirrors of a data set, tried in order, and its files; the address of a mirror ends in a slash."""

    mirrors: tuple[str, ...]
    files: tuple[RemoteFile, ...]


SOURCES = {
    "mnist": Source(
        mirrors=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        files=(
            RemoteFile(
                "train-images-idx3-ubyte.gz",
                9_912_422,
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            ),
            RemoteFile(
                "train-labels-idx1-ubyte.gz",
                28_881,
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            ),
            RemoteFile(
                "t10k-images-idx3-ubyte.gz",
                1_648_877,
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            ),
            RemoteFile(
                "t10k-labels-idx1-ubyte.gz",
                4_542,
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            ),
        ),
    ),
    "fashion-mnist": Source(
        mirrors=(
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        ),
        files=(
            RemoteFile(
                "train-images-idx3-ubyte.gz",
                26_421_880,
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            ),
            RemoteFile(
                "train-labels-idx1-ubyte.gz",
                29_515,
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            ),
            RemoteFile(
                "t10k-images-idx3-ubyte.gz",
                4_422_102,
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            ),
            RemoteFile(
                "t10k-labels-idx1-ubyte.gz",
                5_148,
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            ),
        ),
    ),
}


class _MirrorError(Exception):
    """A mirror could not serve a file, or served other bytes than the published ones."""


def fetch(dataset: str, folder: str | os.PathLike[str]) -> None:
    """Download every file of a data set into a folder, still gzipped.

    Files with the right bytes are kept. Each file is checked for its size and SHA-256 and synced to disk before it gets
    its name, so that a folder never holds a half-written or wrong file. A progress bar is shown where standard error is
    a terminal.

    Parameters
    ----------
    dataset : {"mnist", "fashion-mnist"}
        Data set to download.
    folder : str or path
        Folder of the files, created if need be.

    Raises
    ------
    ArgumentError
        If the data set is unknown.
    DownloadError
        If no mirror sends the published bytes, or the folder cannot be written.
    """
    from rich.console import Console
    from rich.progress import Progress

    source = SOURCES[choose("downloadable data set", dataset, SOURCES)]
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with Progress(console=Console(stderr=True), disable=sys.stderr is None or not sys.stderr.isatty()) as progress:
            for file in source.files:
                if not _is_published(folder / file.name, file):
                    _fetch_file(dataset, source, file, folder, progress)
    except DownloadError:
        raise
    except OSError as error:
        raise DownloadError(
            f"cannot write {dataset} to {folder}: {error.strerror or error}; free that folder or its disk, or move the "
            "cache with XDG_CACHE_HOME"
        ) from error


def _is_published(path: Path, file: RemoteFile) -> bool:
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    with open(path, "rb") as stored:
        return hashlib.file_digest(stored, "sha256").hexdigest() == file.sha256


def _fetch_file(dataset: str, source: Source, file: RemoteFile, folder: Path, progress: Progress) -> None:
    task = progress.add_task(file.name, total=file.size)
    failures = []
    for mirror in source.mirrors:
        try:
            return _fetch_from(mirror, file, folder, progress, task)
        except _MirrorError as error:
            failures.append(f"{urlsplit(mirror).netloc} {error}")
    names = ", ".join(remote.name for remote in source.files)
    raise DownloadError(
        f"cannot download {file.name} of {dataset}: {'; '.join(failures)}; try again later, or put {names} into a "
        "folder and name it with --data-dir or GPUGRAD_DATA"
    )


def _fetch_from(mirror: str, file: RemoteFile, folder: Path, progress: Progress, task: TaskID) -> None:
    """Write one verified file; raise _MirrorError for the mirror's failures, OSError for the disk's."""
    digest, size = hashlib.sha256(), 0
    blocks = contextlib.closing(_blocks(mirror + file.name))
    with temporary_file(folder, file.name) as (out, path), blocks as sent:
        for block in sent:
            out.write(block)
            digest.update(block)
            size += len(block)
            progress.update(task, completed=size)
            if size > file.size:
                break
        if size != file.size:
            much = f"more than {file.size}" if size > file.size else f"{size}"
            raise _MirrorError(f"sent {much} bytes where {file.size} are published")
        if digest.hexdigest() != file.sha256:
            raise _MirrorError(f"sent the checksum {digest.hexdigest()} where {file.sha256} is published (SHA-256)")
        out.flush()
        os.fsync(out.fileno())
        path.replace(folder / file.name)


def _blocks(url: str) -> Generator[bytes]:
    """Yield what a mirror sends; raise _MirrorError when it fails, or sends too little in `TIMEOUT` seconds.

    A thread receives, since a limit of the socket ends no answer that comes a byte at a time.
    """
    received: queue.Queue[bytes | Exception] = queue.Queue(QUEUED)
    stopped = threading.Event()
    threading.Thread(target=_receive, args=(url, received, stopped), daemon=True).start()
    try:
        while True:
            size, end = 0, time.monotonic() + TIMEOUT
            while (left := end - time.monotonic()) > 0:
                with contextlib.suppress(queue.Empty):
                    block = received.get(timeout=left)
                    if isinstance(block, Exception):
                        raise _MirrorError(f"did not answer ({reason(getattr(block, 'reason', block))})") from block
                    if not block:
                        return
                    size += len(block)
                    yield block
            if size < LEAST_SPEED * TIMEOUT:
                raise _MirrorError(f"sent {size} bytes in {TIMEOUT:g} s")
    finally:
        stopped.set()
        with contextlib.suppress(queue.Empty):  # make room, so that the thread comes to see it
            received.get_nowait()


def _receive(url: str, received: queue.Queue[bytes | Exception], stopped: threading.Event) -> None:
    """Put the blocks of an answer, and b"" after the last one, or the error that ended it."""
    import urllib.request  # late: it takes 50 ms, and most commands download nothing

    request = urllib.request.Request(url, headers={"User-Agent": "gpugrad"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
            while not stopped.is_set():
                block = response.read1(BLOCK)
                received.put(block)
                if not block:
                    return
    except Exception as error:  # whatever a mirror sent
        received.put(error)
