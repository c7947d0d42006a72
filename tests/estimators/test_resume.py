"""A run resumed from its checkpoint ends bit-for-bit identical to one that never stopped."""

import functools
import json

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn import datasets

import gpugrad as gg
from gpugrad.errors import ArgumentError, CheckpointError, StorageError
from gpugrad.estimators import saved
from gpugrad.optim import StepLR
from gpugrad.training.checkpoint import read_file, write_file

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = datasets.make_classification(120, 8, n_informative=5, n_classes=3, n_clusters_per_class=1, random_state=0)
KEPT = ("loss_", "loss_curve_", "best_loss_", "validation_scores_", "validation_loss_curve_", "best_validation_score_")


class Crash(gg.Callback):
    """Raise an error in the middle of an epoch, after this many steps; None: never."""

    def __init__(self, step):
        self.step = step

    def on_step_end(self, trainer, step):
        if step == self.step:
            raise ConnectionError


def model(path, **options):
    return gg.MLPClassifier(
        **{"hidden_layer_sizes": (9,), "batch_size": 32, "random_state": 0, "max_iter": 7, "device": "cpu", **options},
        checkpoint=path,
    )


def assert_same(one, other):
    for a, b in zip((*one.coefs_, *one.intercepts_), (*other.coefs_, *other.intercepts_), strict=True):
        np.testing.assert_array_equal(a, b)
    for name in (*KEPT, "n_iter_", "t_"):
        assert getattr(one, name) == getattr(other, name), name
    for name in ("epoch", "steps", "train_loss", "lr"):
        assert one.history_[name] == other.history_[name]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.5, "n_iter_no_change": 1},
        {"solver": "sgd", "learning_rate": "invscaling", "shuffle": False},
        {"solver": "adamw", "dropout": 0.3, "schedule": "cosine", "weight_decay": 0.1},
        {
            "early_stopping": True,
            "dropout": 0.1,
            "schedule": functools.partial(StepLR, step_size=2),
            "class_weight": "balanced",
        },
        {"early_stopping": True, "solver": "rmsprop", "schedule": "plateau"},
        {"device": "emulator", "dropout": 0.3, "solver": "adagrad"},
    ],
    ids=lambda options: ", ".join(options) or "adam",
)
def test_a_crash_loses_at_most_the_running_epoch(tmp_path, options):
    whole = model(tmp_path / "whole", **options).fit(X, Y)
    path = tmp_path / "crashed"
    with pytest.raises(ConnectionError):
        model(path, **options, callbacks=[Crash(14)]).fit(X, Y)
    assert len(json.loads(_header(path))["estimator"]["loss_curve_"]) == 3
    resumed = model(path, **options, callbacks=[Crash(None)]).fit(X, Y, resume=True)
    assert_same(resumed, whole)
    assert_same(model(path, **options, callbacks=[Crash(None)]).fit(X, Y, resume=True), whole)  # the run had ended


def _header(path):
    from safetensors import safe_open

    with safe_open(path, framework="np") as file:
        return file.metadata()["gpugrad"]


def test_it_goes_on_where_nothing_was_seeded(tmp_path):
    """The held-out rows are those of the first start; no run trains on them."""
    path = tmp_path / "file"
    options = {"random_state": None, "early_stopping": True, "callbacks": [gg.Callback()]}
    first = model(path, **options, n_iter_no_change=50).fit(X, Y)
    longer = model(path, **options, n_iter_no_change=50).set_params(max_iter=9).fit(X, Y, resume=True)
    assert longer.loss_curve_[:7] == first.loss_curve_
    assert longer.validation_scores_[:7] == first.validation_scores_
    assert longer.n_iter_ == 9


def test_it_starts_where_there_is_no_file_yet_and_takes_validation_data_and_sparse_rows(tmp_path):
    path = tmp_path / "file"
    rows, held = csr_matrix(X[:90]), (csr_matrix(X[90:]), Y[90:])
    whole = model(tmp_path / "whole").fit(rows, Y[:90], validation_data=held)
    model(path).set_params(max_iter=3).fit(rows, Y[:90], validation_data=held, resume=True)
    assert_same(model(path).fit(rows, Y[:90], validation_data=held, resume=True), whole)


def test_a_regressor(tmp_path):
    x, y = datasets.make_regression(60, 5, n_targets=2, random_state=0)
    options = {"hidden_layer_sizes": (7,), "random_state": 0, "loss": "huber", "device": "cpu"}
    whole = gg.MLPRegressor(max_iter=5, **options).fit(x, y)
    path = tmp_path / "file"
    gg.MLPRegressor(max_iter=2, checkpoint=path, **options).fit(x, y)
    assert_same(gg.MLPRegressor(max_iter=5, checkpoint=path, **options).fit(x, y, resume=True), whole)


# Settings under which no loss or score after the first is an improvement, so `fit` runs out of patience: it ends, or
# lowers the rate again and again.
PATIENT = {
    "loss": {"tol": 10.0, "n_iter_no_change": 4},
    "score": {"early_stopping": True, "tol": 1.0, "n_iter_no_change": 3},
    "rate": {
        "solver": "sgd",
        "learning_rate": "adaptive",
        "learning_rate_init": 0.1,
        "tol": 10.0,
        "n_iter_no_change": 2,
    },
}


