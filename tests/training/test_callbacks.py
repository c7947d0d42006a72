"""Callbacks: the order of calls, changes they may make, and early stopping in all its cases."""

from __future__ import annotations

import math

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import nn, optim
from gpugrad.errors import ArgumentError, CheckpointError, NonFiniteError
from gpugrad.training.callbacks import Callback, EarlyStopping


def data(rows=40, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 3)).astype(np.float32)
    return x, (x[:, 0] > 0).astype(np.int32)


def make_trainer(lr=0.01, **options):
    model = nn.MLP(3, [8], 2, seed=0)
    return gg.Trainer(model, optimizer=optim.Adam(model.parameters(), lr=lr), device="cpu", seed=0, **options)


def weights(trainer):
    return np.concatenate([array.ravel() for array in trainer.model.state_dict().values()])


class Script(Callback):
    """Record every call, write given values into the epochs' records, and stop at a given call."""

    def __init__(self, values=(), stop_in=None):
        self.calls, self.values, self.stop_in, self.kept = [], list(values), stop_in, {}

    def note(self, trainer, *call):
        self.calls.append(call)
        if self.stop_in == call:
            trainer.stop("test")

    def on_fit_begin(self, trainer):
        self.note(trainer, "fit begin", trainer.epoch)

    def on_epoch_begin(self, trainer, epoch):
        assert trainer.epoch == epoch
        self.note(trainer, "epoch begin", epoch)

    def on_step_end(self, trainer, step):
        assert (trainer.steps, trainer.model.training) == (step, True)
        self.note(trainer, "step", step)

    def on_epoch_end(self, trainer, record):
        assert trainer.epoch == record["epoch"] == len(trainer.history)
        if self.values:
            record["value"] = self.values[record["epoch"] - 1]
        self.kept[record["epoch"]] = weights(trainer)
        self.note(trainer, "epoch end", record["epoch"])

    def on_fit_end(self, trainer):
        assert not trainer.model.training
        self.note(trainer, "fit end", trainer.epoch)


def test_the_order_of_calls():
    script = Script()
    make_trainer().fit(*data(), epochs=2, batch_size=20, callbacks=[script])
    epochs = [[("epoch begin", e), ("step", 2 * e + 1), ("step", 2 * e + 2), ("epoch end", e + 1)] for e in range(2)]
    assert script.calls == [("fit begin", 0), *epochs[0], *epochs[1], ("fit end", 2)]


@pytest.mark.parametrize(
    ("moment", "epochs"),
    [
        (("fit begin", 0), 0),
        (("epoch begin", 0), 0),
        (("epoch begin", 2), 2),
        (("step", 5), 3),
        (("epoch end", 3), 3),
        (("fit end", 4), 4),
    ],
)
def test_stop_ends_the_training_from_any_callback(moment, epochs):
    trainer, script = make_trainer(), Script(stop_in=moment)
    history = trainer.fit(*data(), epochs=4, batch_size=20, callbacks=[script])
    assert (len(history), history.stopped) == (epochs, "test")
    assert script.calls[-1] == ("fit end", epochs)
    assert trainer.fit(*data(), epochs=1, batch_size=20).stopped is None  # for one fit only
    assert len(history) == epochs + 1


@pytest.mark.parametrize("moment", ["on_fit_begin", "on_epoch_begin", "on_step_end", "on_epoch_end", "on_fit_end"])
def test_an_error_in_a_callback_leaves_a_usable_trainer(moment):
    class Broken(Callback):
        pass

    def fail(*_):
        raise RuntimeError("broken")

    setattr(Broken, moment, fail)
    trainer = make_trainer()
    with pytest.raises(RuntimeError, match="broken"):
        trainer.fit(*data(), epochs=1, batch_size=20, callbacks=[Broken()])
    before = len(trainer.history)
    trainer.fit(*data(), epochs=1, batch_size=20)
    assert [entry["epoch"] for entry in trainer.history] == list(range(1, before + 2))


def test_callbacks_see_the_rate_of_the_next_epoch_and_may_change_it():
    class Rate(Callback):
        def __init__(self):
            self.seen = []

        def on_epoch_end(self, trainer, record):
            self.seen.append(trainer.optimizer.param_groups[0]["lr"])
            trainer.optimizer.param_groups[0]["lr"] = 0.25

    trainer = make_trainer(lr=0.1)
    trainer.schedule = optim.StepLR(trainer.optimizer, 1)
    rate = Rate()
    history = trainer.fit(*data(), epochs=2, batch_size=20, callbacks=[rate])
    assert rate.seen == pytest.approx([0.01, 0.001])
    assert history["lr"] == [0.1, 0.25]


