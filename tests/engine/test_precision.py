"""The precision of products: how factors are rounded, and which operations follow it."""

import json
import math
import sys
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gpugrad as gg
from gpugrad import data, nn, optim
from gpugrad.command import app as cli
from gpugrad.command.settings import Settings
from gpugrad.command.train import run as run_training
from gpugrad.engine import functional as F
from gpugrad.engine.device import Device
from gpugrad.engine.precision import check_precision_for
from gpugrad.errors import ArgumentError, CheckpointError, DeviceError
from gpugrad.kernels.dense.rounding import PRECISIONS, round_factor
from gpugrad.training.callbacks import Callback
from gpugrad.training.checkpoint import read_file, write_file

ROUNDED = {"tf32": 10, "bfloat16": 7}  # bits of mantissa that are kept


@pytest.mark.parametrize(("precision", "bits"), ROUNDED.items())
@given(value=st.floats(width=32, allow_nan=False, allow_infinity=False).filter(lambda v: 1e-30 < abs(v) < 1e30))
def test_rounding_is_to_the_nearest(precision, bits, value):
    spacing = Fraction(2) ** (math.frexp(value)[1] - 1 - bits)
    steps = Fraction(value) / spacing
    nearest = round(steps)  # a tie to even
    if precision == "tf32" and abs(steps - math.floor(steps)) == Fraction(1, 2):
        nearest = math.floor(steps) if value < 0 else math.ceil(steps)  # a tie away from zero
    assert Fraction(float(round_factor(np.array([value], np.float32), precision)[0])) == nearest * spacing


@pytest.mark.parametrize("precision", PRECISIONS)
def test_what_is_not_finite_stays(precision):
    array = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0], np.float32)
    np.testing.assert_array_equal(round_factor(array, precision), array)


def test_bfloat16_is_pytorchs():
    torch = pytest.importorskip("torch")
    array = np.random.default_rng(0).normal(size=10_000).astype(np.float32)
    expected = torch.from_numpy(array).to(torch.bfloat16).to(torch.float32).numpy()
    np.testing.assert_array_equal(round_factor(array, "bfloat16"), expected)


def factors():
    rng = np.random.default_rng(0)
    return (gg.tensor(rng.normal(size=s).astype(np.float32), requires_grad=True) for s in ((5, 8), (8, 3)))


