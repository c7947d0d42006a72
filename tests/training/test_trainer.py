"""Trainer: results of training, refused arguments, and state after a fit."""

from __future__ import annotations

import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import nn, optim
from gpugrad.errors import ArgumentError, CheckpointError, DataError, NonFiniteError, RecordingError, StorageError
from gpugrad.kernels.dense import backward_workspace, forward_workspace
from gpugrad.training import evaluation
from gpugrad.training.callbacks import Callback, EarlyStopping
from gpugrad.training.minibatches import Minibatches

init, begin = Minibatches.__init__, Minibatches.begin_epoch


def blobs(rows=300, features=6, classes=3, seed=0):
    """Return points around one centre per class, far apart."""
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


def test_trainers_in_threads_end_with_the_bits_they_have_alone():

    def train(seed, trainer):
        trainer.fit(*blobs(seed=seed), epochs=3, batch_size=32, validation_data=blobs(seed=9))
        return weights(trainer)

    alone = [train(seed, make_trainer(dropout=0.2)) for seed in range(6)]
    trainers = [make_trainer(dropout=0.2) for _ in range(6)]
    with ThreadPoolExecutor(4) as threads:
        np.testing.assert_array_equal(list(threads.map(train, range(6), trainers)), alone)


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


@pytest.mark.parametrize(("dropout", "shuffle"), [(0.0, True), (0.2, False)])
def test_same_seed_same_bits_other_seed_other_bits(dropout, shuffle):
    def run(seed):
        model = nn.MLP(6, [16], 3, dropout=dropout, seed=1)
        trainer = gg.Trainer(model, device="cpu", seed=seed)
        trainer.fit(*blobs(), epochs=2, batch_size=32, shuffle=shuffle)
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
    # With plain gradient descent and one batch per step, a row of the last minibatch moves the weights.
    x, y = blobs(rows=33)
    moved = []
    for value in (0.0, 5.0):
        changed = x.copy()
        changed[-1] += value
        trainer = make_trainer(optimizer=optim.SGD)
        trainer.fit(changed, y, epochs=1, batch_size=32, shuffle=False)
        moved.append(weights(trainer))
    assert not np.array_equal(*moved)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("limits", [{}, {"clip_norm": 0.1}, {"clip_value": 0.01}], ids=["", "norm", "value"])
