"""A record: one self-contained JSON file with the machine, the command and the rows of every section.

    {"format": 1, "created": "2026-11-26T12:00:00+00:00", "command": "gpugrad bench kernels", "quick": false,
     "machine": {…}, "sections": {"kernels": {"ceilings": […], "rows": […]}, "training": {"rows": […]}, …}}

Times are seconds, sizes bytes, rates bytes/s and operations/s.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...engine.device import Device
from ...engine.files import to_json, write_whole
from ...errors import DataError, GpugradError, reason
from ..measure.machine import describe

__all__ = ["FORMAT", "made_from", "make", "read", "write"]

FORMAT = 1


def make(device: Device, sections: dict[str, dict[str, Any]], *, quick: bool = False) -> dict[str, Any]:
    """Return a record of sections just measured on this machine.

    Parameters
    ----------
    device : Device
        The measured device.
    sections : dict
        The sections, each with ``rows``.
    quick : bool, default False
        Whether the run was quick, so that its times mean nothing.

    Returns
    -------
    dict
        The record.
    """
    return {
        "format": FORMAT,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": " ".join(["gpugrad", *sys.argv[1:]]),
        "quick": quick,
        "machine": describe(device),
        "sections": sections,
    }


def write(record: dict[str, Any], path: str | Path) -> None:
    """Write a record completely or not at all.

    Parameters
    ----------
    record : dict
        The record.
    path : str or Path
        The file.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    write_whole(path, to_json(record, indent=1) + "\n")


def read(path: str | Path) -> dict[str, Any]:
    """Read a record.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    dict
        The record.

    Raises
    ------
    DataError
        If the file is missing or has another format.
    """
    if Path(path).exists() and not Path(path).is_file():
        raise DataError(f"{path} is no regular file: pass a file written by gpugrad bench … --json")
    try:
        record = json.loads(Path(path).read_text())
        json.dumps(record, ensure_ascii=False).encode()  # raises for half of a surrogate pair, which no page can have
    except FileNotFoundError:
        raise DataError(f"there is no file {path}: write one with gpugrad bench … --json {path}") from None
    except (ValueError, OSError, RecursionError) as error:
        raise DataError(
            f"cannot read {path} ({reason(error)}): pass a file written by gpugrad bench … --json"
        ) from None
    found = record.get("format") if isinstance(record, dict) else None
    if found != FORMAT or not isinstance(record.get("sections"), dict):
        raise DataError(f"{path} is not a record of format {FORMAT}: pass a file written by gpugrad bench … --json")
    return record


@contextlib.contextmanager
def made_from(*paths: str | Path) -> Iterator[None]:
    """Name the files of records whose content cannot be used within the block.

    Parameters
    ----------
    *paths : str or Path
        The files.

    Yields
    ------
    None
        The block.

    Raises
    ------
    DataError
        If a value of the wrong kind or size raised another error, as it can anywhere.
    """
    try:
        yield
    except GpugradError:
        raise
    except Exception as error:
        names = " or ".join(map(str, paths))
        raise DataError(f"{names} is damaged ({type(error).__name__}: {reason(error)}): measure it again") from error