class Count(Callback):
    """Keep only plain values."""

    def __init__(self):
        self.epochs = 0

    def on_epoch_end(self, trainer, record):
        self.epochs += 1

    def state_dict(self):
        return {"epochs": self.epochs}

    def load_state_dict(self, state):
        assert state["arrays"] == {}
        self.epochs = state["epochs"]


def test_the_state_of_a_callback_is_kept_and_gone_back_to(tmp_path):
    fit = {"epochs": 2, "batch_size": 20}
    make_trainer().fit(*data(), **fit, callbacks=[Count()], checkpoint=tmp_path / "c")
    trainer, count = make_trainer(), Count()
    trainer.fit(*data(), **{**fit, "epochs": 3}, callbacks=[count], resume=tmp_path / "c")
    assert count.epochs == 3
    x, y = data()
    x[0] = 3e38
    with pytest.raises(NonFiniteError):
        trainer.fit(x, y, **fit, callbacks=[count])
    assert count.epochs == 3


def test_a_callback_that_cannot_load_its_state_changes_nothing(tmp_path):
    class Changed(Count):
        def load_state_dict(self, state):
            self.epochs = state["runs"]

    Changed.__name__ = "Count"
    make_trainer().fit(*data(), epochs=2, batch_size=20, callbacks=[Count()], checkpoint=tmp_path / "c")
    trainer = make_trainer()
    before = weights(trainer)
    with pytest.raises(CheckpointError, match=r"is damaged .*header.*'runs'"):
        trainer.fit(*data(), epochs=3, batch_size=20, callbacks=[Changed()], resume=tmp_path / "c")
    assert (trainer.epoch, trainer.steps) == (0, 0)
    np.testing.assert_array_equal(weights(trainer), before)


def test_what_a_callback_adds_to_the_history_can_be_written(tmp_path):
    trainer = make_trainer()
    history = trainer.fit(*data(), epochs=2, batch_size=20, callbacks=[Script([np.float32(0.5), np.int64(2)])])
    assert [(type(value), value) for value in history["value"]] == [(float, 0.5), (int, 2)]
    history.to_json(tmp_path / "history.json")
    with pytest.raises(ArgumentError, match=r"cannot hold .* of type set"):
        make_trainer().fit(*data(), epochs=1, batch_size=20, callbacks=[Script([{1}])])


# ---- early stopping ----


CASES = {
    # values of the epochs, options, epochs trained, best epoch
    "no progress": ([3, 2, 2, 2, 1], {"patience": 2}, 4, 2),
    "just in time": ([3, 4, 2, 4, 1, 5], {"patience": 2}, 6, 5),
    "patience of one": ([3, 3, 1], {"patience": 1}, 2, 1),
    "to the last epoch": ([5, 4, 3], {"patience": 1}, 3, 3),
    "a change too small": ([3, 2.95, 2.9, 2.85], {"patience": 3, "min_delta": 0.2}, 4, 1),
    "small changes add up": ([3, 2.9, 2.7, 2.6], {"patience": 2, "min_delta": 0.2}, 4, 3),
    "the highest": ([1, 2, 1, 1, 3], {"patience": 2, "mode": "max"}, 4, 2),
    "NaN first": ([math.nan, math.nan, 2, 3], {"patience": 3}, 4, 3),
    "NaN between": ([3, math.nan, 2, math.nan, math.nan], {"patience": 2}, 5, 3),
    "infinity first": ([math.inf, 3, 4, 4], {"patience": 2}, 4, 2),
}


@pytest.mark.parametrize("case", CASES)
def test_early_stopping(case):
    values, options, epochs, best = CASES[case]
    trainer, script, stopping = make_trainer(), Script(values), EarlyStopping(monitor="value", **options)
    trainer.fit(*data(), epochs=len(values), batch_size=20, callbacks=[script, stopping])
    assert (len(trainer.history), stopping.best_epoch, stopping.best) == (epochs, best, values[best - 1])
    np.testing.assert_array_equal(weights(trainer), script.kept[best])
    assert stopping.state_dict()["arrays"] == {}  # not kept any longer
    expected = f"value has not improved on {values[best - 1]:.4g} since epoch {best}"
    assert trainer.history.stopped == (expected if epochs < len(values) else None)


def test_the_weights_of_the_last_epoch_can_be_kept():
    trainer, script = make_trainer(), Script([1, 2, 3, 4])
    stopping = EarlyStopping(2, monitor="value", restore_best=False)
    trainer.fit(*data(), epochs=4, batch_size=20, callbacks=[script, stopping])
    np.testing.assert_array_equal(weights(trainer), script.kept[3])
    assert not np.array_equal(script.kept[1], script.kept[3])


