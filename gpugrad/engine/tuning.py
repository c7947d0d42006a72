"""The variants of products that were measured to be the fastest on a device, stored for later processes.

`gpugrad bench tune` measures and stores them. The number of parts of a sum decides the order of additions, and with
it the last bits: a device reads its file once. With GPUGRAD_TUNING=0 in the environment no file is read.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import warnings
from pathlib import Path
from typing import Any, Protocol

from ..errors import ArgumentError, reason
from ..kernels.dense.variants import Choices, Product, candidates
from .files import cache_folder, to_json, write_whole
from .version import __version__


class Place(Protocol):
    """The interface of a device that tuning uses."""

    name: str
    kind: str
    toolchain: str
    index: int | None

    @property
    def has_variants(self) -> bool:
        """Whether its kernels have variants to choose from."""
        ...


FORMAT = 1
# Errors of reading a file with any content.
BROKEN = (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError)


def check_variants(device: Place) -> None:
    """Refuse a device whose kernels have no variants.

    Parameters
    ----------
    device : Place
        The device.

    Raises
    ------
    ArgumentError
        If it has none.
    """
    if not device.has_variants:
        raise ArgumentError(
            f"the kernels of {device.name} ({device.toolchain}) have no variants to choose from: "
            "tune on a GPU with the toolchain cupy"
        )


def load(device: Place) -> Choices:
    """Return the variants that were tuned on a device.

    Parameters
    ----------
    device : Place
        The device.

    Returns
    -------
    Choices
        Nothing with GPUGRAD_TUNING=0, and with a warning for a file that does not fit.
    """
    if os.environ.get("GPUGRAD_TUNING") == "0":
        return {}
    try:
        return _read(device)
    except FileNotFoundError:
        return {}
    except BROKEN as error:
        warnings.warn(
            f"{path(device)} is ignored ({reason(error)}), expected the choices for {device.name}: "
            "tune again, or delete it with gpugrad bench tune --forget",
            stacklevel=2,
        )
        return {}


def keep(device: Place, choices: Choices) -> Path:
    """Add choices to those of a device, for processes that start from now on.

    Parameters
    ----------
    device : Place
        The device.
    choices : Choices
        The variants.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    try:
        before = _read(device)
    except BROKEN:
        before = {}
    kept = [
        {**product._asdict(), "tile": tile, "splits": splits}
        for product, (tile, splits) in sorted({**before, **choices}.items())
    ]
    write_whole(path(device), to_json({**_identity(device), "choices": kept}, indent=1) + "\n")
    return path(device)


def forget(device: Place) -> bool:
    """Delete the choices of a device.

    Parameters
    ----------
    device : Place
        The device.

    Returns
    -------
    bool
        Whether there were any.
    """
    there = path(device).exists()
    path(device).unlink(missing_ok=True)
    return there


def path(device: Place) -> Path:
    """Return the file of a device with variants.

    Parameters
    ----------
    device : Place
        The device.

    Returns
    -------
    Path
        The file.
    """
    identity = _identity(device)
    name = re.sub(r"\W+", "-", identity["device"]).strip("-")
    digest = hashlib.sha256(to_json(identity).encode()).hexdigest()[:16]
    return cache_folder() / "tuning" / f"{name}-{digest}.json"


def _identity(device: Place) -> dict[str, Any]:
    """Return the conditions of the choices: GPUs of one name, with this version's kernels."""
    from ..kernels.dense.cupy_cuda import SOURCE

    return {
        "format": FORMAT,
        "device": _gpu_name(device.index or 0) if device.kind == "cuda" else device.kind,
        "toolchain": device.toolchain,
        "gpugrad": __version__,
        "sources": SOURCE.digest,
    }


def _gpu_name(index: int) -> str:
    import cupy

    return str(cupy.cuda.runtime.getDeviceProperties(index)["name"].decode())


def _read(device: Place) -> Choices:
    """Return the choices in a device's file; raise FileNotFoundError, or one of BROKEN for a file that does not fit."""
    content = json.loads(path(device).read_text())
    for name, value in _identity(device).items():
        if content.get(name) != value:
            raise ValueError(f"its {name} is {content.get(name)!r}, not {value!r}")
    choices: dict[Product, tuple[int, int]] = {}
    for entry in content["choices"]:
        choice = entry.pop("tile"), entry.pop("splits")
        product = Product(**entry)
        if choice not in [variant[:2] for variant in candidates(product)]:
            raise ValueError(f"tile and splits {choice} are no variant of {product}")
        choices[product] = choice
    return choices
