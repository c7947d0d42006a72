"""`gpugrad info`: list devices, toolchains and versions, and how to install what is missing."""

from __future__ import annotations

import os
import platform
from typing import Any

from ..bench.measure.machine import processor
from ..engine import cpu_device
from ..engine.device import TOOLCHAINS, Device, unavailable
from ..engine.version import __version__, installed_version
from ..errors import counted
from ..kernels.cpu.cores import cores, usable_cores
from .options import Json, finish

PACKAGES = {
    "numpy": "",
    "numba": "",
    "scikit-learn": "",
    "safetensors": "",
    "cupy": 'pip install "gpugrad[cuda12]" or "gpugrad[cuda13]"',
    "numba-cuda": 'pip install "gpugrad[cuda12]" or "gpugrad[cuda13]"',
    "matplotlib": 'pip install "gpugrad[plot]"',
    "pyarrow": 'pip install "gpugrad[parquet]"',
    "pandas": "pip install pandas",
    "polars": "pip install polars",
    "onnx": 'pip install "gpugrad[onnx]"',
    "skl2onnx": 'pip install "gpugrad[onnx]"',
    "onnxruntime": "pip install onnxruntime",
    "tensorboardX": 'pip install "gpugrad[track]"',
}


def collect() -> dict[str, Any]:
    """Return a JSON-able report of versions, the machine, `devices` and `packages`; `memory` in bytes."""
    devices = [
        {
            "device": kind,
            "toolchain": toolchain,
            "available": reason is None,
            "reason": reason,
            # Query a plain Device: a CUDA device would allocate GPU memory.
            "tuned": len(Device(kind, toolchain).choices) if kind == "cuda" and reason is None else 0,
        }
        for kind, toolchains in TOOLCHAINS.items()
        for toolchain in toolchains
        for reason in [unavailable(kind, toolchain)]
    ]
    packages = [
        {"package": name, "version": version, "add_with": None if version else remedy}
        for name, remedy in PACKAGES.items()
        for version in [installed_version(name)]
    ]
    for entry in devices:
        if (entry["device"], entry["toolchain"]) == ("cpu", cpu_device.COMPILED) and entry["available"]:
            entry["reason"] = cpu_device.cache_problem()
    return {
        "gpugrad": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": processor(),
        "cores": usable_cores(),
        "threads": cores(),
        "memory": _memory(),
        "devices": devices,
        "packages": packages,
    }


def _memory() -> int | None:
    """Return the bytes of memory of the machine, or None if the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def show(report: dict[str, Any]) -> None:
    """Print a report as tables."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, markup=False)
    console.print(f"gpugrad {report['gpugrad']}, Python {report['python']}, {report['platform']}", soft_wrap=True)
    memory = f", {report['memory'] / 1e9:.1f} GB of memory" if report["memory"] else ""
    threads = counted(report["threads"], "thread")
    console.print(f"{report['processor']}, {counted(report['cores'], 'core')}, {threads}{memory}", soft_wrap=True)
    devices = Table("device", "toolchain", "available", "reason and remedy", title="Devices", title_justify="left")
    for entry in report["devices"]:
        devices.add_row(
            entry["device"], entry["toolchain"], "yes" if entry["available"] else "no", entry["reason"] or ""
        )
    packages = Table("package", "version", "install with", title="Packages", title_justify="left")
    for entry in report["packages"]:
        packages.add_row(entry["package"], entry["version"] or "missing", entry["add_with"] or "")
    console.print(devices)
    for entry in report["devices"]:
        if entry["tuned"]:
            tuned = counted(entry["tuned"], "tuned variant")
            console.print(f"{entry['device']} ({entry['toolchain']}): {tuned} in use\n")
    console.print(packages)


def info(as_json: Json = False) -> None:
    """List devices, toolchains and versions, and how to install what is missing.

    Example: gpugrad info
    """
    from . import info as information

    report = information.collect()
    if not as_json:
        information.show(report)
    finish(report, as_json)
