"""Devices: names, the reason for a choice, messages for a missing device, memory and observers."""

import importlib.util
import subprocess
import sys
import types

import numpy as np
import pytest

import gpugrad as gg
from gpugrad.engine.device import ALIGNMENT_BYTES, TOOLCHAINS
from gpugrad.errors import ArgumentError, DeviceError, GpugradError, choose


@pytest.fixture(autouse=True)
def on_a_machine_that_was_not_asked_yet(monkeypatch):
    """No GPUGRAD_DEVICE, and no GPU remembered from an earlier test."""
    monkeypatch.delenv("GPUGRAD_DEVICE", raising=False)
    known = {("cpu", 0, toolchain): gg.device("cpu", toolchain) for toolchain in TOOLCHAINS["cpu"]}
    monkeypatch.setattr(sys.modules["gpugrad.engine.device"], "_devices", known)
    monkeypatch.setattr(sys.modules["gpugrad.engine.device"], "_automatic", {})


@pytest.fixture
def without_cupy(monkeypatch):
    _find(monkeypatch, cupy=False)


def _find(monkeypatch, **present):
    """Make some packages seem installed, or missing."""
    real = importlib.util.find_spec

    def find_spec(name, *rest):
        return (object() if present[name] else None) if name in present else real(name, *rest)

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)


def fake_cupy(monkeypatch, available):
    _find(monkeypatch, cupy=True)
    cuda = types.SimpleNamespace(is_available=lambda: available)
    monkeypatch.setitem(sys.modules, "cupy", types.SimpleNamespace(cuda=cuda))


# ---- which device ----


def test_the_same_object_each_time():
    cpu = gg.device("cpu")
    assert gg.device("cpu") is gg.device("cpu", "numba") is gg.device(cpu) is gg.device(cpu, "numba") is cpu
    reference = gg.device("cpu", "numpy")
    assert reference is not cpu
    assert gg.device(reference) is reference
    assert gg.device(reference, "numba") is cpu


def test_what_a_device_says_of_itself():
    cpu = gg.device("cpu", "numpy")
    assert (cpu.name, cpu.kind, cpu.toolchain, cpu.xp, cpu.thread.recorder) == ("cpu", "cpu", "numpy", np, None)
    assert repr(cpu) == "device('cpu', toolchain='numpy')"


def test_toolchains_run_their_own_files():
    def source(toolchain):
        return gg.device("cpu", toolchain).kernels.dense_forward.source

    assert source("numba") == "kernels/dense/numba_cpu.py"
    assert source("numpy") == "kernels/dense/reference.py"


@pytest.mark.parametrize(
    ("name", "toolchain", "message"),
    [
        (
            "cdua",
            None,
            "unknown device 'cdua': did you mean 'cuda'.*choose one of cpu, cuda, simulator, emulator, machine, auto",
        ),
        ("", None, "unknown device ''"),
        ("cpu:1", None, "unknown device 'cpu:1': only cuda takes a number, as in 'cuda:1'"),
        ("cuda:x", None, "unknown device 'cuda:x': only cuda takes a number"),
        ("cuda:-1", None, "only cuda takes a number"),
        ("cuda:²", None, "only cuda takes a number"),
        ("cpu", "cupy", "unknown toolchain of cpu 'cupy': choose one of numba, numpy|did you mean"),
        ("cpu", "nunba", "unknown toolchain of cpu 'nunba': did you mean 'numba'"),
        ("simulator", "cupy", "unknown toolchain of simulator 'cupy': .*choose one of numba"),
    ],
)
def test_unknown_names(name, toolchain, message):
    with pytest.raises(ArgumentError, match=message):
        gg.device(name, toolchain)


# ---- devices that are not there ----


@pytest.mark.parametrize("name", ["cuda", "cuda:1"])
@pytest.mark.parametrize("toolchain", [None, "cupy", "numba"])
def test_cuda_without_cupy(without_cupy, name, toolchain):
    with pytest.raises(
        DeviceError, match=f"device '{name}' with toolchain .* cannot be used: CuPy is not installed: pip install"
    ):
        gg.device(name, toolchain)


def test_cuda_without_a_gpu(monkeypatch):
    fake_cupy(monkeypatch, available=False)
    with pytest.raises(DeviceError, match="CuPy finds no GPU: check with nvidia-smi that a driver answers"):
        gg.device("cuda")


def test_simulator_without_numba_cuda(monkeypatch):
    _find(monkeypatch, numba_cuda=False)
    with pytest.raises(DeviceError, match="numba-cuda is not installed: pip install"):
        gg.device("simulator")


def test_a_device_that_failed_is_not_remembered(monkeypatch, without_cupy):
    for _ in range(2):
        with pytest.raises(DeviceError):
            gg.device("cuda")


def test_errors_are_of_one_family():
    with pytest.raises(GpugradError):
        gg.device("nowhere")
    assert issubclass(DeviceError, RuntimeError)


# ---- auto ----