@pytest.mark.parametrize("precision", ROUNDED)
@pytest.mark.parametrize("product", [lambda x, w: x @ w, F.dense], ids=["@", "dense"])
def test_forward_and_backward_round_their_factors(precision, product):
    x, w = factors()
    with gg.precision(precision):
        y = product(x, w)
    y.sum().backward()  # outside the block: the backward has the precision of its forward
    rounded_x, rounded_w = (round_factor(t.numpy(), precision) for t in (x, w))
    np.testing.assert_allclose(y.numpy(), rounded_x @ rounded_w, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(x.grad.numpy(), np.ones((5, 3)) @ rounded_w.T, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(w.grad.numpy(), rounded_x.T @ np.ones((5, 3)), rtol=1e-5, atol=1e-6)
    assert np.abs(y.numpy() - x.numpy() @ w.numpy()).max() > 1e-4  # it makes a difference


def test_a_step_is_recorded_for_each_precision():
    x, w = factors()
    step = gg.record(lambda: (x @ w).detach())
    exact = step().numpy()
    with gg.precision("bfloat16"):
        rounded = step().numpy()
    assert step.recordings == 2
    assert np.abs(exact - rounded).max() > 1e-3
    np.testing.assert_array_equal(step().numpy(), exact)


def test_what_is_refused():
    with (
        pytest.raises(ArgumentError, match="unknown precision 'bfloat': did you mean 'bfloat16'"),
        gg.precision("bfloat"),
    ):
        pass
    x = gg.tensor(np.ones((2, 2)))
    with gg.precision("tf32"), pytest.raises(ArgumentError, match="precision is tf32 and the tensors are float64"):
        x @ x


# ---- of a run ----


DIGITS = data.load("digits")


def trainer(precision, dtype=np.float32, **options):
    model = nn.MLP(64, [32], 10, dropout=0.1, dtype=dtype, seed=1)
    optimizer = optim.Adam(model.parameters(), lr=0.005)
    return gg.Trainer(model, optimizer=optimizer, device="cpu", seed=2, precision=precision, **options)


def fit(trainer, epochs=2, **options):
    options |= {"batch_size": 50, "scale": DIGITS.scale, "validation_split": 0.2}
    trainer.fit(DIGITS.x_train[:500], DIGITS.y_train[:500], epochs=epochs, **options)
    return trainer


def left_by(trainer):
    """Return the results of a run as bytes: weights, the optimizer's state, losses."""
    arrays = {**trainer.model.state_dict(), **trainer.optimizer.state_dict()["state"]}
    losses = trainer.history["train_loss"], trainer.history["validation_loss"]
    return {name: array.tobytes() for name, array in arrays.items()}, losses


@pytest.fixture(scope="module")
def trained():
    return {precision: fit(trainer(precision)) for precision in PRECISIONS}


def test_each_precision_trains_float32_weights_in_its_own_way(trained):
    losses = set()
    for precision in PRECISIONS:
        done = fit(trainer(precision), epochs=12)
        assert done.evaluate(DIGITS.x_test, DIGITS.y_test, scale=DIGITS.scale)["accuracy"] > 0.9
        assert {p.dtype for p in done.model.parameters()} == {np.dtype(np.float32)}
        losses.add(done.history["train_loss"][-1])
    assert len(losses) == len({done.history["validation_loss"][-1] for done in trained.values()}) == 3


@pytest.mark.parametrize("precision", PRECISIONS)
def test_recorded_and_unrecorded_training_leave_the_same_bits(trained, precision):
    assert left_by(fit(trainer(precision, record=False))) == left_by(trained[precision])


def test_updates_smaller_than_a_bfloat16_step_add_up():
    # From 1 on the steps of bfloat16 are 2⁻⁷: a weight stored in it would not move by 2⁻¹⁶, a gradient of 2 times lr.
    model = nn.Dense(1, 1, bias=False)
    model.weight.data[:] = 1
    sgd = optim.SGD(model.parameters(), lr=2**-17)
    small = gg.Trainer(model, loss=nn.MSELoss(), optimizer=sgd, precision="bfloat16", device="cpu")
    small.fit(np.ones((8, 1), np.float32), np.full((8, 1), 2, np.float32), epochs=100, batch_size=8)
    assert float(model.weight) == 1 + 100 * 2**-16


@pytest.mark.parametrize("precision", ROUNDED)
def test_every_use_of_a_trainer_has_its_precision(trained, precision):
    x = DIGITS.x_test[:100]
    done = trained[precision]
    (_, w1), (_, b1), (_, w2), (_, b2) = done.model.state_dict().items()
    hidden = np.maximum(round_factor(x * np.float32(DIGITS.scale), precision) @ round_factor(w1, precision) + b1, 0)
    logits = round_factor(hidden, precision) @ round_factor(w2, precision) + b2
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected = odds / odds.sum(axis=1, keepdims=True)
    with gg.precision("float32"):  # an enclosing setting changes nothing
        np.testing.assert_allclose(done.predict_proba(x, scale=DIGITS.scale), expected, rtol=1e-3, atol=1e-4)
        scores = done.evaluate(x, DIGITS.y_test[:100], scale=DIGITS.scale)
    assert scores["loss"] == pytest.approx(-np.log(expected[range(100), DIGITS.y_test[:100]]).mean(), rel=1e-4)
    done.precision = "float32"
    exact = done.evaluate(x, DIGITS.y_test[:100], scale=DIGITS.scale)
    done.precision = precision
    assert abs(exact["loss"] - scores["loss"]) > 1e-7


class LossWithAProduct(nn.MSELoss):
    """The squared error of the outputs times a matrix."""

    def __init__(self):
        super().__init__()
        self.matrix = gg.tensor([[1 / 3]])

    def forward(self, out, y):
        return super().forward(out @ self.matrix, y)


def test_a_loss_with_a_product_of_its_own_has_the_precision_too():
    model = nn.Dense(1, 1, bias=False)
    model.weight.data[:] = 1
    one = np.ones((1, 1), np.float32)
    losses = []
    for precision in PRECISIONS:
        found = gg.Trainer(model, loss=LossWithAProduct(), device="cpu", precision=precision).evaluate(one, one)["loss"]
        third = float(round_factor(np.float32([1 / 3]), precision)[0])
        assert found == pytest.approx((third - 1) ** 2, rel=1e-6)
        losses.append(found)
    assert len(set(losses)) == 3


class StopAfter(Callback):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, trainer, record):
        if record["epoch"] == self.epoch:
            trainer.stop("on purpose")


def test_a_resumed_bfloat16_training_ends_in_the_same_bits(trained, tmp_path):
    path = tmp_path / "checkpoint"
    whole = fit(trainer("bfloat16"), epochs=3, callbacks=[StopAfter(9)])
    fit(trainer("bfloat16"), epochs=3, callbacks=[StopAfter(1)], checkpoint=path)
    resumed = fit(trainer("bfloat16"), epochs=3, callbacks=[StopAfter(9)], resume=path)
    assert len(resumed.history) == 3
    assert left_by(resumed) == left_by(whole)


def test_a_resumed_training_has_the_precision_of_its_checkpoint(tmp_path):
    path = tmp_path / "checkpoint"
    fit(trainer("bfloat16"), checkpoint=path)
    with pytest.raises(CheckpointError, match="with precision bfloat16, this run has tf32: resume with the same"):
        fit(trainer("tf32"), epochs=4, resume=path)


def test_a_checkpoint_of_a_version_without_precision_was_one_in_float32(tmp_path):
    path = tmp_path / "checkpoint"
    fit(trainer("float32"), checkpoint=path)
    arrays, header = read_file(path)
    del header["run"]["precision"]
    write_file(path, arrays, header)
    assert len(fit(trainer("float32"), epochs=3, resume=path).history) == 3
    with pytest.raises(CheckpointError, match="with precision float32, this run has tf32"):
        fit(trainer("tf32"), epochs=3, resume=path)


# ---- where there is none ----


def test_a_trainer_is_refused_at_once():
    model = nn.MLP(3, [4], 2, dtype=np.float64)
    with pytest.raises(ArgumentError, match="unknown precision 'half': choose one of float32, tf32, bfloat16"):
        gg.Trainer(model, precision="half", device="cpu")
    with pytest.raises(ArgumentError, match="the precision is bfloat16 and the tensors are float64"):
        gg.Trainer(model, precision="bfloat16", device="cpu")
    gg.Trainer(model, device="cpu")


def gpu(capability, toolchain="cupy"):
    """Return a stand-in for a GPU: kind, toolchain, and the compute capability that CuPy reports."""
    answer = SimpleNamespace(compute_capability=str(capability))
    cupy = SimpleNamespace(cuda=SimpleNamespace(Device=lambda index: answer))
    return SimpleNamespace(kind="cuda", name="cuda:0", index=0, toolchain=toolchain, xp=cupy)


@pytest.mark.parametrize("precision", ROUNDED)
def test_devices_without_it(precision):
    with pytest.raises(DeviceError, match=f"{precision}, and the Numba CUDA kernels .* multiply in float32 only"):
        check_precision_for(precision, Device("simulator", "numba"))
    with pytest.raises(DeviceError, match="multiply in float32 only: use float32, or the toolchain 'cupy'"):
        check_precision_for(precision, gpu(90, "numba"))
    with pytest.raises(DeviceError, match="which needs sm_80 or later, and cuda:0 is sm_75: use float32"):
        check_precision_for(precision, gpu(75))
    for device in (gpu(80), gpu(120), Device("emulator", "cupy"), gg.device("cpu"), gg.device("cpu", "numpy")):
        check_precision_for(precision, device)
    for device in (Device("simulator", "numba"), gpu(75), gpu(75, "numba")):
        check_precision_for("float32", device)


# ---- of the command ----


@pytest.fixture
def train(capsys, monkeypatch):
    """Run `gpugrad train digits` for an epoch: (exit code, the object that --json prints or None, standard error)."""
    monkeypatch.setenv("GPUGRAD_DEVICE", "cpu")

    def call(*arguments):
        words = ["gpugrad", "train", "digits", "--epochs", 1, "--hidden", 16, "--json", *arguments]
        monkeypatch.setattr(sys, "argv", list(map(str, words)))
        with pytest.raises(SystemExit) as exit:
            cli.main()
        out, err = capsys.readouterr()
        return exit.value.code, json.loads(out) if out else None, err

    return call


def test_the_command_trains_in_it_and_keeps_it(train, tmp_path):
    code, result, _ = train("--precision", "tf32", "--out", tmp_path)
    assert (code, result["precision"]) == (0, "tf32")
    assert result["test_loss"] != train()[1]["test_loss"]
    assert train()[1]["precision"] == "float32"
    for file in ("model.safetensors", "checkpoint.safetensors"):
        assert read_file(tmp_path / file)[1]["settings"]["precision"] == "tf32"
    code, resumed, _ = train("--resume", "--out", tmp_path, "--epochs", 2)
    assert (code, resumed["precision"], resumed["epochs"]) == (0, "tf32", 2)
    code, _, err = train("--resume", "--out", tmp_path, "--precision", "float32")
    assert (code, "--precision cannot change on resume" in err) == (1, True)
    with pytest.raises(ArgumentError, match="unknown precision"):  # before the data are read
        run_training(Settings("absent.csv", precision="half"))
    code, _, err = train("--precision", "half")
    assert (code, err.count("\n"), "unknown precision 'half'" in err) == (1, 1, True)
