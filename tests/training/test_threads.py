"""A Trainer among threads: others train and predict meanwhile, and its own predictions wait for a step at most."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import gpugrad as gg
from gpugrad import nn
from gpugrad.training.callbacks import Callback

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(200, 8)).astype(np.float32), RNG.integers(3, size=200)


def make_trainer(seed=0, **options):
    return gg.Trainer(nn.MLP(8, [16], 3, dropout=0.2, seed=seed, device="cpu"), device="cpu", seed=seed, **options)


class Meanwhile(Callback):
    """After each step, let another thread do something, and wait until it is done."""

    def __init__(self, work):
        self.work, self.found = work, []

    def on_step_end(self, trainer, step):
        with ThreadPoolExecutor(1) as threads:
            self.found.append(threads.submit(self.work, trainer).result(30))  # hangs if it waits for `fit`


def test_a_prediction_waits_for_a_step_not_for_the_fit():
    trainer, meanwhile = make_trainer(), Meanwhile(lambda trainer: trainer.predict_proba(X[:7]))
    trainer.fit(X, Y, epochs=2, batch_size=50, callbacks=meanwhile)
    assert len(meanwhile.found) == 8
    assert all(not np.array_equal(a, b) for a, b in zip(meanwhile.found, meanwhile.found[1:], strict=False))
    np.testing.assert_array_equal(meanwhile.found[-1], trainer.predict_proba(X[:7]))
    alone = make_trainer()
    alone.fit(X, Y, epochs=2, batch_size=50)
    np.testing.assert_array_equal(alone.predict_proba(X), trainer.predict_proba(X))  # dropout went on


def test_a_prediction_uses_the_weights_between_two_steps():
    """Predictions at any moment of a run are among those after each of its steps."""
    rows = X[:5]
    known, stop = set(), threading.Event()
    trainer = make_trainer()
    known.add(trainer.predict_proba(rows).tobytes())

    class Note(Callback):
        def on_step_end(self, trainer, step):
            known.add(trainer.predict_proba(rows).tobytes())

    def predict():
        found = []
        while not stop.is_set():
            found.append(trainer.predict_proba(rows).tobytes())
        return found

    with ThreadPoolExecutor(2) as threads:
        predictions = [threads.submit(predict) for _ in range(2)]
        trainer.fit(X, Y, epochs=30, batch_size=50, callbacks=Note())
        stop.set()
        found = {bits for future in predictions for bits in future.result(60)}
    assert len(found) > 1
    assert found <= known


def test_a_second_fit_of_the_same_trainer_waits_for_the_first():
    running, trainer = 0, make_trainer()

    class Count(Callback):
        def on_fit_begin(self, trainer):
            nonlocal running
            running += 1
            assert running == 1

        def on_fit_end(self, trainer):
            nonlocal running
            running -= 1

    with ThreadPoolExecutor(3) as threads:
        runs = [threads.submit(trainer.fit, X, Y, epochs=2, callbacks=Count()) for _ in range(3)]
        assert all(run.result(60) is trainer.history for run in runs)
    assert trainer.epoch == 6


def test_a_fit_within_a_fit_of_another_trainer():
    def train(seed):
        trainer = make_trainer(seed)
        trainer.fit(X, Y, epochs=2)
        return trainer.predict_proba(X).tobytes()

    alone = train(1)
    meanwhile = Meanwhile(lambda trainer: train(1))
    make_trainer().fit(X, Y, epochs=1, batch_size=100, callbacks=meanwhile)
    assert meanwhile.found == [alone, alone]
