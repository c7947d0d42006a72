"""The page as a file, with precomputed paths in a compact format."""

from __future__ import annotations

import base64
import gzip
import json
import pathlib
import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...engine.files import check_writable_file, write_whole
from ...errors import ArgumentError, choose
from ...optim import RULES
from ..minimize import Path
from ..race import USUAL, WITH_MOMENTUM, race
from ..surfaces import NAMES, NETWORK_LOSS, surface
from .document import describe, document

OPTIMIZERS = tuple(name for name, rule in RULES.items() if rule.recorded)
RATES = (0.3, 1.0, 3.0)  # multiples of the rate that suits
MOMENTA = (0.9, 0.99)
NOISES = (0.0, 0.1)  # multiples of the usual length of a gradient
STEPS = 150
EVERY, STRIDE = 30, 11  # the first EVERY steps are kept, then each 11th: an odd stride still shows jumps to and fro
SIDE = 5  # starts per side of a view, in addition to the surface's own
SIDE_OF_NETWORK = 0  # starts per side for the network loss, whose steps are passes over its data
SIDE_OF_HEIGHTS = 80
UNITS = 1024  # resolution of stored points: units across the view
TINY, DIGITS = 1e-12, 150  # values are stored as arsinh(value / TINY) · DIGITS, accurate to a third of a percent


def write_page(
    file: str | pathlib.Path,
    surfaces: Sequence[str] = NAMES,
    *,
    optimizers: Sequence[str] | None = None,
    on_surface: Callable[[str], Any] = lambda name: None,
) -> None:
    """Write the page with paths inside, which needs no server; about 3 MB with all surfaces.

    Parameters
    ----------
    file : path_like
        File to write, .html.
    surfaces : sequence of str
        Names of the surfaces.
    optimizers : sequence of str, optional
        Optimizers whose paths are inside; they are selected at first. By default, those marked ``recorded`` in
        `optim.RULES`.
    on_surface : callable, optional
        Called with the name of each surface before its paths are computed, which takes some seconds.

    Raises
    ------
    ArgumentError
        If the file has another suffix, or a surface or optimizer is unknown.
    StorageError
        If the file cannot be written.
    """
    file = pathlib.Path(file)
    if file.suffix != ".html":
        raise ArgumentError(f"the page cannot be written to {file.name}, expected a name that ends in .html: rename it")
    functions = [surface(name) for name in surfaces]
    for name in optimizers or ():
        choose("optimizer", name, RULES)
    check_writable_file(file)
    records = {}
    for f in functions:
        on_surface(f.name)
        records[f.name] = record(f, OPTIMIZERS if optimizers is None else optimizers)
    write_whole(file, document(records, [f.name for f in functions], USUAL if optimizers is None else optimizers))


def record(f: Any, optimizers: Sequence[str] = OPTIMIZERS) -> str:
    """Compute the paths of optimizers on a surface from a grid of starts, and pack them.

    Parameters
    ----------
    f : Surface or NetworkLoss
        The surface.
    optimizers : sequence of str
        Names of ``optim.NAMES``.

    Returns
    -------
    str
        The record, base64 of gzip.

    Notes
    -----
    The record is the length of a JSON object (uint32, little-endian), the object in UTF-8, and the numbers of all paths
    one after the other, x, then y, values and gradient norms, as int16 differences from frame to frame: first all low
    bytes, then all high bytes. The object has ``surface`` (see `describe`), ``starts``, ``choices`` (of each control),
    ``with_momentum`` (optimizers with momentum), ``frames`` (stored steps, in addition to the last one), ``scale``, and
    ``paths``: last step, verdict and reason of each. Noise is outermost, then optimizers, momenta, rates and starts.
    """
    described = describe(f, SIDE_OF_HEIGHTS)
    starts = _starts(f)
    rates = {name: [float(f"{f.rate(name) * share:.2g}") for share in RATES] for name in optimizers}
    noises = [float(f"{described['slope'] * share:.2g}") for share in NOISES]
    frames = [*range(EVERY), *range(EVERY, STEPS, STRIDE)]
    paths: list[Path] = []
    for noise in noises:
        for name in optimizers:
            for momentum in MOMENTA if name in WITH_MOMENTUM else MOMENTA[:1]:
                entered = [(name, rates[name])]
                paths += race(f, starts, entered, momentum=momentum, noise=noise, max_steps=STEPS)
    head = {
        "surface": described,
        "starts": starts,
        "choices": {"rates": rates, "momentum": MOMENTA, "noise": noises, "seed": [0], "steps": [STEPS]},
        "with_momentum": WITH_MOMENTUM,
        "frames": frames,
        "scale": {"units": UNITS, "tiny": TINY, "digits": DIGITS},
        "paths": [(path.steps, path.verdict, path.reason) for path in paths],
    }
    numbers = np.concatenate([_differences(path, frames, f.bounds) for path in paths], axis=1)
    content = json.dumps(head).encode()
    planes = numbers.ravel().astype("<i2").view(np.uint8).reshape(-1, 2).T
    packed = struct.pack("<I", len(content)) + content + planes.tobytes()
    return base64.b64encode(gzip.compress(packed, 9, mtime=0)).decode()


def _starts(f: Any) -> list[list[float]]:
    """Return the surface's own starts and a grid inside the view."""
    side = SIDE_OF_NETWORK if f.name == NETWORK_LOSS else SIDE
    first, second = (
        [float(f"{x:.3g}") for x in np.linspace(low, high, side + 2)[1:-1].tolist()] for low, high in f.bounds
    )
    grid = [[a, b] for b in second for a in first]
    return [list(start) for start in f.starts] + [start for start in grid if tuple(start) not in f.starts]


def _differences(path: Path, frames: Sequence[int], bounds: Any) -> np.ndarray:
    """Return the stored integers (4, frames) as differences; far or non-finite values become the largest one."""
    low, high = np.transpose(bounds)
    kept = [*(k for k in frames if k < path.steps), path.steps]
    with np.errstate(all="ignore"):
        points = (path.points[kept] - low) / (high - low) * UNITS
        heights = np.arcsinh(np.stack([path.values[kept], path.gradient_norms[kept]]) / TINY) * DIGITS
        numbers = np.nan_to_num(np.concatenate([points.T, heights]), nan=np.inf)
    whole = np.clip(np.round(numbers), -32767, 32767).astype(np.int16)
    return np.diff(whole, axis=1, prepend=np.int16(0))  # wraps around, and back again in the page
