"""The number of threads that may compute: cores of the process, the quota of its container, the user's limit."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

CONTROL_GROUPS, OWN_GROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def cores() -> int:
    """Return the number of threads that may compute, at least 1.

    Returns
    -------
    int
        The cores of this process, limited by the CPU quota of its control group, such as that of a container, rounded
        down, and by GPUGRAD_THREADS or, if that is unset, OMP_NUM_THREADS.
    """
    available = usable_cores()
    for name in ("GPUGRAD_THREADS", "OMP_NUM_THREADS"):
        wanted = os.environ.get(name, "").partition(",")[0].strip()
        if wanted.isascii() and wanted.isdigit() and len(wanted) < 10 and int(wanted) > 0:
            return min(available, int(wanted))
    return available


def usable_cores() -> int:
    """Return the number of cores of this process, limited by the CPU quota of its control group."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    # More threads than the quota are stopped together, some of them in the middle of the work that the others wait for.
    return max(1, min([bound, *map(int, _quotas())]))


def _quotas() -> Iterator[float]:
    """Yield the limits of the control groups of this process, versions 1 and 2, in cores."""
    with contextlib.suppress(OSError, ValueError):
        for line in OWN_GROUPS.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if "cpu" in controllers.split(","):
                for folder in _folders(("cpu", "cpu,cpuacct"), path):
                    yield from _ratio(folder / "cpu.cfs_quota_us", folder / "cpu.cfs_period_us")
            elif not controllers:
                for folder in _folders(("", "unified"), path):
                    yield from _ratio(folder / "cpu.max")


def _folders(mounts: tuple[str, ...], path: str) -> Iterator[Path]:
    """Yield the folder of a group and those of the groups around it, where they are mounted."""
    for mount in mounts:
        group = CONTROL_GROUPS / mount / path.lstrip("/")
        while group.is_relative_to(CONTROL_GROUPS / mount):
            yield group
            group = group.parent


def _ratio(*files: Path) -> Iterator[float]:
    """Yield the ratio of the two numbers in these files, unless one is missing or no number above 0."""
    with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
        quota, period = " ".join(file.read_text() for file in files).split()
        if (ratio := int(quota) / int(period)) > 0:
            yield ratio
