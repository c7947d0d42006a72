"""A run is bit-for-bit identical whether it is recorded, stopped and resumed, or none of these."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gpugrad as gg
from gpugrad import nn, optim
from gpugrad.errors import CheckpointError, StorageError
from gpugrad.kernels.activation import ACTIVATIONS
from gpugrad.training.callbacks import Callback, EarlyStopping
from gpugrad.training.checkpoint import read_file

LOSSES = {
    "cross-entropy": lambda: nn.CrossEntropyLoss(weight=[1.0, 2.0, 0.5], label_smoothing=0.1),
    "squared error": nn.MSELoss,
    "yes/no": nn.BCEWithLogitsLoss,
}


class Memory(Callback):
    """Keep a moving average of the weights and the number of calls."""

    def __init__(self):
        self.average, self.calls = np.zeros(()), 0

    def on_epoch_end(self, trainer, record):
        record["average"] = np.float32(self.average)
        self.average = np.asarray(0.5 * self.average + next(iter(trainer.model.state_dict().values())).mean())
        self.calls += 1

    def state_dict(self):
        return {"calls": self.calls, "arrays": {"aver/age": self.average}}

    def load_state_dict(self, state):
        self.calls, self.average = state["calls"], state["arrays"]["aver/age"]


class Stop(Callback):
    """End the run at a step, or at the end of an epoch."""

    def __init__(self, step=None, epoch=None):
        self.step, self.epoch = step, epoch

    def on_step_end(self, trainer, step):
        if step == self.step:
            raise KeyboardInterrupt

    def on_epoch_end(self, trainer, record):
        if record["epoch"] == self.epoch:
            trainer.stop("test")


@st.composite
def trainings(draw):
    """Draw a run: a function that creates its trainer, the data, and the arguments of fit."""
    pick = lambda *options: draw(st.sampled_from(options))  # noqa: E731
    rows, loss, dtype = draw(st.integers(14, 40)), pick(*LOSSES), pick(np.float32, np.float32, np.float64)
    hidden = draw(st.lists(st.integers(1, 9), max_size=2))
    activation, dropout = pick(*ACTIVATIONS), pick(0.0, 0.3)
    optimizer, schedule, groups = pick(*optim.NAMES), pick(None, *optim.SCHEDULE_NAMES), pick(1, 2)
    options = {"clip_norm": pick(None, 0.1), "clip_value": pick(None, 0.01), "toolchain": pick("numba", "numpy")}

    def make(record=True):
        model = nn.MLP(4, hidden, 3, activation=activation, dropout=dropout, dtype=dtype, seed=1)
        parameters = list(model.parameters())
        if groups == 2:
            parameters = [{"params": parameters[:1], "lr": 0.02}, {"params": parameters[1:]}]
        made = optim.make(optimizer, parameters, lr=0.01)
        return gg.Trainer(
            model,
            loss=LOSSES[loss](),
            optimizer=made,
            schedule=schedule and optim.make_schedule(schedule, made),
            device="cpu",
            seed=2,
            record=record,
            **options,
        )

    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x = rng.normal(size=(rows, 4)).astype(pick("float16", "float32", "float64"))
    y = rng.integers(0, 3, rows) if loss == "cross-entropy" else rng.integers(0, 2, (rows, 3)).astype(np.float32)
    fit = {
        "epochs": draw(st.integers(2, 4)),
        "batch_size": draw(st.integers(3, 9)),
        "accumulation_steps": draw(st.integers(1, 3)),
        "shuffle": pick(True, False),
        "scale": pick(1.0, 0.5),
        "sample_weight": pick(None, rng.integers(0, 2, rows) + 1e-3),
        "validation_split": pick(0.0, 0.3) if loss != "cross-entropy" else 0.0,
        "early_stopping": pick(None, 1, 3),
    }
    return make, (x, y), fit


def outcome(trainer):
    """Return all results of a run except its times."""
    state = trainer.optimizer.state_dict()
    arrays = {**trainer.model.state_dict(), **{f"state {k}": v for k, v in state["state"].items()}}
    seconds = ("seconds", "samples_per_second")
    return {
        "arrays": {name: (array.dtype.name, array.shape, array.tobytes()) for name, array in arrays.items()},
        "options": [{**group, "betas": list(group.get("betas", ()))} for group in state["param_groups"]],
        "schedule": trainer.schedule and trainer.schedule.state_dict(),
        "history": [{k: float(v) for k, v in entry.items() if k not in seconds} for entry in trainer.history],
        "stopped": trainer.history.stopped,
        "counts": (trainer.epoch, trainer.steps, trainer.generator.get_calls()),
    }


@settings(max_examples=120, deadline=None)
@given(training=trainings(), where=st.floats(0, 1), gently=st.booleans())
@pytest.mark.slow
def test_recorded_interrupted_or_neither(training, where, gently):
    make, data, fit = training
    whole, memory = make(), Memory()
    whole.fit(*data, **fit, callbacks=[memory, Stop()])
    expected = outcome(whole)

    unrecorded = make(record=False)
    unrecorded.fit(*data, **fit, callbacks=[Memory(), Stop()])
    assert outcome(unrecorded) == expected

    steps = whole.steps // whole.epoch
    if gently:
        stop = Stop(epoch=1 + round(where * (whole.epoch - 1)))
    else:
        stop = Stop(step=steps + 1 + round(where * (whole.steps - steps - 1)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint"
        make().fit(*data, **fit, callbacks=[Memory(), stop], checkpoint=path)
        resumed, kept = make(), Memory()
        resumed.fit(*data, **fit, callbacks=[kept, Stop()], checkpoint=path, resume=path)
        assert os.listdir(folder) == ["checkpoint"]
    assert outcome(resumed) == expected
    assert (kept.calls, kept.average, kept.average.shape) == (memory.calls, memory.average, ())


# ---- interrupted anywhere ----


def example(**options):
    model = nn.MLP(4, [5], 3, dropout=0.2, seed=1)
    made = optim.AdamW(model.parameters(), lr=0.01)
    schedule = optim.OneCycleLR(made)
    return gg.Trainer(model, optimizer=made, schedule=schedule, device="cpu", seed=2, clip_norm=0.5, **options)


def example_data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(20, 4)).astype(np.float32), rng.integers(0, 3, 20)


FIT = {"epochs": 3, "batch_size": 4, "accumulation_steps": 2, "validation_split": 0.3}


class At:
    """Observe a device and raise KeyboardInterrupt after a number of launches."""

    def __init__(self, launches):
        self.left = launches

    def __call__(self, *_):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def uninterrupted():
    trainer = example()
    trainer.fit(*example_data(), **FIT)
    return outcome(trainer)


@pytest.mark.parametrize("record", [True, False])
def test_an_interrupt_after_any_launch(tmp_path, uninterrupted, record):
    counter, trainer = At(-1), example(record=record)
    with gg.device("cpu").observe(counter):
        trainer.fit(*example_data(), **FIT)
    launches = -1 - counter.left
    assert launches > 150
    for k in (*range(10, 90, 7), *range(90, launches + 1, 23), launches):
        path = tmp_path / str(k)
        trainer = example(record=record)
        with gg.device("cpu").observe(At(k)):
            history = trainer.fit(*example_data(), **FIT, checkpoint=path)
        assert history.stopped == f"interrupted in epoch {trainer.epoch + 1}"
        assert [entry["epoch"] for entry in history] == list(range(1, len(history) + 1))
        assert trainer.device.thread.recorder is None
        assert not trainer.model.training
        if path.exists():
            resumed = example(record=record)
            resumed.fit(*example_data(), **FIT, resume=path)
            assert outcome(resumed) == uninterrupted
        assert np.isfinite(trainer.evaluate(*example_data())["loss"])
        trainer.fit(*example_data(), **{**FIT, "epochs": 1})
        assert history[-1]["epoch"] == len(history) == trainer.epoch


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")], ids=["Ctrl-C", "full"])
@pytest.mark.parametrize("function", ["open", "fsync", "replace", "chmod"])
@pytest.mark.parametrize("call", [1, 2])
def test_a_fault_while_a_checkpoint_is_written(tmp_path, monkeypatch, uninterrupted, error, function, call):
    path = tmp_path / "run" / "checkpoint"
    original, calls = getattr(os, function), []

    def fail(first, *rest, **options):
        calls.append(first)
        # A checkpoint opens and syncs its file and its folder.
        if len(calls) == {"open": 2 * call - 1, "fsync": 2 * call}.get(function, call):
            raise error
        return original(first, *rest, **options)

    class Arm(Callback):
        def on_epoch_end(self, trainer, record):
            if record["epoch"] == 2:
                monkeypatch.setattr(os, function, fail)

    trainer, fit = example(), {**FIT, "callbacks": [Arm()]}
    trainer.fit(*example_data(), **{**fit, "epochs": 1}, checkpoint=path)  # there is one to lose
    if error is KeyboardInterrupt:
        assert trainer.fit(*example_data(), **fit, checkpoint=path, resume=path).stopped.startswith("interrupted")
    else:
        with pytest.raises(StorageError, match="free some space"):
            trainer.fit(*example_data(), **fit, checkpoint=path, resume=path)
    assert not trainer.model.training
    monkeypatch.undo()
    assert os.listdir(path.parent) == ["checkpoint"]
    assert read_file(path)[1]["epoch"] in (call, call + 1)  # the new one if only the sync of the folder failed
    resumed = example()
    resumed.fit(*example_data(), **{**FIT, "callbacks": [Arm()]}, resume=path)
    assert [entry["epoch"] for entry in resumed.history] == [1, 2, 3]


# ---- fits after fits ----


def test_a_first_fit_after_a_resume_and_after_the_training_in_one_piece(tmp_path):
    whole = example()
    whole.fit(*example_data(), **FIT)
    whole.fit(*example_data(), **FIT)
    example().fit(*example_data(), **FIT, checkpoint=tmp_path / "c", callbacks=[Stop(epoch=2)])
    resumed = example()
    resumed.fit(*example_data(), **FIT, resume=tmp_path / "c", callbacks=[Stop()])
    resumed.fit(*example_data(), **FIT)
    assert outcome(resumed) == outcome(whole)


def test_a_resumed_training_with_more_epochs_and_one_that_is_done(tmp_path):
    example().fit(*example_data(), **FIT, checkpoint=tmp_path / "c")
    done = example()
    done.fit(*example_data(), **{**FIT, "epochs": 2}, resume=tmp_path / "c")
    assert (done.epoch, done.history.stopped) == (3, None)
    more = example()
    more.fit(*example_data(), **{**FIT, "epochs": 5}, resume=tmp_path / "c")
    assert [entry["epoch"] for entry in more.history] == [1, 2, 3, 4, 5]


def test_resuming_forgets_what_the_trainer_did_before(tmp_path, uninterrupted):
    example().fit(*example_data(), **FIT, checkpoint=tmp_path / "c", callbacks=[Stop(epoch=1)])
    trainer = example()
    trainer.fit(*example_data(), epochs=2, batch_size=7)
    trainer.fit(*example_data(), **FIT, resume=tmp_path / "c", callbacks=[Stop()])
    assert outcome(trainer) == uninterrupted


def test_a_schedule_ends_with_the_training_whatever_was_trained_before():
    trainer = example()
    trainer.schedule = None
    trainer.fit(*example_data(), epochs=2, batch_size=2)
    trainer.schedule = optim.CosineAnnealingLR(trainer.optimizer)
    trainer.fit(*example_data(), epochs=2, batch_size=5)
    assert trainer.optimizer.param_groups[0]["lr"] == pytest.approx(0, abs=1e-12)
    trainer.fit(*example_data(), epochs=2, batch_size=3)  # a longer run, which ends at the last rate
    assert trainer.optimizer.param_groups[0]["lr"] == pytest.approx(0, abs=1e-12)


# ---- errors ----


@pytest.mark.parametrize(
    ("trainer", "fit", "message"),
    [
        ({}, {"batch_size": 5}, "batch_size 4, this run has 5"),
        ({}, {"accumulation_steps": 1}, "accumulation_steps 2, this run has 1"),
        ({}, {"shuffle": False}, "shuffle True, this run has False"),
        ({}, {"validation_split": 0.0}, "rows 14, this run has 20"),
        ({}, {"callbacks": [EarlyStopping(3)]}, r"callbacks \[\], this run has \['EarlyStopping'\]"),
        ({"seed": 3}, {}, "seed 2, this run has 3"),
        ({"lr": 0.5}, {}, r"lr of parameter group 0 0\.01, this run has 0\.5"),
        ({"betas": (0.5, 0.9)}, {}, r"betas of parameter group 0 \[0\.9, 0\.999\], this run has \[0\.5, 0\.9\]"),
        ({"schedule": None}, {}, "schedule OneCycleLR, this run has None"),
        ({"activation": "tanh"}, {}, "activation relu, this run has tanh"),
    ],
)
def test_a_checkpoint_of_a_training_with_other_settings(tmp_path, trainer, fit, message):
    path = tmp_path / "c"
    example().fit(*example_data(), **FIT, checkpoint=path)
    model = nn.MLP(4, [5], 3, dropout=0.2, seed=1, activation=trainer.get("activation", "relu"))
    made = optim.AdamW(model.parameters(), lr=trainer.get("lr", 0.01), betas=trainer.get("betas", (0.9, 0.999)))
    schedule = trainer.get("schedule", optim.OneCycleLR(made))
    other = gg.Trainer(model, optimizer=made, schedule=schedule, device="cpu", seed=trainer.get("seed", 2))
    with pytest.raises(CheckpointError, match=f"was written with {message}: resume with the same settings"):
        other.fit(*example_data(), **{**FIT, **fit}, resume=path)
