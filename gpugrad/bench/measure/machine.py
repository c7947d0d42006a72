"""Describe the machine of a measurement: processor, GPU, threads, versions and revision."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...engine.device import Device
from ...engine.version import __version__, installed_version
from ...errors import ArgumentError
from ...kernels.cpu.cores import usable_cores

PACKAGES = ("numpy", "numba", "scipy", "scikit-learn", "cupy", "numba-cuda", "torch", "jax")
GPU_QUERIES = ("name", "driver_version", "clocks.sm", "clocks.mem", "clocks.max.sm", "power.limit", "temperature.gpu")


def describe(device: Device) -> dict[str, Any]:
    """Return a JSON-able description of this machine and the device."""
    facts: dict[str, Any] = {
        "gpugrad": __version__,
        "revision": revision(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": processor(),
        "cores": usable_cores(),
        "blas": _blas(),
        "packages": {name: version for name in PACKAGES if (version := installed_version(name))},
    }
    if device.choices:
        facts["tuned_variants"] = len(device.choices)
    if device.kind == "cuda":
        facts["gpu"] = _gpu(device)
    return facts


@contextlib.contextmanager
def cores(count: int | None) -> Iterator[None]:
    """Limit this process and its thread pools to `count` cores within the block; None: no limit.

    Raise ArgumentError if there are fewer cores, or if the system cannot bind a process to cores.
    """
    from threadpoolctl import threadpool_limits

    if count is None:
        yield
        return
    if not 1 <= count <= usable_cores():
        raise ArgumentError(f"--threads is {count}, expected 1 to {usable_cores()}, the cores of this process")
    if not hasattr(os, "sched_setaffinity"):
        raise ArgumentError("--threads does not work on this system: leave it out to measure with all cores")
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:count])
    try:
        with threadpool_limits(count):
            yield
    finally:
        os.sched_setaffinity(0, before)


def load() -> float:
    """Return the mean number of running processes of the last minute, 0 if the system does not say."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def revision() -> str | None:
    """Return the commit of a checkout, with "-dirty" if it has changes; None for an installed package."""
    root = Path(__file__).parents[3]
    git = shutil.which("git")
    if git is None or not (root / ".git").exists():
        return None
    return _output(git, "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")


def _output(*command: str) -> str | None:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip() or None
    except (OSError, subprocess.SubprocessError):
        return None


def processor() -> str:
    """Return the name of the processor."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _blas() -> list[dict[str, Any]]:
    """Return the loaded BLAS libraries and their numbers of threads."""
    from threadpoolctl import threadpool_info

    return [
        {name: entry.get(name) for name in ("internal_api", "version", "architecture", "num_threads")}
        for entry in threadpool_info()
        if entry["user_api"] == "blas"
    ]


def _gpu(device: Any) -> dict[str, Any]:
    runtime = device.xp.cuda.runtime
    properties = runtime.getDeviceProperties(device.index)
    facts = {
        "name": properties["name"].decode(),
        "compute_capability": f"{properties['major']}.{properties['minor']}",
        "multiprocessors": properties["multiProcessorCount"],
        "memory": properties["totalGlobalMem"],
        "l2_cache": properties["l2CacheSize"],
        "cuda_driver": runtime.driverGetVersion(),
        "cuda_runtime": runtime.runtimeGetVersion(),
    }
    smi = shutil.which("nvidia-smi")
    output = smi and _output(
        smi, f"--id={device.index}", f"--query-gpu={','.join(GPU_QUERIES)}", "--format=csv,noheader,nounits"
    )
    if output:
        facts["nvidia_smi"] = dict(zip(GPU_QUERIES, (part.strip() for part in output.split(",")), strict=False))
    return facts
