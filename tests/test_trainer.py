"""Trainer: what it trains, what it refuses, what it leaves."""

from __future__ import annotations

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import nn, optim
from gpugrad.callbacks import Callback, EarlyStopping
from gpugrad.errors import ArgumentError, CheckpointError, DataError, NonFiniteError


def blobs(rows=300, features=6, classes=3, seed=0):
    """Points around one centre a class, well apart."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(0, 3, (classes, features))
    y = rng.integers(classes, size=rows)
    return (centres[y] + rng.normal(0, 0.5, (rows, features))).astype(np.float32), y.astype(np.int32)


def make_trainer(classes=3, features=6, dropout=0.0, lr=0.01, optimizer=optim.Adam, **options):
    model = nn.MLP(features, [16], classes, dropout=dropout, seed=1)
    return gg.Trainer(model, optimizer=optimizer(model.parameters(), lr=lr), device="cpu", seed=3, **options)


def weights(trainer):
    return np.concatenate([array.reshape(-1) for array in trainer.model.state_dict().values()])


def test_learns_and_generalises():
    trainer = make_trainer()
    history = trainer.fit(*blobs(), epochs=10, batch_size=32, validation_data=blobs(seed=1))
    assert history["train_loss"][-1] < 0.1 * history["train_loss"][0]
    assert history[-1]["validation_accuracy"] > 0.98
    x, y = blobs(seed=2)
    assert trainer.evaluate(x, y)["accuracy"] > 0.98
    assert np.mean(trainer.predict(x) == y) > 0.98
    probabilities = trainer.predict_proba(x)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), trainer.predict(x))


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize(
    "options", [{}, {"clip_norm": 0.1}, {"clip_value": 0.01}], ids=["plain", "clipped by norm", "clipped by value"]
)
def test_recorded_training_equals_unrecorded_bit_for_bit(options, dropout):
    results = []
    for recorded in (True, False):
        trainer = make_trainer(dropout=dropout, record=recorded, **options)
        trainer.schedule = optim.OneCycleLR(trainer.optimizer, max_lr=0.05)
        trainer.fit(*blobs(rows=301), epochs=3, batch_size=32, accumulation_steps=2)
        results.append((weights(trainer), trainer.history["train_loss"]))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    assert results[0][1] == results[1][1]


def test_same_seed_same_bits_other_seed_other_bits():
    def run(seed):
        model = nn.MLP(6, [16], 3, dropout=0.2, seed=1)
        trainer = gg.Trainer(model, device="cpu", seed=seed)
        trainer.fit(*blobs(), epochs=2, batch_size=32)
        return weights(trainer)

    np.testing.assert_array_equal(run(5), run(5))
    assert not np.array_equal(run(5), run(6))


def test_numba_and_numpy_toolchains_agree():
    results = []
    for toolchain in ("numba", "numpy"):
        trainer = make_trainer(dropout=0.2, toolchain=toolchain)
        trainer.fit(*blobs(), epochs=3, batch_size=32)
        results.append(weights(trainer))
    np.testing.assert_allclose(results[0], results[1], rtol=1e-3, atol=1e-4)


def test_the_last_smaller_minibatch_is_trained():
    seen = []

    class Spy(Callback):
        def on_step_end(self, trainer, step):
            seen.append(step)

    trainer = make_trainer()
    trainer.fit(*blobs(rows=70), epochs=1, batch_size=32, callbacks=[Spy()])
    assert seen == [1, 2, 3]
    # With plain gradient descent and one batch a step, a row of the last minibatch moves the weights.
    x, y = blobs(rows=33)
    moved = []
    for value in (0.0, 5.0):
        changed = x.copy()
        changed[-1] += value
        trainer = make_trainer(optimizer=optim.SGD)
        trainer.fit(changed, y, epochs=1, batch_size=32, shuffle=False)
        moved.append(weights(trainer))
    assert not np.array_equal(*moved)


def test_accumulated_gradients_equal_one_large_minibatch():
    results = []
    for batch_size, accumulation in ((60, 1), (20, 3)):
        trainer = make_trainer(optimizer=optim.SGD, lr=0.1)
        trainer.fit(*blobs(rows=150), epochs=2, batch_size=batch_size, accumulation_steps=accumulation, shuffle=False)
        results.append((trainer.steps, weights(trainer)))
    assert results[0][0] == results[1][0]
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-4, atol=1e-6)


def test_a_weight_of_zero_removes_a_row_and_class_weights_multiply():
    x, y = blobs(rows=64)
    keep = np.arange(64) % 2 == 0
    results = []
    for data in ((x, y, keep.astype(float)), (x[keep], y[keep], None)):
        trainer = make_trainer(optimizer=optim.SGD, lr=0.1)
        rows = len(data[0])
        trainer.fit(data[0], data[1], sample_weight=data[2], epochs=3, batch_size=rows, shuffle=False)
        results.append(weights(trainer))
    np.testing.assert_allclose(results[0], results[1], rtol=1e-4, atol=1e-6)

    by_class = []
    for options in (
        {"class_weight": {0: 2.0, 2: 0.5}},
        {"class_weight": [2.0, 1.0, 0.5]},
        {"sample_weight": np.array([2.0, 1.0, 0.5])[y]},
    ):
        trainer = make_trainer(optimizer=optim.SGD, lr=0.1)
        trainer.fit(x, y, epochs=2, batch_size=32, **options)
        by_class.append(weights(trainer))
    np.testing.assert_array_equal(by_class[0], by_class[1])
    np.testing.assert_array_equal(by_class[0], by_class[2])


def test_stored_bytes_are_scaled_as_they_are_gathered():
    x, y = blobs(rows=64)
    stored = np.clip((x - x.min()) * 16, 0, 255).astype(np.uint8)
    results = []
    for data, scale in ((stored, 1 / 255), (stored.astype(np.float32) * np.float32(1 / 255), 1.0)):
        trainer = make_trainer()
        trainer.fit(data, y, epochs=2, batch_size=32, scale=scale)
        results.append(weights(trainer))
    np.testing.assert_allclose(results[0], results[1], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "loss", [nn.MSELoss(), nn.L1Loss(), nn.HuberLoss(), nn.PoissonNLLLoss()], ids=lambda m: type(m).__name__
)
def test_regression_losses_learn(loss):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 3)).astype(np.float32)
    y = np.exp(0.5 * x[:, :1] - 0.3 * x[:, 1:2])
    model = nn.MLP(3, [32], 1, activation="tanh", seed=0)
    trainer = gg.Trainer(model, loss=loss, optimizer=optim.Adam(model.parameters(), lr=0.01), device="cpu")
    history = trainer.fit(x, y, epochs=40, batch_size=32)
    assert history["train_loss"][-1] < history["train_loss"][0]
    assert trainer.evaluate(x, y)["r2"] > 0.9
    assert trainer.predict(x).shape == (400, 1)


def test_multi_label_learns():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 4)).astype(np.float32)
    y = (x[:, :3] > 0).astype(np.float32)
    model = nn.MLP(4, [16], 3, seed=0)
    trainer = gg.Trainer(
        model, loss=nn.BCEWithLogitsLoss(), optimizer=optim.Adam(model.parameters(), lr=0.02), device="cpu"
    )
    trainer.fit(x, y, epochs=20, batch_size=32, validation_split=0.2)
    assert trainer.evaluate(x, y)["accuracy"] > 0.95
    assert set(np.unique(trainer.predict(x))) <= {0, 1}
    assert trainer.predict_proba(x).shape == (300, 3)


def test_validation_split_is_stratified_and_not_trained_on():
    x, y = blobs(rows=200)
    trainer = make_trainer()
    history = trainer.fit(x, y, epochs=2, batch_size=16, validation_split=0.25)
    assert history[0]["steps"] == -(-150 // 16)
    assert "validation_accuracy" in history[0]


def test_early_stopping_restores_the_best_weights():
    x, y = blobs(rows=60)
    rng = np.random.default_rng(0)
    xv, yv = rng.normal(size=(60, 6)).astype(np.float32), rng.integers(3, size=60)  # noise: overfits at once
    trainer = make_trainer(lr=0.05)
    kept = {}

    class Keep(Callback):
        def on_epoch_end(self, trainer, record):
            kept[record["epoch"]] = weights(trainer)

    history = trainer.fit(
        x, y, epochs=50, batch_size=20, validation_data=(xv, yv), early_stopping=EarlyStopping(3), callbacks=[Keep()]
    )
    losses = history["validation_loss"]
    best = int(np.argmin(losses)) + 1
    assert len(history) == best + 3 < 50
    assert f"epoch {best}" in history.stopped
    np.testing.assert_array_equal(weights(trainer), kept[best])


def test_an_interrupt_leaves_a_usable_model():
    class Interrupt(Callback):
        def on_step_end(self, trainer, step):
            if step == 15:
                raise KeyboardInterrupt

    trainer = make_trainer()
    x, y = blobs()
    history = trainer.fit(x, y, epochs=50, batch_size=32, callbacks=[Interrupt()])
    assert len(history) == 1
    assert "interrupted in epoch 2" in history.stopped
    assert 0 <= trainer.evaluate(x, y)["accuracy"] <= 1
    assert not trainer.model.training
    trainer.fit(x, y, epochs=1, batch_size=32)
    assert len(trainer.history) == 2


def test_a_second_fit_goes_on():
    x, y = blobs()
    once, twice = make_trainer(dropout=0.1), make_trainer(dropout=0.1)
    once.fit(x, y, epochs=4, batch_size=32)
    twice.fit(x, y, epochs=2, batch_size=32)
    twice.fit(x, y, epochs=2, batch_size=32)
    np.testing.assert_array_equal(weights(once), weights(twice))
    assert once.history["train_loss"] == twice.history["train_loss"]


# ---- a loss that is no longer finite ----


def test_the_first_non_finite_operation_is_named_and_the_last_good_epoch_kept(tmp_path):
    x, y = blobs(rows=96)
    trainer = make_trainer(lr=0.01)
    trainer.fit(x, y, epochs=2, batch_size=32, checkpoint=tmp_path / "c.safetensors")
    good = weights(trainer)
    kept = (tmp_path / "c.safetensors").read_bytes()
    bad = x.copy()
    bad[:] = np.where(np.arange(96)[:, None] == 40, 3e38, x)  # finite in the data, overflows in the product
    with pytest.raises(NonFiniteError, match=r"epoch 3, step 2 of 3: dense_forward\(activation=relu.*wrote") as caught:
        trainer.fit(bad, y, epochs=2, batch_size=32, shuffle=False, checkpoint=tmp_path / "c.safetensors")
    assert "lower the learning rate" in str(caught.value)
    np.testing.assert_array_equal(weights(trainer), good)
    assert trainer.epoch == 2
    assert (tmp_path / "c.safetensors").read_bytes() == kept


def test_a_learning_rate_that_explodes_is_stopped():
    trainer = make_trainer(optimizer=optim.SGD, lr=1e30)
    with pytest.raises(NonFiniteError, match="epoch 1, step"):
        trainer.fit(*blobs(), epochs=3, batch_size=32)
    assert np.isfinite(weights(trainer)).all()


# ---- checkpoints ----


class StopAt(Callback):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, trainer, record):
        if record["epoch"] == self.epoch:
            trainer.stop("test")


def resumable(**options):
    trainer = make_trainer(dropout=0.2, optimizer=optim.AdamW, clip_norm=0.5, **options)
    trainer.schedule = optim.CosineAnnealingLR(trainer.optimizer)
    return trainer


def test_resuming_ends_in_the_same_bits_as_never_stopping(tmp_path):
    x, y = blobs(rows=150)
    options = {"epochs": 6, "batch_size": 32, "validation_split": 0.2, "early_stopping": 4, "accumulation_steps": 2}
    whole = resumable()
    whole.fit(x, y, **options, callbacks=[StopAt(99)])
    path = tmp_path / "run" / "checkpoint.safetensors"
    resumable().fit(x, y, **options, callbacks=[StopAt(2)], checkpoint=path)
    resumed = resumable()
    resumed.fit(x, y, **options, callbacks=[StopAt(99)], checkpoint=path, resume=path)
    np.testing.assert_array_equal(weights(whole), weights(resumed))
    assert whole.steps == resumed.steps
    for name in ("epoch", "train_loss", "validation_loss", "validation_accuracy", "lr"):
        assert whole.history[name] == resumed.history[name]
    for a, b in zip(
        whole.optimizer.state_dict()["state"].values(), resumed.optimizer.state_dict()["state"].values(), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    x, y = blobs(rows=96)
    path = tmp_path / "c.safetensors"
    make_trainer().fit(x, y, epochs=1, batch_size=32, checkpoint=path)
    with pytest.raises(CheckpointError, match="batch_size 32, this training has 16"):
        make_trainer().fit(x, y, epochs=2, batch_size=16, resume=path)
    with pytest.raises(CheckpointError, match="optimizer Adam, this training has SGD"):
        make_trainer(optimizer=optim.SGD).fit(x, y, epochs=2, batch_size=32, resume=path)
    model = nn.MLP(6, [17], 3, seed=1)
    trainer = gg.Trainer(model, optimizer=optim.Adam(model.parameters()), device="cpu", seed=3)
    with pytest.raises(CheckpointError, match="shape"):
        trainer.fit(x, y, epochs=2, batch_size=32, resume=path)
    trainer.save(tmp_path / "m.safetensors")
    with pytest.raises(CheckpointError, match="without the state"):
        trainer.fit(x, y, epochs=2, batch_size=32, resume=tmp_path / "m.safetensors")


# ---- what is refused ----


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"x": np.zeros((0, 6), np.float32)}, DataError, "at least one row"),
        ({"x": np.zeros((300, 5), np.float32)}, ArgumentError, "6"),
        ({"x": np.full((300, 6), np.nan, np.float32)}, DataError, "finite"),
        ({"x": np.array([["a"] * 6] * 300)}, DataError, "numbers"),
        ({"x": np.zeros(300, np.float32)}, DataError, "rows, features"),
        ({"y": np.full(300, 3)}, DataError, "label 3 in row 0, expected 0 … 2"),
        ({"y": np.zeros(299, int)}, DataError, "as many rows"),
        ({"y": np.zeros(300)}, DataError, "integer class labels"),
        ({"epochs": 0}, ArgumentError, "epochs is 0"),
        ({"batch_size": 0}, ArgumentError, "batch_size is 0"),
        ({"batch_size": 301}, ArgumentError, "fewer than the batch size 301"),
        ({"batch_size": 2.5}, ArgumentError, "batch_size is 2.5"),
        ({"accumulation_steps": -1}, ArgumentError, "accumulation_steps"),
        ({"validation_split": 1.0}, ArgumentError, "validation_split"),
        ({"scale": 0.0}, ArgumentError, "scale"),
        ({"sample_weight": -np.ones(300)}, DataError, "sample_weight"),
        ({"class_weight": {7: 1.0}}, ArgumentError, "class 7"),
        ({"class_weight": "even"}, ArgumentError, "balanced"),
        ({"early_stopping": -1}, ArgumentError, "patience"),
    ],
)
def test_bad_input_is_refused_before_training(change, error, message):
    x, y = blobs()
    arguments = {"x": x, "y": y, "epochs": 1, "batch_size": 32, **change}
    trainer = make_trainer()
    before = weights(trainer)
    with pytest.raises(error, match=message):
        trainer.fit(arguments.pop("x"), arguments.pop("y"), **arguments)
    np.testing.assert_array_equal(weights(trainer), before)


def test_bad_trainer_options():
    model = nn.MLP(2, [], 2)
    for options, message in (
        ({"clip_norm": 0.0}, "clip_norm"),
        ({"clip_value": float("nan")}, "clip_value"),
        ({"seed": -1}, "seed"),
        ({"device": "gpu"}, "unknown device"),
    ):
        with pytest.raises(ArgumentError, match=message):
            gg.Trainer(model, **{"device": "cpu", **options})
    with pytest.raises(ArgumentError, match="logits"):
        gg.Trainer(model, loss=nn.MSELoss(), device="cpu").predict_proba(np.zeros((1, 2), np.float32))