def test_auto_says_why(without_cupy):
    gg.device("cpu")
    chosen = gg.device("auto")
    assert chosen is gg.device() is gg.device("cpu")
    assert "CuPy is not installed" in chosen.reason
    assert gg.device("auto", "numpy") is gg.device("cpu", "numpy")


def test_auto_without_a_gpu(monkeypatch):
    fake_cupy(monkeypatch, available=False)
    assert "CuPy finds no GPU" in gg.device("auto").reason


def test_environment_names_the_device(monkeypatch):
    monkeypatch.setenv("GPUGRAD_DEVICE", "cpu")
    assert gg.device("auto") is gg.device("cpu")
    assert gg.device("auto").reason == "GPUGRAD_DEVICE=cpu"


def test_environment_is_for_auto_only(monkeypatch):
    monkeypatch.setenv("GPUGRAD_DEVICE", "cuda")
    assert gg.device("cpu").kind == "cpu"


def test_environment_never_falls_back(monkeypatch, without_cupy):
    monkeypatch.setenv("GPUGRAD_DEVICE", "cuda")
    with pytest.raises(DeviceError, match="CuPy is not installed"):
        gg.device("auto")
    monkeypatch.setenv("GPUGRAD_DEVICE", "gpu")
    with pytest.raises(ArgumentError, match="unknown device in GPUGRAD_DEVICE 'gpu'"):
        gg.device("auto")


@pytest.mark.parametrize("value", ["", "auto"])
def test_environment_may_leave_the_choice_open(monkeypatch, without_cupy, value):
    monkeypatch.setenv("GPUGRAD_DEVICE", value)
    assert "CuPy is not installed" in gg.device("auto").reason


# ---- memory ----


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.float32, np.float64, np.int64])
@pytest.mark.parametrize("shape", [(), 3, (5,), (3, 7), (0, 4), (2, 0)])
def test_empty_is_aligned(dtype, shape):
    arrays = [gg.device("cpu").empty(shape, dtype) for _ in range(8)]
    for array in arrays:
        assert array.shape == ((shape,) if isinstance(shape, int) else shape)
        assert array.dtype == dtype
        assert array.flags.c_contiguous
        assert array.flags.writeable
        assert array.ctypes.data % ALIGNMENT_BYTES == 0 or array.size == 0
        array.fill(1)


def test_making_arrays():
    cpu = gg.device("cpu")
    assert cpu.full((2,), 3.5).tolist() == [3.5, 3.5]
    assert cpu.zeros((2, 1), np.int64).tolist() == [[0], [0]]
    source = np.arange(6).reshape(2, 3)
    copy = cpu.copy(source.T)
    assert copy.flags.c_contiguous
    np.testing.assert_array_equal(copy, source.T)
    uploaded = cpu.upload(source, np.float32)
    assert uploaded.dtype == np.float32
    source[:] = 0
    assert uploaded.tolist() == [[0, 1, 2], [3, 4, 5]]
    downloaded = cpu.download(uploaded)
    cpu.write(uploaded, 7)
    assert downloaded.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert uploaded.tolist() == [[7] * 3] * 2


def test_constants_are_shared():
    cpu = gg.device("cpu")
    assert cpu.constant(2.0, np.float32) is cpu.constant(2, "float32")
    assert cpu.constant(2.0, np.float32) is not cpu.constant(2.0, np.float64)
    assert cpu.constant(2.0, np.float32, ()).shape == ()
    assert cpu.partials(np.float32) is cpu.partials(np.float32)


@pytest.mark.parametrize(
    ("operands", "dtype"),
    [
        ((np.ones(2, np.float32), 2.5), np.float32),
        ((2, np.ones(2, np.float32)), np.float32),
        ((np.ones(2, np.int64), 2.5), np.float64),
        ((np.ones(2, np.float32), np.ones((3, 1), np.float64)), np.float64),
        ((np.ones(2, np.bool_), np.ones(2, np.float32)), np.float32),
        ((np.ones(2, np.float32), True), np.float32),
    ],
)
def test_call_broadcasts_and_promotes_as_numpy(operands, dtype):
    result = gg.device("cpu").call(np.multiply, *operands)
    expected = np.multiply(*operands)
    assert result.dtype == expected.dtype == dtype
    np.testing.assert_array_equal(result, expected)


# ---- observers ----


def test_observe_sees_each_launch_after_it_ran():
    cpu = gg.device("cpu")
    seen = []

    def observer(launch, arrays, scalars):
        seen.append((launch.__name__, scalars["out"].tolist() if "out" in scalars else None))

    x = gg.tensor([1.0, 2.0])
    with cpu.observe(observer):
        assert cpu.observed
        gg.relu(x * 2)
    assert not cpu.observed
    x + 1
    assert seen == [("multiply", [2, 4]), ("activation_forward", None)]


