"""Fixtures and hooks shared by all tests."""

import contextlib
import os
import random
import signal
import subprocess
from pathlib import Path

# Let idle threads of PyTorch and scikit-learn sleep. By default they spin, and if another process occupies the core, a
# step of a small network takes ten times as long. OpenMP reads this when it is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import kernels
from gpugrad.engine.device import TOOLCHAINS, unavailable
from gpugrad.errors import GpugradError

# Processes that tests start in other folders also run the checkout, however gpugrad was installed.
CHECKOUT = str(Path(__file__).parent.parent)
os.environ["PYTHONPATH"] = os.pathsep.join([CHECKOUT, *filter(None, [os.environ.get("PYTHONPATH")])])

# Numba's simulator replaces numba.cuda for a whole process; tests/simulator starts a process with this variable set.
SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"
CLOSE = 1e-5  # tolerance between a served model and the exported one
# The machine runs what the emulator and the simulator stand for: its own tests sample the CUDA C++ kernels.
MARKS = {"machine-cupy": pytest.mark.long, "machine-numba": pytest.mark.slow}
EVERY_DEVICE = [
    pytest.param(name, marks=MARKS.get(name, ()))
    for name in (f"{kind}-{toolchain}" for kind, toolchains in TOOLCHAINS.items() for toolchain in toolchains)
]


def pytest_addoption(parser):
    parser.addoption(
        "--require-gpu", action="store_true", help="fail tests that need a GPU and find none, instead of skipping them"
    )


def pytest_collection_modifyitems(items):
    """Run slow tests first, in order of rank, so that with -n no long test runs alone at the end."""

    def rank(item):
        marker = item.get_closest_marker("slow")
        return 0 if marker is None else marker.args[0] if marker.args else 1

    items.sort(key=rank, reverse=True)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Use work stealing with -n: a process without tests takes over half of another one's remaining tests."""
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log) if config.getoption("dist") == "load" else None


def usable(request, kind, toolchain):
    """Return the device, or skip the test if this process cannot use it; fail with --require-gpu and no GPU."""
    if kind == "simulator" and not SIMULATED:
        pytest.skip("the simulator runs in its own process: tests/simulator")
    if kind == "cuda" and SIMULATED:
        pytest.skip("this process simulates the GPU")
    obstacle = unavailable(kind, toolchain)
    if obstacle:
        must = kind == "cuda" and request.config.getoption("--require-gpu")
        (pytest.fail if must else pytest.skip)(f"{kind} with {toolchain}: {obstacle}")
    return gg.device(kind, toolchain)


def pytest_terminal_summary(terminalreporter, config):
    """Print how many kernels were compared with their reference in each toolchain."""
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
    """Each device with each of its toolchains."""
    return usable(request, *request.param.split("-"))


@pytest.fixture(params=TOOLCHAINS["cuda"])
def cuda(request):
    """Return a GPU with each of its toolchains."""
    return usable(request, "cuda", request.param)


@pytest.fixture
def serve():
    """Return a function that runs an ONNX model in onnxruntime on named inputs and returns its outputs by name."""
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")

    def call(proto, **inputs):
        onnx.checker.check_model(proto, full_check=True)
        options = runtime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = 1, 4
        session = runtime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
        outputs = session.run(None, inputs)
        return {value.name: output for value, output in zip(session.get_outputs(), outputs, strict=True)}

    return call


@pytest.fixture
def agree():
    """Return a function that asserts that served outputs agree with the predictions of an estimator or pipeline."""

    def check(model, x, served):
        if not hasattr(model, "classes_"):
            expected = model.predict(x)
            found = served["variable"]
            assert found.ndim == 2
            # Sums of huge terms have errors of that size, so the tolerance is relative to the largest value.
            largest = np.abs(expected[np.isfinite(expected)]).max(initial=1)
            np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=CLOSE, atol=CLOSE * largest)
            return
        expected, labels = model.predict_proba(x), model.predict(x)
        np.testing.assert_allclose(served["probabilities"], expected, atol=CLOSE)
        assert served["label"].shape == labels.shape
        if labels.ndim == 2:
            clear = np.abs(expected - 0.5) > CLOSE
        else:
            first, second = np.sort(expected, axis=1)[:, :-3:-1].T
            clear = first - second > CLOSE
        assert clear.mean() > 0.5
        np.testing.assert_array_equal(served["label"][clear], labels[clear])

    return check


@pytest.fixture
def start():
    """Return a function that starts a command for the test; Ctrl-C reaches it even if tests run in the background."""
    started = []

    def call(*command, **options):
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            started.append(subprocess.Popen(command, **pipes, **options))
        finally:
            signal.signal(signal.SIGINT, before)
        return started[-1]

    yield call
    for process in started:
        with process:
            process.kill()


def damaged(content, count=500):
    """Yield damaged copies, the same ones in every run: flipped bits, wrong bytes, cut, doubled and zeroed parts."""
    rng = random.Random(0)
    for i in range(count):
        copy = bytearray(content)
        first, last = sorted(rng.randrange(len(content) + 1) for _ in range(2))
        if i % 5 == 0:
            for _ in range(rng.choice((1, 1, 1, 8))):
                copy[rng.randrange(len(copy))] ^= 1 << rng.randrange(8)
        elif i % 5 == 1:
            copy[rng.randrange(len(copy))] = rng.randrange(256)
        else:
            copy[first:last] = (b"", content[first:last] * 2, bytes(last - first))[i % 5 - 2]
        yield bytes(copy)


def resident(name):
    """Return a size of this process on Linux: VmRSS, its memory, or VmHWM, the most since `clear_refs` was written."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return 1024 * int(line.split()[1])


@pytest.fixture
def peak():
    """Return a context that fails where the process takes more bytes of memory within it, all libraries' included."""

    @contextlib.contextmanager
    def check(most):
        reset = Path("/proc/self/clear_refs")
        measured = reset.exists() and os.access(reset, os.W_OK)
        if measured:
            reset.write_text("5")
            before = resident("VmRSS")
        yield
        assert not measured or resident("VmHWM") - before < most

    return check


@pytest.fixture
def survives(tmp_path, monkeypatch, peak):
    """Return a function that reads 500 damaged copies of a file and returns how many were refused.

    Each is read, or refused in one line of less than 300 characters; none takes more memory than its size explains.
    """
    monkeypatch.chdir(tmp_path)  # messages with short paths

    def check(name, content, read):
        refusals = []
        with peak(2**25 + 200 * len(content)):
            for copy in damaged(content):
                Path(name).write_bytes(copy)
                try:
                    read(name)
                except GpugradError as error:
                    refusals.append(str(error))
        assert [message for message in refusals if not (message.isprintable() and len(message) < 300)] == []
        return len(refusals)

    return check


@pytest.fixture
def locked_folder(tmp_path):
    """Return a folder without write permission; a test run as root becomes another user meanwhile."""
    if not hasattr(os, "geteuid"):
        pytest.skip("no user permissions on this system")
    tmp_path.chmod(0o500)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield tmp_path
    if root:
        os.seteuid(0)
    tmp_path.chmod(0o700)
