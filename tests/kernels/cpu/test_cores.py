"""Threads that may compute: cores, quotas of control groups, limits of the user."""

import os

import pytest

from gpugrad.kernels.cpu import cores as cpu_cores


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch, tmp_path):
    """A machine with eight cores and no limit."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(cpu_cores, "CONTROL_GROUPS", tmp_path)
    monkeypatch.setattr(cpu_cores, "OWN_GROUPS", tmp_path / "own")
    for name in ("GPUGRAD_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, 8),
        ({"OMP_NUM_THREADS": "3"}, 3),
        ({"OMP_NUM_THREADS": "4,2"}, 4),
        ({"OMP_NUM_THREADS": "3", "GPUGRAD_THREADS": "5"}, 5),
        ({"GPUGRAD_THREADS": "100"}, 8),
        ({"GPUGRAD_THREADS": "0", "OMP_NUM_THREADS": "many"}, 8),
        ({"GPUGRAD_THREADS": "²", "OMP_NUM_THREADS": "9" * 5000}, 8),
    ],
)
def test_the_number_of_threads_can_be_limited(variables, expected, monkeypatch):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cpu_cores.cores() == expected


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "max 100000"}, 8),
        ("0::/\n", {"cpu.max": "200000 100000"}, 2),
        ("0::/\n", {"cpu.max": "350000 100000"}, 3),
        ("0::/\n", {"cpu.max": "50000 100000"}, 1),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000", "a/cpu.max": "400000 100000"}, 4),
        ("0::/of/the/host\n", {"cpu.max": "300000 100000"}, 3),
        ("4:memory:/x\n1:cpu:/x\n", {"cpu/x/cpu.cfs_quota_us": "100000", "cpu/x/cpu.cfs_period_us": "50000"}, 2),
        ("1:cpu,cpuacct:/\n", {"cpu,cpuacct/cpu.cfs_quota_us": "-1", "cpu,cpuacct/cpu.cfs_period_us": "100000"}, 8),
        ("1:cpu:/\n0::/\n", {"unified/cpu.max": "500000 100000"}, 5),
        ("0::/\n", {"cpu.max": "nonsense"}, 8),
        ("nonsense", {"cpu.max": "100000 100000"}, 8),
        ("0::/\n", {"cpu.max": "9900000 100000"}, 8),
    ],
)
def test_the_quota_of_a_container_limits_the_threads(own, files, expected, tmp_path):
    (tmp_path / "own").write_text(own)
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    assert cpu_cores.cores() == expected