def test_observers_leave_after_an_exception_and_do_not_see_other_devices():
    cpu, reference = gg.device("cpu"), gg.device("cpu", "numpy")
    seen = []

    def fail():
        gg.tensor([1.0], device=reference) + 1
        raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"), cpu.observe(lambda *launch: seen.append(launch)):
        fail()
    assert seen == []
    assert not cpu.observed


# ---- names of other programs, and the one meaning of "auto" ----


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("gpu", "cuda"),
        ("gpu:1", "cuda:1"),
        ("GPU:0", "cuda:0"),
        ("nvidia", "cuda"),
        ("CUDA", "cuda"),
        ("host", "cpu"),
        ("host:0", "cpu"),
        ("CPU", "cpu"),
        ("Auto", "auto"),
    ],
)
def test_a_name_of_another_program_is_translated(name, meant):
    with pytest.raises(ArgumentError, match=f"^unknown device '{name}': did you mean '{meant}'\\? choose one of cpu, "):
        gg.device(name)


@pytest.mark.parametrize("name", [None, 0, 1.5])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(ArgumentError, match=r"unknown device .*: choose one of"):
        gg.device(name)


def test_an_automatic_choice_is_made_once_and_keeps_its_reason(monkeypatch, without_cupy):
    chosen = gg.device()
    reason = chosen.reason
    monkeypatch.setattr(importlib.util, "find_spec", None)
    assert gg.device() is chosen
    monkeypatch.setenv("GPUGRAD_DEVICE", "cpu")
    assert gg.device().reason == "GPUGRAD_DEVICE=cpu"
    monkeypatch.delenv("GPUGRAD_DEVICE")
    assert gg.device().reason == reason


@pytest.fixture
def emulator(monkeypatch):
    obstacle = sys.modules["gpugrad.engine.device"].unavailable("emulator", "cupy")
    if obstacle:
        pytest.skip(obstacle)
    monkeypatch.setenv("GPUGRAD_DEVICE", "emulator")
    return gg.device()


def test_everything_is_made_on_the_same_device(emulator):
    """As on a machine with a GPU: a model accepts tensors created without a device, before and after a Trainer."""
    model = gg.nn.MLP(3, [4], 2, seed=0)
    loss = gg.nn.CrossEntropyLoss(weight=[1.0, 2.0])
    x, labels = np.ones((5, 3), np.float32), np.zeros(5, np.int32)
    loss(model(gg.tensor(x)), gg.tensor(labels)).backward()
    trainer = gg.Trainer(model, loss=loss)
    made = [
        model(gg.tensor(x)),
        model(gg.tensor(x.tolist())),
        model(gg.from_dlpack(x)),
        model(gg.ones(5, 3) * x),
        model(gg.exp(x)),
        gg.nn.Dense(3, 4)(gg.tensor(x)),
        gg.nn.Linear(3, 4)(gg.tensor(x)),
        gg.zeros(2),
        gg.full(2, 1.0),
        gg.arange(2),
        gg.randn(2),
        gg.where([True], 1.0, 2.0),
        gg.nn.Parameter([1.0]),
    ]
    assert {t.device for t in made} == {trainer.device, model.device, gg.Profile().device} == {emulator}
    step = gg.record(lambda x: model(x))
    assert (step(x).numpy() == step(gg.tensor(x)).numpy()).all()


def test_an_explicit_device_stays(emulator):
    assert gg.tensor([1.0], device="cpu").device is gg.device("cpu")
    assert gg.nn.Dense(2, 3, device="cpu").device is gg.device("cpu")
    assert gg.tensor(gg.tensor([1.0], device="cpu")).device is gg.device("cpu")


@pytest.mark.parametrize(("name", "meant"), [("ADAM", "adam"), ("SGD", "sgd"), ("Rmsprop", "rmsprop"), ("adm", "adam")])
def test_a_name_in_capitals_has_a_suggestion(name, meant):
    with pytest.raises(ArgumentError, match=f"unknown rule '{name}': did you mean '{meant}'"):
        choose("rule", name, ["sgd", "adam", "rmsprop"])


def test_a_suggestion_is_spelt_as_the_option_is():
    with pytest.raises(ArgumentError, match="did you mean 'Adam'"):
        choose("rule", "adam", ["SGD", "Adam"])


@pytest.mark.parametrize("dtype", [np.float32, np.dtype(np.float32), "float32"])
def test_small_arrays_share_a_block(dtype):
    device = gg.device("cpu")
    device.empty((3, 5, 7), dtype)
    first, second = device.empty((3, 5, 7), dtype), device.empty((3, 5, 7), dtype)
    assert first.base is second.base
    assert not np.shares_memory(first, second)


@pytest.mark.skipif(sys.platform != "linux", reason="on Linux getrusage counts the memory of the parent")
def test_peak_memory_of_a_child_is_its_own():
    large = np.ones(1 << 26)  # half a gigabyte
    code = "import gpugrad; print(gpugrad.device('cpu').peak_memory())"
    peak = int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert 1 << 24 < peak < large.nbytes / 2
