"""Time a process from its start to the end of its first training step, with an empty and a warm kernel cache."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ...engine.device import Device
from ...errors import ArgumentError, KernelError
from ..engines import OWN
from .kernels import MEASURABLE

NETWORK, BATCH = "64-128-10", 64  # trained on scikit-learn's digits
PARTS = ("import", "data", "kernels", "first step", "total")
CACHES = ("NUMBA_CACHE_DIR", "CUPY_CACHE_DIR")  # folders of compiled kernels; no other files are cached
Row = dict[str, Any]

# A user's script. The second step shows how much of the first was loading and compiling kernels.
SCRIPT = """
import json, sys, time
begin, device, toolchain = float(sys.argv[1]), sys.argv[2], sys.argv[3]
import gpugrad as gg
from gpugrad import data, nn, optim
imported = time.time()
digits = data.load("digits")
loaded = time.time()

def step():
    model = nn.MLP(64, [128], 10, activation="relu")
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    trainer = gg.Trainer(model, optimizer=optimizer, device=device, toolchain=toolchain)
    trainer.fit(digits.x_train[:64], digits.y_train[:64], epochs=1, batch_size=64, scale=digits.scale, progress=False)
    assert trainer.steps == 1
    return time.time()

first = step()
again = step() - first
parts = imported - begin, loaded - imported, first - loaded - again, again, first - begin
print(json.dumps(parts))
"""


def measure(
    device: Device,
    *,
    rounds: int = 3,
    on_row: Callable[[Row], None] = print,
) -> list[Row]:
    """Time the parts of a start: the median of `rounds` starts with an empty cache, and with a warm one.

    The parts are import (the interpreter and gpugrad), data (scikit-learn and its digits), kernels (importing Numba or
    CuPy, and compiling or loading the kernels of the first step), first step (the step alone), and total. From the
    second start on, the files that Python reads are in the system's cache.

    Parameters
    ----------
    device : Device
        The device.
    rounds : int, default 3
        Starts per cache, at least 1.
    on_row : callable, default print
        Receives each row as it is measured.

    Returns
    -------
    list of dict
        One row per cache and part.

    Raises
    ------
    ArgumentError
        If the device is not measurable.
    KernelError
        If a start fails.
    """
    if device.kind not in MEASURABLE:
        raise ArgumentError(f"times in the {device.kind} mean nothing: measure cpu or cuda")
    if rounds < 1:
        raise ArgumentError(f"rounds is {rounds}, expected at least 1")
    found: dict[str, list[list[float]]] = {"empty": [], "warm": []}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(prefix="gpugrad-startup-") as folder:
            for times in found.values():
                times.append(start(device, folder))
    rows = []
    for cache, times in found.items():
        for part, seconds in zip(PARTS, np.transpose(times), strict=True):
            rows.append(_row(device, cache, part, seconds))
            on_row(rows[-1])
    return rows


def start(device: Device, cache: str) -> list[float]:
    """Start a process that trains one step with the kernel cache in a folder; return the seconds of PARTS."""
    environment = os.environ | dict.fromkeys(CACHES, cache)
    # -P: import the installed gpugrad, not the folder of that name in a checkout.
    command = [sys.executable, "-P", "-c", SCRIPT, repr(time.time()), device.name, device.toolchain]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["without a message"])[-1]
        raise KernelError(f"a new process could not train a step ({last}): check that gpugrad train digits works")
    return json.loads(done.stdout.splitlines()[-1])


def _row(device: Device, cache: str, part: str, seconds: np.ndarray) -> Row:
    low, median, high = (float(value) for value in np.percentile(seconds, (20, 50, 80)))
    return {
        "what": part,
        "engine": OWN,
        "cache": cache,
        "device": device.name,
        "network": NETWORK,
        "batch": BATCH,
        "seconds": median,
        "low": low,
        "high": high,
        "runs": len(seconds),
    }