def test_what_is_monitored():
    for options, fit, expected in (
        ({}, {}, "train_loss"),
        ({}, {"validation_data": data(20, 1)}, "validation_loss"),
        ({"monitor": "validation_accuracy"}, {"validation_data": data(20, 1)}, "validation_accuracy"),
    ):
        stopping = EarlyStopping(50, **options)
        history = make_trainer(lr=0.3).fit(*data(), epochs=9, batch_size=20, early_stopping=stopping, **fit)
        best = max if expected.endswith("accuracy") else min
        assert stopping.best == best(history[expected])
        assert stopping.best_epoch == history[expected].index(stopping.best) + 1
    with pytest.raises(ArgumentError, match=r"monitors 'accuracy', which no epoch records: choose one of epoch, "):
        make_trainer().fit(*data(), epochs=1, batch_size=20, early_stopping=EarlyStopping(monitor="accuracy"))


def test_each_fit_begins_anew():
    stopping = EarlyStopping(2, monitor="value")
    trainer, script = make_trainer(), Script([1, 5, 5, 4, 6, 6, 6])
    fit = {"epochs": 5, "batch_size": 20, "callbacks": [script, stopping]}
    trainer.fit(*data(), **fit)
    assert (len(trainer.history), stopping.best_epoch) == (3, 1)
    trainer.fit(*data(), **fit)
    assert (len(trainer.history), stopping.best_epoch, stopping.best) == (6, 4, 4)
    np.testing.assert_array_equal(weights(trainer), script.kept[4])
    other, script = make_trainer(lr=0.02), Script([9, 9, 9])
    other.fit(*data(), **{**fit, "callbacks": [script, stopping]})
    assert (len(other.history), stopping.best) == (3, 9)
    np.testing.assert_array_equal(weights(other), script.kept[1])


def test_an_interrupt_restores_the_best_weights_too():
    class Interrupt(Callback):
        def on_step_end(self, trainer, step):
            if step == 6:
                raise KeyboardInterrupt

    trainer, script = make_trainer(), Script([1, 2, 3])
    stopping = EarlyStopping(5, monitor="value")
    trainer.fit(*data(), epochs=5, batch_size=20, callbacks=[script, stopping, Interrupt()])
    assert trainer.history.stopped == "interrupted in epoch 3"
    np.testing.assert_array_equal(weights(trainer), script.kept[1])


def test_a_training_resumed_after_its_last_epoch_ends_there(tmp_path):
    path, values = tmp_path / "c", [1, 2, 3, 0, 0]
    results = []
    for resume in (None, path):
        trainer, stopping = make_trainer(), EarlyStopping(2, monitor="value")
        fit = {"epochs": 5, "batch_size": 20, "callbacks": [Script(values), stopping], "checkpoint": path}
        trainer.fit(*data(), **fit, resume=resume)
        results.append((weights(trainer).tolist(), trainer.epoch, trainer.history.stopped, stopping.best_epoch))
    assert results[0] == results[1]
    assert results[0][1] == 3
    trainer = make_trainer()  # more patience than before: it continues
    callbacks = [Script(values), EarlyStopping(3, monitor="value")]
    trainer.fit(*data(), epochs=5, batch_size=20, callbacks=callbacks, resume=path)
    assert trainer.epoch == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patience": 0}, "patience is 0"),
        ({"patience": 1.5}, "patience is 1.5"),
        ({"patience": True}, "patience is True"),
        ({"min_delta": -1}, "min_delta is -1"),
        ({"min_delta": math.nan}, "min_delta is nan"),
        ({"mode": "mix"}, "unknown mode 'mix': did you mean 'min'"),
    ],
)
def test_options_that_early_stopping_refuses(options, message):
    with pytest.raises(ArgumentError, match=message):
        EarlyStopping(**options)
    assert EarlyStopping(np.int64(3)).patience == 3


def test_a_fit_within_a_fit_is_refused_and_harms_nothing():
    x, y = data()
    trainer = make_trainer()

    class Again(Callback):
        def on_epoch_end(self, run, record):
            with pytest.raises(ArgumentError, match=r"this Trainer is in fit\(\) already: train it after that ends"):
                trainer.fit(x, y, epochs=1)
            trainer.predict(x)

    trainer.fit(x, y, epochs=2, callbacks=[Again()])
    plain = make_trainer()
    plain.fit(x, y, epochs=2)
    np.testing.assert_array_equal(weights(trainer), weights(plain))
    assert len(trainer.fit(x, y, epochs=1)) == 3
