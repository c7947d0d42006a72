"""Profiles: measurements, unchanged results, and files."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import gpugrad as gg
from gpugrad import nn, optim
from gpugrad.command.app import app
from gpugrad.errors import ArgumentError
from gpugrad.training.profiling import ProfileTraining

ROWS, BATCH = 200, 32


def make(device="cpu", record=True):
    model = nn.MLP(8, [16], 3, activation="relu", dropout=0.5, seed=0)
    return gg.Trainer(model, optimizer=optim.Adam(model.parameters()), device=device, record=record, seed=0)


def fit(trainer, **options):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((ROWS, 8), np.float32), rng.integers(0, 3, ROWS)
    trainer.fit(x, y, batch_size=BATCH, progress=False, **options)
    return trainer


@pytest.mark.parametrize("record", [True, False])
def test_a_profiled_training_leaves_the_same_bits(every_device, record):
    plain = fit(make(every_device, record), epochs=2)
    with ProfileTraining() as profiling:
        profiled = fit(make(every_device, record), epochs=2, callbacks=[profiling])
    for a, b in zip(plain.model.parameters(), profiled.model.parameters(), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert plain.history["train_loss"] == profiled.history["train_loss"]
    assert every_device.thread.profiler is None


def test_every_operation_of_a_step_is_there_with_its_work():
    with ProfileTraining() as profiling:
        fit(make(), epochs=4, callbacks=[profiling])
    found = {(o.name, o.shapes): o for o in profiling.profile.operations()}
    assert found["dense_forward", "32×8 → 32×16"].launches == 1
    assert found["dense_backward", "32×3 → 32×16"].operations == pytest.approx(2 * 2 * 32 * 16 * 3, rel=0.2)
    assert {name for name, _ in found} >= {"gather", "dropout_forward", "softmax_cross_entropy", "adam_step"}
    parameters = 8 * 16 + 16 + 16 * 3 + 3
    adam = next(o for o in found.values() if o.name == "adam_step")
    assert adam.bytes >= 28 * parameters
    assert sum(o.share for o in found.values()) == pytest.approx(1)
    assert all(o.seconds > 0 for o in found.values())
    # The smaller minibatch at the end of an epoch is another kind of step.
    assert profiling.profile.record()["steps"] < profiling.profile.record()["whole_steps"] == 13


def test_times_are_medians_over_steps_of_the_sums_of_their_launches(monkeypatch):
    profile = gg.Profile("cpu")
    ticks = iter([0, 10, 12, 20, 24, 30, 40, 50, 56, 60, 68, 70, 80, 130])
    monkeypatch.setattr(profile.device, "mark", lambda: next(ticks))
    a = profile.device.zeros(5)
    for _ in range(2):
        with profile.step():
            for _ in range(2):
                profile.device.run(np.copyto, a, a)
    with profile.whole_step():
        profile.device.run(np.copyto, a, a)
    (operation,) = profile.operations()
    assert (operation.name, operation.launches, operation.bytes) == ("copyto", 2, 80)
    assert operation.seconds == (2 + 4 + 6 + 8) / 2
    assert operation.share == 1
    assert profile.step_seconds == 50


def test_the_trace_is_one_that_viewers_read(tmp_path):
    profile = gg.Profile()
    with profile.step():
        gg.functional.relu(gg.tensor([[1.0, -1.0]])).sum()
    path = tmp_path / "trace.json"
    profile.write_trace(path)
    slices = [event for event in json.loads(path.read_text())["traceEvents"] if event["ph"] == "X"]
    step, *launches = slices
    assert step["name"] == "step 0"
    assert launches[0]["name"] == "activation_forward"
    for event in launches:
        assert step["ts"] <= event["ts"]
        assert event["ts"] + event["dur"] <= step["ts"] + step["dur"]
        assert event["args"]["bytes"] > 0
        assert {event["pid"], event["tid"]} == {0}


def test_bad_arguments_are_refused_as_without_a_profile():
    profile = gg.Profile()
    a = profile.device.zeros((2, 2))
    with pytest.raises(ArgumentError, match="has shape"), profile.step():
        profile.device.run(profile.device.kernels.clip_value, a, limit=1.0)
    assert profile.device.thread.profiler is None
    with pytest.raises(ArgumentError, match="the profile has no launch"):
        profile.operations()


def test_a_step_that_fails_ends_its_profile():
    class Fault(gg.Callback):
        def on_step_begin(self, trainer, step):
            if step == 4:
                raise RuntimeError("a fault")

    trainer = make()
    with pytest.raises(RuntimeError, match="a fault"), ProfileTraining() as profiling:
        fit(trainer, epochs=2, callbacks=[profiling, Fault()])
    assert trainer.device.thread.profiler is None


def test_the_command_shows_a_table_and_writes_a_trace(tmp_path):
    path = tmp_path / "new" / "trace.json"
    options = ["--epochs", "1", "--hidden", "16", "--device", "cpu", "--profile", str(path)]
    result = CliRunner().invoke(app, ["train", "digits", *options])
    assert result.exit_code == 0, result.output
    for words in ("launch by launch", "softmax_cross_entropy", "GFLOP/s", "the step, whole", f"trace to {path}"):
        assert words in result.output
    assert all(len(line) <= 100 for line in result.output.splitlines() if "×" in line)
    assert json.loads(path.read_text())["traceEvents"]


def test_a_training_too_short_to_profile_says_so(tmp_path):
    options = ["--epochs", "1", "--batch-size", "1000", "--profile", str(tmp_path / "trace.json"), "--device", "cpu"]
    result = CliRunner().invoke(app, ["train", "digits", *options])
    assert result.exit_code == 0, result.output
    assert "train for more epochs" in result.output
    assert not (tmp_path / "trace.json").exists()
