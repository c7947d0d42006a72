"""`gpugrad bench training`: engines train the same network on the same rows, and one that does not is found."""

import numpy as np
import pytest
from typer.testing import CliRunner

from gpugrad.bench.engines import ENGINES, LIBRARIES, OWN, Entry
from gpugrad.bench.measure import networks, training, workers
from gpugrad.bench.records import record
from gpugrad.command.app import app
from gpugrad.errors import ArgumentError, DeviceError
from gpugrad.training.minibatches import epoch_order

INSTALLED = [entry for entry in ENGINES if entry.installed and "cpu" in entry.kinds]
OURS = next(entry for entry in ENGINES if entry.name == OWN)
SCIKIT = next(entry for entry in ENGINES if entry.name == "scikit-learn")


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (640, 20), np.uint8), rng.integers(0, 10, 640).astype(np.int32)
    return networks.Problem((16,), 32, x, y, x[:100], y[:100], "drawn")


@pytest.mark.parametrize("entry", INSTALLED, ids=lambda entry: entry.name)
def test_engines_end_an_epoch_with_the_same_weights(entry, problem):
    engine, ours = entry.make(problem, "cpu"), OURS.make(problem, "cpu")
    for epoch in (0, 1):
        engine.train(epoch)
        ours.train(epoch)
    for theirs, own, initial in zip(engine.weights(), ours.weights(), problem.weights(), strict=True):
        for a, b, start in zip(theirs, own, initial, strict=True):
            np.testing.assert_allclose(a, b, atol=2e-4)
            assert np.abs(a - start).max() > 1e-2


def test_an_epoch_takes_every_row_once_in_the_order_of_the_trainer(problem):
    order = problem.order(3)
    assert order.shape == (20, 32)
    assert np.array_equal(np.sort(order.reshape(-1)), np.arange(640))
    assert np.array_equal(order.reshape(-1), epoch_order(0, 3, 640))


def test_scores_are_cross_entropy_and_accuracy(problem):
    weights = [(np.zeros((20, 10), np.float32), np.eye(10, dtype=np.float32)[4])]
    loss, accuracy = networks.test_scores(problem, weights)
    share = (problem.y_test == 4).mean()
    assert accuracy == share
    assert loss == pytest.approx(np.log(9 + np.e) - share, rel=1e-6)


class Lazy:
    """An engine that never trains."""

    def __init__(self, problem, device):
        self._weights = problem.weights()

    def train(self, epoch):
        pass

    def weights(self):
        return self._weights


class _Pool:
    """Engines in this process, with the interface of `workers`."""

    def __init__(self, entries, problem, device):
        self.made = []
        for entry in entries:
            engine = entry.make(problem, device)
            engine.name = entry.name
            self.made.append(engine)

    def __enter__(self):
        return self.made

    def __exit__(self, *_):
        pass


def test_an_engine_that_trains_less_is_found(problem, monkeypatch):
    monkeypatch.setattr(training, "workers", _Pool)
    lazy = Entry("lazy", "gpugrad", "own")
    monkeypatch.setattr(Entry, "make", lambda self, *a: (Lazy if self.name == "lazy" else OURS_MAKE)(*a))
    with pytest.raises(workers.EngineError, match=r"lazy has the test loss .* not train the same network") as error:
        training.check_agreement(problem, [OURS, lazy], "cpu")
    assert error.value.engine == "lazy"


OURS_MAKE = OURS.make


def test_engines_take_turns_and_their_rows_are_medians(problem, monkeypatch):
    turns = []

    class Clock(Lazy):
        def train(self, epoch):
            turns.append((epoch, self.name))
            slow = {OWN: (2, 1, 10, 10), "a": (2, 1, 10, 1), "c": (2, 1, 10, 10)}  # slow rounds of the machine
            return {"a": 2.0, OWN: 1.0, "c": 4.0}[self.name] * slow[self.name][epoch]

    monkeypatch.setattr(training, "workers", _Pool)
    monkeypatch.setattr(training, "check_agreement", lambda *_: None)
    monkeypatch.setattr(Entry, "make", lambda self, *a: Clock(*a))
    entries = [Entry(name, "gpugrad", "own") for name in (OWN, "a", "c")]
    rows = training.measure_steps(problem, entries, "cpu", rounds=3, on_row=lambda row: None)
    orders = ["".join(name[0] for epoch, name in turns if epoch == e) for e in range(4)]
    assert orders == ["gac", "acg", "cga", "gac"]
    assert [row["times_ours"] for row in rows] == [1.0, 2.0, 4.0]
    assert rows[1]["median"] == 2.0 / problem.steps
    assert rows[1]["first"] == 4.0
    assert [row["runs"] for row in rows] == [3, 3, 3]