def stop_and_go_on_after_each_epoch(folder, *names):
    """Compare an uninterrupted fit with fits that stopped after an epoch and continued, one per epoch."""
    for name in names:
        whole = model(None, **PATIENT[name], max_iter=12).fit(X, Y)
        for epochs in range(1, whole.n_iter_ + 1):
            path = folder / f"{name} {epochs}"
            model(path, **PATIENT[name], max_iter=epochs).fit(X, Y)
            resumed = model(path, **PATIENT[name], max_iter=12).fit(X, Y, resume=True)
            assert resumed.history_.stopped == whole.history_.stopped, path
            assert_same(resumed, whole)
    return whole


@pytest.mark.parametrize("name", PATIENT)
def test_patience_that_was_running_goes_on(tmp_path, name):
    """Epochs without improvement before the stop count, so fit ends, or lowers the rate, at the same epoch."""
    whole = stop_and_go_on_after_each_epoch(tmp_path, name)
    if name == "rate":
        assert len(set(whole.history_["lr"])) == 4
    else:
        assert whole.n_iter_ == {"loss": 6, "score": 5}[name]
        assert "did not improve" in whole.history_.stopped


@pytest.mark.parametrize("name", saved.KEPT)
def test_nothing_is_kept_in_vain(tmp_path, monkeypatch, name):
    """Without one of the attributes in its checkpoint fit continues differently, which the comparison above detects."""
    monkeypatch.setattr(saved, "KEPT", tuple(kept for kept in saved.KEPT if kept != name))
    with pytest.raises((AssertionError, AttributeError)):
        stop_and_go_on_after_each_epoch(tmp_path, *PATIENT)


def test_state_of_callbacks_is_kept(tmp_path):
    path = tmp_path / "file"

    def patient():
        return gg.EarlyStopping(3, monitor="train_loss", min_delta=10.0)

    whole = model(tmp_path / "whole", callbacks=[patient()]).fit(X, Y)
    model(path, callbacks=[patient()]).set_params(max_iter=2).fit(X, Y)
    resumed = model(path, callbacks=[patient()]).fit(X, Y, resume=True)
    assert resumed.history_.stopped == whole.history_.stopped
    assert_same(resumed, whole)


def test_what_is_no_checkpoint_of_this_training_is_refused(tmp_path):
    path = tmp_path / "file"
    model(path).set_params(max_iter=2).fit(X, Y)
    for options, rows, message in (
        ({"solver": "sgd"}, X, "written with solver"),
        ({"hidden_layer_sizes": (8,)}, X, "hidden_layer_sizes"),
        ({}, X[:100], "rows to train on 120"),
        ({}, X[:, :5], "layers"),
        ({"callbacks": [gg.Callback()]}, X, "callbacks .., this run has .'Callback'"),
    ):
        with pytest.raises(CheckpointError, match=message):
            model(path, **options).fit(rows, Y[: len(rows)], resume=True)
    arrays, header = read_file(path)
    write_file(path, arrays, {name: value for name, value in header.items() if name != "run"})
    with pytest.raises(CheckpointError, match="is the estimator checkpoint of an earlier gpugrad"):
        model(path).fit(X, Y, resume=True)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match="cannot be read"):
        model(path).fit(X, Y, resume=True)
    gg.save_model(gg.nn.MLP(2, [3], 2), path)
    with pytest.raises(CheckpointError, match="expected kind 'estimator checkpoint'"):
        model(path).fit(X, Y, resume=True)
    with pytest.raises(StorageError, match="file"):  # before any training
        model(path / "below_a_file", callbacks=[Crash(1)]).fit(X, Y)
    with pytest.raises(ArgumentError, match="needs the parameter checkpoint"):
        model(None).fit(X, Y, resume=True)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (
            X,
            Y + 1,
            r"was written with the classes \[0, 1, 2\], this run has \[1, 2, 3\]: resume with the same settings",
        ),
        (X, np.array(["a", "b", "c"])[Y], r"was written with the classes \[0, 1, 2\], this run has \['a', 'b', 'c'\]"),
        (X.astype(np.float32), Y, "was written with features of type float64, this run has float32"),
    ],
    ids=["numbers", "texts", "dtype"],
)
def test_a_run_resumes_with_the_classes_and_the_dtype_of_its_checkpoint(tmp_path, x, y, message):
    model(tmp_path / "c", max_iter=2).fit(X, Y)
    resumed = model(tmp_path / "c")
    with pytest.raises(CheckpointError, match=message):
        resumed.fit(x, y, resume=True)


def test_a_checkpoint_without_classes_resumes(tmp_path):
    """As earlier versions wrote it."""
    model(tmp_path / "c", max_iter=2).fit(X, Y)
    arrays, header = read_file(tmp_path / "c")
    for name in ("the classes", "features of type"):
        del header["run"][name]
    write_file(tmp_path / "c", arrays, header)
    assert model(tmp_path / "c").fit(X, Y, resume=True).n_iter_ == 7
