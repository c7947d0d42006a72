"""`gpugrad bench tune`: measuring, choosing, using the choices in a later process, and errors.

The variants run in the emulator; the test's own clock sets their times.
"""

import json
import re
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import gpugrad as gg
from gpugrad import kernels, nn
from gpugrad.bench.measure import machine, tune
from gpugrad.bench.measure.timing import Timing
from gpugrad.bench.records import record
from gpugrad.command import info
from gpugrad.command.app import app
from gpugrad.command.bench import options
from gpugrad.engine import device as devices
from gpugrad.engine import tuning
from gpugrad.engine.device import unavailable
from gpugrad.errors import ArgumentError, DeviceError, GpugradError, KernelError
from gpugrad.kernels import dense
from gpugrad.kernels.cuda import source as cuda
from gpugrad.kernels.dense import cupy_cuda, variants
from gpugrad.kernels.dense.variants import Product

SIZES, BATCH = (70, 66, 10), 130
FORWARD = Product("dense_forward", "float32", 130, 66, 70)
BACKWARD_W = Product("dense_backward_w", "float32", 70, 66, 130)
BACKWARD_X = Product("dense_backward_x", "float32", 130, 66, 10)
RULE = {FORWARD: (64, 1), BACKWARD_W: (64, 2), BACKWARD_X: (64, 1)}
TUNED = {FORWARD: (32, 1), BACKWARD_W: (32, 1), BACKWARD_X: (32, 1)}


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """Use a separate cache, and forget what devices read from it after the test."""
    monkeypatch.setattr(tuning, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(variants, "_choices", {})
    monkeypatch.delenv("GPUGRAD_TUNING", raising=False)
    return tmp_path


def new_device():
    """Return an emulator device as in a new process."""
    obstacle = unavailable("emulator", "cupy")
    if obstacle:
        pytest.skip(obstacle)
    return gg.Device("emulator", "cupy")


@pytest.fixture
def gpus(monkeypatch):
    """Three GPUs, two with the same name; their arrays are NumPy's, so the emulator runs their kernels."""
    names = [b"NVIDIA H100", b"NVIDIA H100", b"NVIDIA H200"]
    runtime = SimpleNamespace(getDeviceProperties=lambda index: {"name": names[index]})
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(cuda=SimpleNamespace(runtime=runtime)))
    devices = [gg.Device("cuda", "cupy") for _ in names]
    for index, device in enumerate(devices):
        device.index = index
    return devices


def clock(seconds, spread=0.0):
    """Return a clock on which variants take `seconds[tile, splits]` ± spread, by default 1 s."""

    def time(device, call):
        median = seconds.get(variants.forced(), 1.0)
        return Timing(median, median - spread, median + spread, 7, True)

    return time


def measured(product, time, device=None):
    (row,) = tune.measure(device or new_device(), {product: "identity"}, time)
    return row


