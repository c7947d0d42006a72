"""`gpugrad bench latency` and busy processes: every engine predicts, the other thread trains, the company computes."""

import multiprocessing
import os
import time

import numpy as np
import pytest
from typer.testing import CliRunner

from gpugrad.bench.engines import ENGINES, OWN, Entry
from gpugrad.bench.measure import company, latency, networks, workers
from gpugrad.bench.records import record
from gpugrad.command.app import app

INSTALLED = [entry for entry in ENGINES if entry.installed and "cpu" in entry.kinds]
OURS = next(entry for entry in ENGINES if entry.name == OWN)


@pytest.fixture(scope="module")
def problem():
    return networks.random_problem((16,), 32, 4)


@pytest.mark.parametrize("entry", INSTALLED, ids=lambda entry: entry.name)
def test_engines_predict_with_the_weights_they_have(entry, problem):
    engine = entry.make(problem, "cpu")
    engine.train(0)
    (w, b), (v, c) = engine.weights()
    x = problem.x.astype(np.float32) * np.float32(problem.scale)
    expected = (np.maximum(x @ w + b, 0) @ v + c).argmax(axis=1)
    np.testing.assert_array_equal(np.asarray(engine.predict(x)).reshape(-1), expected)


class Counting:
    """An engine that counts its predictions and whether the other one trained between them."""

    trained = 0

    def __init__(self, problem, device):
        self.predictions = []

    def train(self, epoch):
        Counting.trained += 1
        time.sleep(1e-4)

    def predict(self, x):
        assert x.shape == (1, networks.FEATURES)
        self.predictions.append(Counting.trained)


@pytest.mark.parametrize("training", [False, True])
def test_the_other_thread_trains_only_while_it_should(problem, monkeypatch, training):
    monkeypatch.setattr(Entry, "make", lambda self, *a: Counting(*a))
    engine, x = Counting(problem, "cpu"), np.zeros((3, networks.FEATURES), np.float32)
    seconds = latency.latencies(engine, x, 50, (OURS, problem, "cpu") if training else None)
    assert seconds.shape == (50,)
    assert (seconds > 0).all()
    assert len(engine.predictions) == 50 + latency.UNTIMED
    assert (len(set(engine.predictions)) > 50) == training
    after = Counting.trained
    time.sleep(0.01)
    assert Counting.trained == after


def test_a_training_that_fails_is_an_error(problem, monkeypatch):
    class Failing(Counting):
        def train(self, epoch):
            if epoch:
                raise RuntimeError("out of luck")

    monkeypatch.setattr(Entry, "make", lambda self, *a: Failing(*a))
    with pytest.raises(RuntimeError, match="out of luck"):
        latency.latencies(Counting(problem, "cpu"), np.zeros((1, networks.FEATURES)), 10, (OURS, problem, "cpu"))


def test_rows_are_percentiles_and_ratios_of_rounds(problem, monkeypatch):
    class Fixed:
        def __init__(self, name):
            self.name = name

        def train(self, epoch):
            pass

        def run(self, function, x, calls, other):
            assert function is latency.latencies
            factor = (2 if self.name == "slow" else 1) * (3 if other else 1)
            return factor * np.linspace(1, 2, calls)

    class Pool:
        def __init__(self, entries, problem, device):
            self.made = [Fixed(entry.name) for entry in entries]

        def __enter__(self):
            return self.made

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(latency, "workers", Pool)
    entries = [OURS, Entry("slow", "gpugrad", "own")]
    rows = latency.measure(problem, entries, "cpu", calls=101, rounds=2, on_row=lambda row: None)
    assert [(row["engine"], row["training"]) for row in rows] == [
        (OWN, False),
        ("slow", False),
        (OWN, True),
        ("slow", True),
    ]
    assert [row["median"] for row in rows] == pytest.approx([1.5, 3, 4.5, 9])
    assert [row["p99"] for row in rows] == pytest.approx([1.99, 3.98, 5.97, 11.94])
    assert [row["times_ours"] for row in rows] == pytest.approx([1, 2, 1, 2])
    assert {row["runs"] for row in rows} == {202}


def test_busy_processes_compute_and_end():
    before = os.times().children_user
    with company.busy(2):
        assert len(multiprocessing.active_children()) == 2
        time.sleep(0.5)
    assert not multiprocessing.active_children()
    assert os.times().children_user - before > 0.2


@pytest.mark.slow
def test_the_commands_write_a_record(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "PAUSE", 0)
    path = tmp_path / "record.json"
    options = ["--device", "cpu", "--quick", "--engines", "scikit-learn", "--json", str(path)]
    result = CliRunner().invoke(app, ["bench", "latency", *options])
    assert result.exit_code == 0, result.output
    rows = record.read(path)["sections"]["latency"]["rows"]
    assert [(row["engine"], row["training"]) for row in rows] == [
        (name, training) for training in (False, True) for name in (OWN, "scikit-learn")
    ]
    assert all(row["low"] <= row["median"] <= row["p99"] for row in rows)
    result = CliRunner().invoke(app, ["bench", "training", *options, "--busy", "1"])
    assert result.exit_code == 0, result.output
    assert "beside 1 busy process" in result.output
    section = record.read(path)["sections"]["training_in_company"]
    assert section["busy"] == 1
    assert [row["engine"] for row in section["rows"]] == [OWN, "scikit-learn"]