def test_workers_train_in_their_own_processes_and_report_failures(problem, monkeypatch):
    monkeypatch.setattr(workers, "PAUSE", 0)
    with workers.workers([OURS], problem, "cpu") as (worker,):
        assert worker.train(0) > 0
        ours = OURS.make(problem, "cpu")
        ours.train(0)
        np.testing.assert_array_equal(worker.weights()[0][0], ours.weights()[0][0])
        with pytest.raises(workers.EngineError, match=r"gpugrad failed: AttributeError: .*no_such"):
            worker.run(getattr, "no_such")
        assert worker.train(1) > 0
    with (
        workers.workers([Entry("none", "gpugrad", "no_such_module")], problem, "cpu") as (worker,),
        pytest.raises(workers.EngineError, match="none failed: ModuleNotFoundError") as error,
    ):
        worker.train(0)
    assert error.value.engine == "none"


def test_engines_are_chosen_by_name_and_missing_ones_named(monkeypatch):
    assert [e.name for e in training.choose("cpu", ["scikit-learn"])[0]] == [OWN, "scikit-learn"]
    with pytest.raises(ArgumentError, match="unknown engine 'torch': did you mean 'pytorch'"):
        training.choose("cpu", ["Torch"])
    monkeypatch.setattr(Entry, "installed", property(lambda self: self.package in ("gpugrad", "scikit-learn")))
    chosen, missing = training.choose("cpu")
    assert [e.name for e in chosen] == [OWN, "scikit-learn"]
    assert missing == ["PyTorch", "PyTorch, fused Adam", "JAX scan"]
    assert training.choose("cpu", engines=LIBRARIES)[1] == ["PyTorch", "JAX"]  # no optimizer predicts
    with pytest.raises(DeviceError, match="JAX scan needs jax, which is not installed"):
        training.choose("cpu", ["JAX scan"])


def test_the_time_to_an_accuracy_ends_at_it(problem, monkeypatch):
    class Learner(Lazy):
        epochs = 0

        def train(self, epoch):
            assert epoch == self.epochs
            self.epochs += 1
            return 10.0 if epoch == 0 else 1.0

        def weights(self):
            return self.epochs

    monkeypatch.setattr(training, "workers", _Pool)
    monkeypatch.setattr(Entry, "make", lambda self, *a: Learner(*a))
    monkeypatch.setattr(training, "test_scores", lambda problem, epochs: (0.0, epochs / 10))
    measure = {"entries": [OURS], "device": "cpu", "on_row": lambda row: None}
    (row,) = training.measure_time_to_accuracy(problem, **measure, target=0.3)
    assert (row["epochs"], row["seconds"], row["reached"]) == (3, 3.0, True)
    (row,) = training.measure_time_to_accuracy(problem, **measure, target=0.9, most_epochs=4)
    assert (row["epochs"], row["seconds"], row["reached"]) == (4, None, False)


def test_drawn_data_replaces_missing_mnist(monkeypatch, tmp_path):
    monkeypatch.delenv("GPUGRAD_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (problem,) = networks.problems(networks.NETWORKS[:1])
    assert problem.data == "drawn, in the shape of mnist"
    assert problem.x.shape == (networks.TRAIN_ROWS, 784)
    assert problem.x.dtype == np.uint8
    assert 0.05 < (problem.x > 0).mean() < 0.2
    assert all(networks.TRAIN_ROWS % batch == 0 for _, batch in networks.NETWORKS)


@pytest.mark.slow
def test_the_command_writes_a_record(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "PAUSE", 0)
    path = tmp_path / "record.json"
    options = ["--device", "cpu", "--quick", "--engines", "scikit-learn", "--json", str(path)]
    result = CliRunner().invoke(app, ["bench", "training", *options])
    assert result.exit_code == 0, result.output
    rows = record.read(path)["sections"]["training"]["rows"]
    assert [row["engine"] for row in rows] == [OWN, "scikit-learn"]
    assert rows[0]["times_ours"] == 1
    assert abs(rows[0]["accuracy"] - rows[1]["accuracy"]) < 0.02
    for row in rows:
        assert row["engine"] in result.output