def gradients(device):
    """Return the gradients of a network of SIZES, and the (tile, splits) of its launched products."""
    model = nn.MLP(SIZES[0], SIZES[1:-1], SIZES[-1], seed=0).to(device)
    x = np.random.default_rng(0).normal(size=(BATCH, SIZES[0])).astype(np.float32)
    with cuda.launches() as seen:
        (model(gg.tensor(x, device=device)) ** 2).sum().backward()
    launched = {
        (launch.kernel.partition("<")[0], launch.grid[0]): (launch.block[0] // 2, launch.grid[1])
        for launch in seen
        if "FLOAT32" in launch.kernel
    }
    return [parameter.grad.numpy() for parameter in model.parameters()], launched


def places(choices):
    """Return the (tile, splits) that `gradients` should see with these variants."""
    return {
        (product.kernel, -(-product.m // tile) * -(-product.n // tile)): (tile, splits)
        for product, (tile, splits) in choices.items()
    }


# ---- measuring ----


def test_products_of_a_training_step_are_measured_once_each():
    found = tune.products_of((64, 64, 64, 10), 32, "tf32")
    assert found == {
        Product("dense_forward", "tf32", 32, 64, 64): "relu",
        Product("dense_backward_w", "tf32", 64, 64, 32): "relu",
        Product("dense_backward_x", "tf32", 32, 64, 64): "relu",
        Product("dense_forward", "tf32", 32, 10, 64): "identity",
        Product("dense_backward_x", "tf32", 32, 64, 10): "identity",
        Product("dense_backward_w", "tf32", 64, 10, 32): "identity",
    }


@pytest.mark.parametrize("product", RULE)
def test_the_fastest_by_the_clock_is_chosen(product):
    launched = []

    def watching(device, call):
        with cuda.launches() as seen:
            call()
        launched.append((seen[0].block[0] // 2, seen[0].grid[1]))
        assert seen[0].kernel.startswith(f"{product.kernel}<")
        assert launched[-1] == variants.forced()
        return clock({TUNED[product]: 0.5})(device, call)

    row = measured(product, watching)
    assert (row.rule[:2], row.chosen[:2], row.speedup) == (RULE[product], TUNED[product], 2)
    assert launched[0] == RULE[product]
    assert row.candidates == len(set(launched)) == len(launched) >= 3
    assert tune.choices([row]) == {product: TUNED[product]}


@pytest.mark.parametrize("time", [clock({(32, 1): 0.98}), clock({(32, 1): 0.9}, spread=0.1), clock({})])
def test_the_default_is_kept_unless_another_is_faster_by_more_than_noise(time):
    row = measured(BACKWARD_W, time)
    assert row.chosen == row.rule
    assert row.chosen[:2] == (64, 2)
    assert row.speedup == 1


def test_a_wrong_variant_is_refused_before_it_is_timed(monkeypatch):
    device, timed = new_device(), []
    right = device.kernels.dense_backward

    def wrong(*arrays, **scalars):
        right.launch(*arrays, **scalars)
        if variants.forced() == (32, 1):
            arrays[5][0, 0] += 1

    monkeypatch.setattr(
        device.kernels, "dense_backward", kernels.Launcher(right.contract, wrong, "wrong.py", "cupy_cuda")
    )

    def watching(device, call):
        timed.append(variants.forced())
        return clock({})(device, call)

    with pytest.raises(KernelError, match=r"dense_backward_w, .*70 × 130.* of wrong.py, tile 32, 1 split: dw is wrong"):
        measured(BACKWARD_W, watching, device)
    assert timed
    assert (32, 1) not in timed


@pytest.mark.parametrize(("kind", "toolchain"), [("cpu", "numba"), ("cpu", "numpy"), ("cuda", "numba")])
def test_devices_without_variants_are_refused(kind, toolchain):
    device = gg.Device(kind, toolchain)
    with pytest.raises(ArgumentError, match=rf"{kind} \({toolchain}\) have no variants to choose from: tune on a GPU"):
        tune.measure(device, {}, clock({}))
    assert device.choices == {}


# ---- stored choices ----


def test_a_new_process_uses_stored_choices_and_a_running_one_does_not():
    running = new_device()
    expected, before = gradients(running)
    assert before.items() >= places(RULE).items()
    tuning.keep(running, TUNED)
    assert gradients(running)[1] == before
    found, after = gradients(new_device())
    assert after.items() >= places(TUNED).items()
    for right, one, rule in zip(gradients(gg.device("cpu"))[0], found, expected, strict=True):
        np.testing.assert_allclose(one, right, rtol=1e-4, atol=1e-4 * np.abs(right).max())
        np.testing.assert_allclose(one, rule, rtol=1e-4, atol=1e-4 * np.abs(right).max())


def test_two_processes_agree_bit_for_bit_until_it_is_tuned_again():
    first = new_device()
    tuning.keep(first, TUNED)
    bits, launched = gradients(first)
    again = gradients(new_device())
    assert again[1] == launched
    assert [one.tobytes() for one in again[0]] == [one.tobytes() for one in bits]
    tuning.keep(first, {BACKWARD_W: (64, 2)})
    assert first.choices == TUNED
    assert new_device().choices == {**TUNED, BACKWARD_W: (64, 2)}
    changed = gradients(new_device())[0]
    assert changed[0].tobytes() != bits[0].tobytes()  # its sum has other parts


def test_a_recorded_step_keeps_its_variants():
    device = new_device()
    tuning.keep(device, TUNED)
    w = gg.tensor(np.ones((70, 66), np.float32), device=device)

    def step(x):
        return gg.functional.dense(x, w)

    x = np.ones((130, 70), np.float32)
    step = gg.record(step, device)
    grids = []
    for _ in range(2):
        with cuda.launches() as seen:
            step(x)
        grids.append([launch.grid for launch in seen])
    assert grids == [[(15, 1, 1)]] * 2


def test_a_benchmark_reports_tuned_variants():
    device = new_device()
    assert "tuned_variants" not in machine.describe(device)
    assert "tuned" not in options._described(device)
    tuning.keep(device, TUNED)
    assert machine.describe(new_device())["tuned_variants"] == 3
    assert options._described(new_device()).endswith("; 3 tuned variants in use")


def test_a_block_of_one_variant_overrides_stored_choices():
    tuning.keep(new_device(), TUNED)
    with variants.variant(splits=2):
        launched = gradients(new_device())[1]
    assert launched.items() >= places({FORWARD: (64, 2), BACKWARD_W: (64, 2)}).items()


def test_a_device_reads_only_the_choices_of_its_gpu_version_and_kernels(monkeypatch, gpus):
    gpu, same, other = gpus
    tuning.keep(gpu, TUNED)
    assert same.choices == TUNED
    assert other.choices == new_device().choices == {}
    with monkeypatch.context() as patch:
        patch.setattr(tuning, "__version__", "99.0")
        assert tuning.load(gpu) == {}
    with monkeypatch.context() as patch:
        patch.setattr(cupy_cuda.SOURCE, "digest", "of a changed kernel")
        assert tuning.load(gpu) == {}
    assert tuning.load(gpu) == TUNED


def test_a_launch_uses_the_choices_of_the_gpu_of_its_arrays(gpus):
    tuning.keep(gpus[0], TUNED)
    tuning.keep(gpus[2], RULE)
    assert all(device.kernels for device in (gpus[2], gpus[0], new_device()))
    found = [variants.tuned_choice(FORWARD, SimpleNamespace(device=SimpleNamespace(id=i)), None) for i in range(3)]
    assert found == [TUNED[FORWARD], None, RULE[FORWARD]]  # the second one loaded nothing
    assert variants.tuned_choice(FORWARD, np.empty(1), None) is None


def test_tuning_can_be_turned_off_and_forgotten(monkeypatch):
    device = new_device()
    tuning.keep(device, TUNED)
    monkeypatch.setenv("GPUGRAD_TUNING", "0")
    assert gradients(new_device())[1].items() >= places(RULE).items()
    monkeypatch.delenv("GPUGRAD_TUNING")
    assert new_device().choices == TUNED
    assert tuning.forget(device)
    assert not tuning.forget(device)
    assert new_device().choices == {}


def broken(**entry):
    """Return the emulator's stored choices with one entry changed."""

    def content(device):
        tuning.keep(device, {FORWARD: (32, 1)})
        kept = json.loads(tuning.path(device).read_text())
        kept["choices"][0].update(entry)
        return json.dumps(kept)

    return content


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", "[]", "3", "{}", "\udcff", "[" * 100_000),
        *(broken(tile=31), broken(splits=1000), broken(m="many"), broken(n=None), broken(k=[1]), broken(speed=1)),
        lambda device: broken()(device).replace('"emulator"', '"NVIDIA H100"'),
    ],
)
def test_a_broken_or_foreign_file_is_ignored_with_one_warning(content):
    device = new_device()
    path = tuning.path(device)
    content = content if isinstance(content, str) else content(device)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content.encode(errors="surrogateescape"))
    device = new_device()
    words = f"{re.escape(str(path))} is ignored .*: tune again, or delete it with gpugrad bench tune --forget"
    with pytest.warns(UserWarning, match=words):
        assert device.choices == {}
    assert device.workspace(0, np.float32) is None  # a second warning would be an error
    assert device.kernels
    tuning.keep(device, TUNED)
    assert new_device().choices == TUNED


def test_damaged_choices_are_read_or_ignored_with_one_line(survives, monkeypatch):
    monkeypatch.setattr(tuning, "cache_folder", lambda: Path("cache"))
    device = new_device()
    tuning.keep(device, TUNED)
    path = tuning.path(device)
    whole = path.read_bytes()

    def read(copy):
        path.write_bytes(Path(copy).read_bytes())
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            tuning.load(device)
        for warning in caught:
            raise GpugradError(str(warning.message))

    assert survives("choices.json", whole, read) > 300


# ---- the workspace ----

size = st.one_of(st.integers(1, 300), st.integers(1, 3000))


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(kernel="dense_forward", sizes=(500, 600, 1500))  # variants with more parts than the default
@example(kernel="dense_backward_w", sizes=(500, 600, 1500))
@given(kernel=st.sampled_from([*dict.fromkeys(p.kernel for p in RULE), "matmul"]), sizes=st.tuples(size, size, size))
def test_partial_sums_never_exceed_the_workspace(kernel, sizes):
    """Every candidate fits the workspace of a device that chose it; in a default workspace the default is used."""
    m, n, k = sizes
    product = Product(kernel, "float32", m, n, k, 3 if kernel == "matmul" else 1)
    found = variants.candidates(product)
    assert found[0] == variants.choose_variant(m, n, k, product.entries)
    assert len(set(found)) == len(found)
    for candidate in found:
        device = gg.Device("emulator", "cupy")
        device.choices = {product: candidate[:2]}
        variants.use_choices(None, device.choices)
        least, outputs, launch = calls(product)
        parts = candidate.splits * outputs if candidate.splits > 1 else 0
        assert parts <= (1 << 22) + candidate.splits * product.n  # 16 MiB, and db
        room = device.workspace(least, np.float32)
        assert launch(room) == candidate
        assert parts <= (0 if room is None else room.size)
        given = launch(np.empty(least, np.float32) if least else None)
        assert given == (candidate if parts <= least else found[0])
        assert given.splits == 1 or given.splits * outputs <= least


def calls(product):
    """Return the minimum workspace, the number of outputs, and a launch's variant, without computing anything."""
    kernel, _, m, n, k, entries = product

    def array(*shape):
        return np.empty(shape, np.float32)

    if kernel == "matmul":
        least = dense.matmul_workspace(m, k, n, entries)
        outputs = (array(entries, m, n),)
        launcher, arrays = cupy_cuda.matmul, (array(entries, m, k), array(entries, k, n), *outputs)
    elif kernel == "dense_forward":
        least = dense.forward_workspace(m, k, n)
        outputs = (array(m, n), None)
        launcher, arrays = cupy_cuda.dense_forward, (array(m, k), array(k, n), None, *outputs)
    else:
        batch, n_in, n_out = (m, n, k) if kernel == "dense_backward_x" else (k, m, n)
        least = dense.backward_workspace(batch, n_in, n_out, "identity")
        x, w, dy = array(batch, n_in), array(n_in, n_out), array(batch, n_out)
        outputs = (x, None, None) if kernel == "dense_backward_x" else (None, w, array(n_out))
        launcher, arrays = cupy_cuda.dense_backward, (dy, x, w, dy, *outputs)

    def launch(workspace):
        with cuda.dry_run() as seen:
            launcher(*arrays, workspace, **getattr(dense, launcher.__name__).defaults)
        return variants.choose_variant(m, n, k, entries, tuned=(seen[0].block[0] // 2, seen[0].grid[1]))

    return least, sum(output.size for output in outputs if output is not None), launch


def test_a_choice_with_more_parts_than_the_default_is_right():
    """The emulator finds a write past the workspace."""
    product = Product("dense_forward", "float32", 32, 2048, 256)
    assert variants.choose_variant(32, 2048, 256)[:2] == (32, 2)
    tuning.keep(new_device(), {product: (32, 4)})
    device = new_device()
    rng = np.random.default_rng(1)
    x, w = (gg.tensor(rng.normal(size=shape).astype(np.float32), device=device) for shape in ((32, 256), (256, 2048)))
    with cuda.launches() as seen:
        y = gg.functional.dense(x, w).numpy()
    assert seen[0].grid == (64, 4, 1)
    np.testing.assert_allclose(y, x.numpy().astype(float) @ w.numpy(), atol=1e-4)


# ---- the commands ----

SMALL = ("--inputs", "5", "--hidden", "4", "--outputs", "3", "--batch-size", "6", "--quick")


def run(*arguments):
    return CliRunner().invoke(app, ["bench", "tune", *map(str, arguments)])


def test_the_command_in_the_emulator_shows_every_product_and_stores_no_choice(tmp_path):
    new_device()
    path = tmp_path / "record.json"
    result = run("--device", "emulator", *SMALL, "--json", path)
    assert result.exit_code == 0, result.output
    assert "times in the emulator mean nothing: no choice is stored" in result.output
    rows = record.read(path)["sections"]["tune"]["rows"]
    assert [(row["kernel"], row["m"], row["n"], row["k"]) for row in rows] == [
        ("dense_forward", 6, 4, 5),
        ("dense_backward_w", 5, 4, 6),
        ("dense_forward", 6, 3, 4),
        ("dense_backward_x", 6, 4, 3),
        ("dense_backward_w", 4, 3, 6),
    ]
    for row in rows:
        assert (row["tile"], row["splits"]) == (row["rule_tile"], row["rule_splits"]) == (32, 1)
        assert 0 < row["median"] == row["rule_median"]
        assert f"{row['kernel']}, float32, {row['m']} × {row['k']} · {row['k']} × {row['n']}" in result.output
    assert not tuning.path(gg.device("emulator")).exists()


def test_the_command_stores_its_choices_unless_it_is_quick(monkeypatch, gpus):
    new_device()
    gpu, _, _ = gpus
    monkeypatch.setattr(devices, "device", lambda *_: gpu)
    monkeypatch.setattr(machine, "_gpu", lambda _: {"name": "NVIDIA H100"})
    monkeypatch.setattr(tune, "clock", lambda budget: clock({(32, 1): 0.5}))
    model = ("--inputs", 40, "--hidden", 0, "--outputs", 36, "--batch-size", 130)
    result = run(*model, "--quick")
    assert "times of a quick run mean nothing: no choice is stored" in result.output
    assert tuning.load(gpu) == {}
    result = run(*model)
    assert result.exit_code == 0, result.output
    assert f"stored in {tuning.path(gpu)} for processes that start from now on" in result.output
    assert " ".join(result.output.split()).count("tile 64, 1 split 1.00 s tile 32, 1 split 500 ms 2.00×") == 1
    assert tuning.load(gpu) == {
        Product("dense_forward", "float32", 130, 36, 40): (32, 1),
        Product("dense_backward_w", "float32", 40, 36, 130): (32, 1),
    }


def test_the_command_forgets():
    device = new_device()
    tuning.keep(device, TUNED)
    result = run("--device", "emulator", "--forget")
    assert (result.exit_code, result.output) == (0, f"deleted {tuning.path(device)}\n")
    assert not tuning.path(device).exists()
    assert "nothing to delete: " in run("--device", "emulator", "--forget").output


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (["--device", "cpu"], ArgumentError, "the kernels of cpu (numba) have no variants to choose from: tune on"),
        (["--device", "cpu", "--forget"], ArgumentError, "have no variants to choose from"),
        (["--device", "emulator", "--hidden", "64,x"], ArgumentError, "--hidden is '64,x', expected sizes"),
        (["--device", "emulator", "--precision", "bf16"], ArgumentError, "did you mean 'bfloat16'"),
        (["--device", "cuda:99"], DeviceError, "cannot be used"),
    ],
)
def test_the_command_refuses_before_any_work(arguments, error, words):
    new_device()
    result = run(*arguments)
    assert isinstance(result.exception, error)
    assert words in str(result.exception)
    assert result.output == ""


def test_info_says_how_many_variants_are_in_use(monkeypatch, capsys, gpus):
    monkeypatch.setattr(info, "unavailable", lambda kind, toolchain: None)
    tuning.keep(gpus[0], TUNED)
    report = info.collect()
    assert {(e["device"], e["toolchain"]) for e in report["devices"] if e["tuned"]} == {("cuda", "cupy")}
    info.show(report)
    assert "cuda (cupy): 3 tuned variants in use" in capsys.readouterr().out