def test_accumulated_gradients_equal_one_large_minibatch(weighted, limits):
    x, y = blobs(rows=150)
    weight = np.random.default_rng(0).uniform(0, 9, 150) if weighted else None
    results = []
    for batch_size, accumulation in ((60, 1), (20, 3), (7, 9)):  # 63 rows per step
        trainer = make_trainer(optimizer=optim.SGD, lr=0.1, **limits)
        rows = 126 if batch_size == 7 else 150
        trainer.fit(
            x[:rows],
            y[:rows],
            epochs=2,
            batch_size=batch_size,
            accumulation_steps=accumulation,
            shuffle=False,
            sample_weight=None if weight is None else weight[:rows],
        )
        results.append((trainer.steps, weights(trainer), trainer.history["train_loss"]))
    other = make_trainer(optimizer=optim.SGD, lr=0.1, **limits)
    other.fit(
        x[:126],
        y[:126],
        epochs=2,
        batch_size=63,
        shuffle=False,
        sample_weight=None if weight is None else weight[:126],
    )
    results.append((other.steps, weights(other), other.history["train_loss"]))
    for a, b in ((0, 1), (2, 3)):
        assert results[a][0] == results[b][0]
        np.testing.assert_allclose(results[a][1], results[b][1], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(results[a][2], results[b][2], rtol=1e-5)


def test_the_training_loss_is_the_weighted_mean_over_all_rows():
    x, y = blobs(rows=70)
    for weight in (None, np.random.default_rng(0).uniform(0, 5, 70)):
        for batch_size, accumulation in ((70, 1), (32, 1), (8, 3)):
            trainer = make_trainer(optimizer=optim.SGD, lr=1e-30)  # the weights stay where they are
            expected = trainer.evaluate(x, y, sample_weight=weight)["loss"]
            options = {"batch_size": batch_size, "accumulation_steps": accumulation, "sample_weight": weight}
            assert trainer.fit(x, y, epochs=1, **options)[0]["train_loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(), nn.MSELoss(), nn.BCEWithLogitsLoss()])
def test_minibatches_whose_rows_have_no_weight_do_not_count(loss):
    x, y = blobs(rows=64)
    if not isinstance(loss, nn.CrossEntropyLoss):
        y = np.eye(3, dtype=np.float32)[y]
    weight = np.arange(64) < 32  # the whole second minibatch counts for nothing
    trainer = make_trainer(optimizer=optim.SGD, lr=0.1, loss=loss)
    history = trainer.fit(x, y, sample_weight=weight, epochs=3, batch_size=32, shuffle=False)
    other = make_trainer(optimizer=optim.SGD, lr=0.2, loss=loss)  # half of the rows: each counts twice
    other.fit(x[:32], y[:32], epochs=3, batch_size=32, shuffle=False)
    np.testing.assert_allclose(weights(trainer), weights(other), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(history["train_loss"], other.history["train_loss"], rtol=1e-5)


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

    both, product = make_trainer(optimizer=optim.SGD, lr=0.1), make_trainer(optimizer=optim.SGD, lr=0.1)
    weight = np.arange(64.0)
    both.fit(x, y, epochs=2, batch_size=32, sample_weight=weight, class_weight=[2.0, 1.0, 0.5])
    product.fit(x, y, epochs=2, batch_size=32, sample_weight=weight * np.array([2.0, 1.0, 0.5])[y])
    np.testing.assert_array_equal(weights(both), weights(product))


def test_steps_are_clipped():
    def step(**limits):
        trainer = make_trainer(optimizer=optim.SGD, lr=1.0, **limits)
        before = weights(trainer)
        trainer.fit(*blobs(rows=64), epochs=1, batch_size=64)
        return before - weights(trainer)

    free = step()
    assert np.linalg.norm(free) > 0.5
    assert np.linalg.norm(step(clip_norm=0.1)) == pytest.approx(0.1, rel=1e-4)
    np.testing.assert_allclose(step(clip_value=0.01), np.clip(free, -0.01, 0.01), atol=1e-6)
    clipped = np.clip(free, -0.01, 0.01)  # first by value, then by the norm of the result
    np.testing.assert_allclose(
        step(clip_norm=0.02, clip_value=0.01), 0.02 * clipped / np.linalg.norm(clipped), atol=1e-6
    )


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
    assert trainer.evaluate(x, y)["accuracy"] == pytest.approx(np.mean(trainer.predict(x) == y))
    np.testing.assert_array_equal(trainer.predict(x), trainer.predict_proba(x) > 0.5)
    assert trainer.predict_proba(x).shape == (300, 3)


def test_validation_split_is_stratified_and_not_trained_on(monkeypatch):
    x, y = blobs(rows=200)
    x[:, 0] = np.arange(200)  # the row's number identifies it
    trained, held = [], []

    def spy(self, device, x, y, weight, **options):
        trained.append((x[:, 0], y, weight))
        init(self, device, x, y, weight, **options)

    def look(loss, out, y, weight=None):
        held.append((y, weight))
        return evaluation.scores(loss, out, y, weight)

    monkeypatch.setattr(Minibatches, "__init__", spy)
    monkeypatch.setattr("gpugrad.training.trainer.scores", look)
    weight = 1 + np.arange(200.0)
    history = make_trainer().fit(x, y, epochs=1, batch_size=16, validation_split=0.25, sample_weight=weight, scale=0.01)
    (rows, labels, kept), (held_labels, nothing) = trained[0], held[0]
    rows = rows.astype(int)
    assert len(set(rows)) == 150
    assert history[0]["steps"] == -(-150 // 16)
    np.testing.assert_array_equal(labels, y[rows])
    np.testing.assert_array_equal(kept, weight[rows])
    np.testing.assert_array_equal(held_labels, y[np.setdiff1d(np.arange(200), rows)])
    assert nothing is None
    assert np.bincount(held_labels) == pytest.approx(np.bincount(y) / 4, abs=1)


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


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("stored", ["uint8", "int64", "float16", "float32", "float64"])
def test_data_of_any_type_and_models_of_both(stored, dtype):
    x, y = blobs(rows=40)
    x = np.clip(20 * (x - x.min()), 0, 255).astype(stored)
    model = nn.MLP(6, [8], 3, seed=0, dtype=dtype)
    trainer = gg.Trainer(model, optimizer=optim.Adam(model.parameters(), lr=0.02), device="cpu")
    options = {"scale": 0.02, "sample_weight": list(range(40)), "class_weight": "balanced", "validation_split": 0.2}
    history = trainer.fit(
        x.tolist() if stored == "int64" else x, y.astype(np.uint8), epochs=60, batch_size=7, **options
    )
    assert history[-1]["train_loss"] < 0.2 * history[0]["train_loss"]
    assert trainer.predict_proba(x, scale=0.02).dtype == np.dtype(dtype)
    assert weights(trainer).dtype == np.dtype(dtype)


def test_one_row_many_rows_and_any_number_between(monkeypatch):
    trainer, (x, y) = make_trainer(), blobs(rows=70)
    trainer.fit(x, y, epochs=3, batch_size=32)
    whole, scores = trainer.predict_proba(x), trainer.evaluate(x, y)
    monkeypatch.setattr(evaluation, "ROWS_AT_ONCE", 32)  # in pieces: 32, 32, 6
    np.testing.assert_allclose(trainer.predict_proba(x), whole, rtol=1e-4, atol=1e-6)
    assert trainer.evaluate(x, y) == pytest.approx(scores, rel=1e-5)
    np.testing.assert_allclose(trainer.predict_proba(x[3:4]), whole[3:4], rtol=1e-4, atol=1e-6)
    assert trainer.predict(x[3:4]).shape == (1,)
    assert trainer.evaluate(x[3:4], y[3:4])["accuracy"] in (0.0, 1.0)


def test_evaluation_is_weighted():
    trainer, (x, y) = make_trainer(), blobs(rows=30)
    keep = np.arange(30) % 3 == 0
    assert trainer.evaluate(x, y, sample_weight=keep) == pytest.approx(trainer.evaluate(x[keep], y[keep]))
    for loss, score in ((nn.MSELoss(), "r2"), (nn.BCEWithLogitsLoss(), "accuracy")):
        trainer, targets = make_trainer(loss=loss), np.eye(3)[y]
        found = trainer.evaluate(x, targets, sample_weight=keep)
        assert found == pytest.approx(trainer.evaluate(x[keep], targets[keep]), rel=1e-5)
        assert list(found) == ["loss", score]
    assert np.isnan(make_trainer(loss=nn.MSELoss()).evaluate(x[:1], np.eye(3)[y[:1]])["r2"])


def test_use_leaves_the_mode_of_every_module_and_draws_nothing():
    trainer, (x, y) = make_trainer(dropout=0.5), blobs()
    trainer.fit(x, y, epochs=1, batch_size=32)
    dropout = next(m for m in trainer.model.modules() if isinstance(m, nn.Dropout))
    calls = trainer.generator.get_calls()
    for mode in (True, False):
        trainer.model.train(mode)
        dropout.training = not mode
        results = [trainer.evaluate(x, y), trainer.evaluate(x, y)]
        assert results[0] == results[1]
        trainer.predict(x)
        assert [m.training for m in trainer.model.modules()] == [
            not mode if m is dropout else mode for m in trainer.model.modules()
        ]
    assert trainer.generator.get_calls() == calls


def test_two_trainers_of_one_model():
    model = nn.MLP(6, [8], 3, dropout=0.3, seed=0)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    first, second = (gg.Trainer(model, optimizer=optimizer, device="cpu", seed=seed) for seed in (1, 2))
    first.fit(*blobs(), epochs=1, batch_size=50)
    # Dropout draws from the generator of the active trainer.
    assert (first.generator.get_calls(), second.generator.get_calls()) == (6, 0)
    second.fit(*blobs(), epochs=1, batch_size=50)
    assert (first.generator.get_calls(), second.generator.get_calls()) == (6, 6)
    third = gg.Trainer(model, device="cpu")  # its own optimizer over the same parameters
    first.fit(*blobs(), epochs=1, batch_size=50)
    third.fit(*blobs(), epochs=1, batch_size=50)
    fourth = gg.Trainer(model, optimizer=optim.SGD(model[2].parameters()), device="cpu")  # over some of them
    with pytest.raises(ArgumentError, match="given to a later optimizer"):
        first.fit(*blobs(), epochs=1, batch_size=50)
    fourth.fit(*blobs(), epochs=1, batch_size=50)


def test_a_loss_of_ones_own():
    class Squares(nn.Module):
        def forward(self, predictions, targets):
            return ((predictions - targets) ** 2).mean()

    results = []
    for loss in (Squares(), nn.MSELoss()):
        trainer = make_trainer(loss=loss, optimizer=optim.SGD, lr=0.1)
        x, y = blobs()
        trainer.fit(x, np.eye(3)[y], epochs=2, batch_size=64, validation_split=0.2)
        results.append((weights(trainer), trainer.history["validation_loss"]))
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-4)


def test_what_a_training_keeps_in_memory():
    """A run keeps at most the data once, eight times the parameters, and the activations; afterwards nothing."""
    x = np.random.default_rng(0).normal(size=(4000, 100)).astype(np.float32)
    y = np.zeros(4000, np.int32)
    make_trainer(features=100).fit(x, y, epochs=1, batch_size=100, validation_split=0.1)  # imports what it needs
    model = nn.MLP(100, [1000, 500], 3, seed=1)
    size = sum(p.data.nbytes for p in model.parameters())
    trainer = gg.Trainer(model, device="cpu")
    held = []

    class Look(Callback):
        def on_step_end(self, trainer, step):
            held.append(tracemalloc.get_traced_memory()[0])

    options = {"validation_split": 0.1, "early_stopping": 5, "callbacks": [Look()]}
    tracemalloc.start()
    try:
        trainer.fit(x, y, epochs=2, batch_size=100, **options)
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    scratch = 4 * max(backward_workspace(100, *sizes, "relu") for sizes in ((100, 1000), (1000, 500), (500, 3)))
    evaluation = 4 * max(forward_workspace(400, *sizes) for sizes in ((100, 1000), (1000, 500), (500, 3)))
    scratch += evaluation  # of the recorded step, and of the thread
    activations = 3 * 100 * (100 + 1000 + 500 + 3) * 4 + scratch  # outputs, their gradients, the results of the loss
    assert max(held) < x.nbytes + 4 * size + activations + 1e5  # the other four are the trainer's, made before
    assert peak < x.nbytes + 7 * size + activations  # for a moment, while the state is copied
    assert after < size / 10 + scratch  # which the thread keeps


def test_each_epoch_has_an_order_of_its_own_and_a_plateau_watches_the_validation(monkeypatch):
    epochs, metrics = [], []
    monkeypatch.setattr(Minibatches, "begin_epoch", lambda self, epoch: epochs.append(epoch) or begin(self, epoch))
    monkeypatch.setattr(optim.ReduceLROnPlateau, "step", lambda self, metric: metrics.append(metric))
    trainer = make_trainer()
    trainer.schedule = optim.ReduceLROnPlateau(trainer.optimizer)
    history = trainer.fit(*blobs(), epochs=2, batch_size=32, validation_split=0.2)
    trainer.fit(*blobs(), epochs=2, batch_size=32)
    assert epochs == [0, 1, 2, 3]
    assert metrics == [entry.get("validation_loss", entry["train_loss"]) for entry in history]


@pytest.mark.parametrize(("loss", "y"), [("bce", [-1, 1] * 10), ("bce", [1, 2] * 10), ("poisson", [-1.0, 3.0] * 10)])
def test_targets_that_mean_nothing_to_a_loss_are_refused(loss, y):
    trainer = gg.Trainer(nn.MLP(3, [4], 1, device="cpu"), loss=loss, device="cpu")
    with pytest.raises(DataError, match=r"expected targets in \[0, "):
        trainer.fit(np.ones((20, 3)), np.array(y, np.float32), epochs=1)
    assert trainer.epoch == 0


def test_a_prediction_beyond_float32_is_refused():
    trainer = make_trainer()
    x = np.zeros((3, 6))
    x[1, 4] = 1e300
    for predict in (trainer.predict, trainer.predict_proba):
        with pytest.raises(DataError, match=r"x holds 1e\+300 at \(1, 4\), expected numbers up to 3.4e\+38"):
            predict(x)
    wide = gg.Trainer(nn.MLP(6, [4], 3, dtype=np.float64, device="cpu"), device="cpu")
    assert np.isfinite(wide.predict_proba(x / 1e200)).all()


class Net(nn.Module):
    """Count forward passes in training mode, and fail in a given one."""

    def __init__(self, fail_at=None, error=None):
        self.inner = nn.MLP(6, [4], 3, seed=0)
        self.passes, self.fail_at, self.error = 0, fail_at, error

    def forward(self, x):
        out = self.inner(x)
        if self.training:
            self.passes += 1
            if self.passes == self.fail_at:
                if self.error is None:
                    out.numpy()
                else:
                    raise self.error
        return out


def test_a_step_is_recorded_once_for_each_size_and_place_in_its_group():
    for rows, accumulation, recordings in ((96, 1, 1), (100, 1, 2), (96, 3, 3), (100, 3, 4)):
        trainer = gg.Trainer(Net(), device="cpu")
        trainer.fit(*blobs(rows=rows), epochs=3, batch_size=32, accumulation_steps=accumulation, validation_split=0.0)
        assert trainer.model.passes == recordings


@pytest.mark.parametrize("fail_at", [1, 2, 3])
@pytest.mark.parametrize(
    ("error", "expected"),
    [(RuntimeError("broken"), RuntimeError), (None, RecordingError), (KeyboardInterrupt(), None)],
)
def test_a_step_that_fails_while_it_is_recorded(fail_at, error, expected):
    trainer = gg.Trainer(Net(fail_at, error), device="cpu")
    fit = {"epochs": 2, "batch_size": 32, "accumulation_steps": 2}
    if expected is None:
        assert trainer.fit(*blobs(rows=70), **fit).stopped == "interrupted in epoch 1"
    else:
        with pytest.raises(expected):
            trainer.fit(*blobs(rows=70), **fit)
    assert (trainer.device.thread.recorder, trainer.device.observed, trainer.model.training) == (None, False, False)
    trainer.fit(*blobs(rows=70), **fit)
    assert trainer.epoch == 2


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
    with pytest.raises(CheckpointError, match="batch_size 32, this run has 16"):
        make_trainer().fit(x, y, epochs=2, batch_size=16, resume=path)
    with pytest.raises(CheckpointError, match="optimizer Adam, this run has SGD"):
        make_trainer(optimizer=optim.SGD).fit(x, y, epochs=2, batch_size=32, resume=path)
    model = nn.MLP(6, [17], 3, seed=1)
    trainer = gg.Trainer(model, optimizer=optim.Adam(model.parameters()), device="cpu", seed=3)
    with pytest.raises(CheckpointError, match=r"hidden \[16\], this run has \[17\]"):
        trainer.fit(x, y, epochs=2, batch_size=32, resume=path)
    trainer.save(tmp_path / "m.safetensors")
    with pytest.raises(CheckpointError, match="without the state"):
        trainer.fit(x, y, epochs=2, batch_size=32, resume=tmp_path / "m.safetensors")


# ---- errors ----


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"x": np.zeros((0, 6), np.float32)}, DataError, "at least one row"),
        ({"x": np.zeros((300, 5), np.float32)}, ArgumentError, "6"),
        ({"x": np.full((300, 6), np.nan, np.float32)}, DataError, "finite"),
        ({"x": np.array([["a"] * 6] * 300)}, DataError, "numbers"),
        ({"x": np.zeros(300, np.float32)}, DataError, "rows, features"),
        ({"y": np.full(300, 3)}, DataError, "label 3 in row 0, expected 0 … 2"),
        ({"y": np.zeros(299, int)}, DataError, "one label per row of x"),
        ({"y": np.zeros(300)}, DataError, "integer class labels"),
        ({"epochs": 0}, ArgumentError, "epochs is 0"),
        ({"batch_size": 0}, ArgumentError, "batch_size is 0"),
        ({"batch_size": 2.5}, ArgumentError, "batch_size is 2.5"),
        ({"accumulation_steps": -1}, ArgumentError, "accumulation_steps"),
        ({"validation_split": 1.0}, ArgumentError, "validation_split"),
        ({"scale": 0.0}, ArgumentError, "scale"),
        ({"sample_weight": -np.ones(300)}, DataError, "sample_weight"),
        ({"class_weight": {7: 1.0}}, ArgumentError, "class 7"),
        ({"class_weight": "even"}, ArgumentError, "balanced"),
        ({"early_stopping": -1}, ArgumentError, "patience"),
        ({"early_stopping": True}, ArgumentError, "early_stopping is True, expected a patience"),
        ({"x": [[0.0] * 6, [0.0] * 5]}, DataError, "equally long"),
        ({"sample_weight": np.zeros(300)}, DataError, "at least one positive"),
        ({"sample_weight": np.arange(300) == 0, "class_weight": {1: 0.0, 0: 0.0, 2: 0.0}}, DataError, "positive"),
        ({"class_weight": [1.0, 2.0]}, DataError, r"shape \(2,\), expected \(3,\)"),
        ({"validation_split": 0.5, "validation_data": blobs()}, ArgumentError, "both given"),
        ({"validation_data": (*blobs(), None)}, ArgumentError, "3 parts"),
        ({"validation_data": (blobs()[0], blobs()[1] + 7)}, DataError, "y of validation_data holds the label"),
        ({"validation_data": (np.zeros((3, 5)), [0, 1, 2])}, ArgumentError, "5 features, expected 6"),
        ({"resume": "/nowhere/at/all"}, CheckpointError, "there is no file"),
        ({"checkpoint": "/proc/nowhere/c"}, StorageError, "choose"),
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
    with pytest.raises(ArgumentError, match="expected the mean over the rows"):
        gg.Trainer(model, loss=nn.CrossEntropyLoss(reduction="sum"), device="cpu")
    with pytest.raises(ArgumentError, match="holds none of the model's parameters: create it with"):
        gg.Trainer(model, optimizer=optim.SGD(nn.MLP(2, [], 2).parameters()), device="cpu")
    with pytest.raises(ArgumentError, match="no parameters"):
        gg.Trainer(nn.ReLU(), device="cpu")
    with pytest.raises(ArgumentError, match="scale is -1"):
        gg.Trainer(model, device="cpu").predict(np.zeros((1, 2)), scale=-1)
    trainer = gg.Trainer(model, device="cpu")
    trainer.schedule = optim.OneCycleLR(optim.Adam(nn.MLP(2, [], 2).parameters()))
    with pytest.raises(ArgumentError, match="schedule belongs to another optimizer: create it with"):
        trainer.fit(np.zeros((2, 2)), [0, 1], batch_size=2)

    class Flat(nn.Module):
        def __init__(self):
            self.model = nn.MLP(2, [], 1)

        def forward(self, x):
            return self.model(x).reshape(-1)

    with pytest.raises(ArgumentError, match=r"returns the shape \(1,\) for one row"):
        gg.Trainer(Flat(), device="cpu").fit(np.zeros((2, 2)), [0, 1], batch_size=2)
    with pytest.raises(ArgumentError, match="class_weight needs CrossEntropyLoss"):
        gg.Trainer(model, loss=nn.MSELoss(), device="cpu").fit(
            np.zeros((2, 2)), np.zeros((2, 2)), batch_size=2, class_weight="balanced"
        )
    with pytest.raises(ArgumentError, match="logits"):
        gg.Trainer(model, loss=nn.MSELoss(), device="cpu").predict_proba(np.zeros((1, 2), np.float32))


def test_read_only_data_is_trained_on_as_it_is_and_left_alone():
    x, y = blobs()
    expected = make_trainer().fit(x, y, epochs=2)["train_loss"]
    before = x.copy()
    x.flags.writeable = y.flags.writeable = False
    assert make_trainer().fit(x, y, epochs=2)["train_loss"] == expected
    np.testing.assert_array_equal(x, before)
