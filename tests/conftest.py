"""What tests in several files need."""

import os

import pytest

import gpugrad as gg
from gpugrad import kernels
from gpugrad.device import TOOLCHAINS, unavailable

# Numba's simulator replaces numba.cuda for a whole process: tests/simulator starts one, where this is set.
SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"
EVERY_DEVICE = [f"{kind}-{toolchain}" for kind, toolchains in TOOLCHAINS.items() for toolchain in toolchains]


def pytest_addoption(parser):
    parser.addoption("--require-gpu", action="store_true", help="what finds no GPU fails instead of being skipped")


def usable(request, kind, toolchain):
    """The device, where this process can use it: else the test is skipped, or fails for want of a GPU it must have."""
    if kind == "simulator" and not SIMULATED:
        pytest.skip("the simulator runs in a process of its own: tests/simulator")
    if kind == "cuda" and SIMULATED:
        pytest.skip("this process simulates the GPU")
    obstacle = unavailable(kind, toolchain)
    if obstacle:
        must = kind == "cuda" and request.config.getoption("--require-gpu")
        (pytest.fail if must else pytest.skip)(f"{kind} with {toolchain}: {obstacle}")
    return gg.device(kind, toolchain)


def pytest_terminal_summary(terminalreporter, config):
    """How many kernels were compared with their reference, in how many toolchains."""
    reports = terminalreporter.getreports("passed")
    checked = [value for report in reports for name, value in report.user_properties if name == "checked"]
    for kind, toolchain in sorted({(kind, toolchain) for kind, toolchain, _, _ in checked}):
        found = {name: examples for k, t, name, examples in checked if (k, t) == (kind, toolchain)}
        terminalreporter.write_line(
            f"{kind} with {toolchain}: {len(found)} kernels of {len(list(kernels.contracts()))} agree with their "
            f"reference over {sum(found.values())} examples"
        )


@pytest.fixture(params=EVERY_DEVICE)
def every_device(request):
    """Each device in each of its toolchains."""
    return usable(request, *request.param.split("-"))


@pytest.fixture(params=TOOLCHAINS["cuda"])
def cuda(request):
    """A GPU in each of its toolchains."""
    return usable(request, "cuda", request.param)


@pytest.fixture
def locked_folder(tmp_path):
    """A folder that this test may not write to, not even where root runs it: it becomes another user meanwhile."""
    if not hasattr(os, "geteuid"):
        pytest.skip("no permissions of users on this system")
    tmp_path.chmod(0o500)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield tmp_path
    if root:
        os.seteuid(0)
    tmp_path.chmod(0o700)
