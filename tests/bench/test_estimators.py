"""`gpugrad bench estimators`: comparison with scikit-learn, its order and its verdicts."""

import numpy as np
import pytest
from sklearn import neural_network
from typer.testing import CliRunner

import gpugrad as gg
from gpugrad.bench.measure import estimators, timing
from gpugrad.bench.records import record, report
from gpugrad.command.app import app
from gpugrad.errors import ArgumentError, KernelError

CPU = gg.device("cpu")
NAMES = [
    *("digits", "iris", "wine", "breast cancer", "diabetes"),
    *("moons", "circles", "blobs", "friedman", "multilabel"),
]


def silent(row):
    pass


def tiny(name, **options):
    """Return a task with 60 rows of the data set and a network of 4 units."""
    (task,) = estimators.choose([name])

    def load(seed):
        x, y = task.load(seed)
        some = np.random.default_rng(seed).permutation(len(x))[:60]
        return x[some], y[some]

    return estimators.Task(name, load, task.estimator, {"hidden_layer_sizes": (4,), "max_iter": 10, **options})


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(timing, "QUIET", 0)


# ---- the verdict ----


@pytest.mark.parametrize(
    ("ours", "theirs", "verdict"),
    [
        ([0.9, 0.8, 0.7], [0.9, 0.8, 0.7], "no worse"),
        ([0.95, 0.8, 0.7], [0.9, 0.8, 0.7], "no worse"),
        ([0.9, 0.7, 0.8], [0.7, 0.9, 0.9], "no worse"),  # -0.03 on average, with an error of 0.12
        ([0.8995, 0.7995, 0.6995], [0.9, 0.8, 0.7], "no worse"),  # too small to matter
        ([0.89, 0.79, 0.69], [0.9, 0.8, 0.7], "worse"),  # small, but consistent
        ([0.88, 0.79, 0.69], [0.9, 0.8, 0.7], "worse"),
    ],
)
def test_worse_means_lower_by_more_than_noise(ours, theirs, verdict):
    found = estimators.compare_scores(ours, theirs)
    assert found["verdict"] == verdict
    differences = np.array(ours) - theirs
    assert found["difference"] == pytest.approx(differences.mean())
    assert found["standard_error"] == pytest.approx(np.sqrt(((differences - differences.mean()) ** 2).sum() / 6))
    assert found["equal"] == sum(differences == 0)


def test_curves_differ_by_their_most_distant_epoch():
    assert estimators.largest_difference([4.0, 2.0, 1.0], [4.0, 2.5]) == pytest.approx(0.2)
    assert estimators.largest_difference([1.0], [1.0]) == 0


# ---- measurements ----


def test_all_ten_data_sets_or_the_requested_ones():
    assert [task.name for task in estimators.choose()] == NAMES
    assert [task.name for task in estimators.choose(["wine", "digits"])] == ["digits", "wine"]
    with pytest.raises(ArgumentError, match="unknown data set 'iries', expected one of digits, iris"):
        estimators.choose(["iries"])


@pytest.mark.parametrize("name", NAMES)
def test_a_third_is_held_out_and_the_rest_is_standardised(name):
    (task,) = estimators.choose([name])
    (x, y), (x_test, y_test) = task.split(1)
    assert len(x_test) == len(y_test) == pytest.approx((len(x) + len(x_test)) / 3, abs=1)
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-9)
    assert np.abs(x_test.mean(axis=0)).max() > 1e-3, "standardized by rows that are held out"
    if task.estimator == "MLPRegressor":
        assert (y.mean(), y.std()) == pytest.approx((0, 1))
    assert not np.array_equal(x, task.split(2)[0][0])
    np.testing.assert_array_equal(x, task.split(1)[0][0])


@pytest.mark.slow
def test_two_data_sets_over_two_seeds():
    chosen = [tiny("iris"), tiny("friedman", learning_rate_init=0.05)]
    rows = estimators.measure(chosen, CPU, seeds=2, on_row=silent)
    assert [(row["data"], row["rows"], row["features"], row["seeds"]) for row in rows] == [
        ("iris", 40, 4, 2),
        ("friedman", 40, 10, 2),
    ]
    for task, row in zip(chosen, rows, strict=True):
        expected = []
        for seed in range(2):
            training, held_out = task.split(seed)
            model = getattr(neural_network, task.estimator)(**task.options, random_state=seed)
            with pytest.warns(match="Maximum iterations"):
                expected.append(model.fit(*training).score(*held_out))
        assert row["sklearn_score"] == pytest.approx(np.mean(expected), rel=1e-12)
        assert row["sklearn_score_spread"] == pytest.approx(np.std(expected, ddof=1), rel=1e-9)
        assert row["score"] == pytest.approx(row["sklearn_score"], rel=1e-6)
        assert row["verdict"] == "no worse"
        assert 0 <= row["curve"] < 1e-9
        assert row["epochs"] == row["sklearn_epochs"] == 10
        assert 0 < row["low"] <= row["median"] <= row["high"]
        assert 0 < row["sklearn_low"] <= row["sklearn_median"] <= row["sklearn_high"]
        assert row["times_ours"] > 0


def test_the_first_to_train_changes_with_each_seed_and_nothing_is_timed_before_it_is_compared(monkeypatch):
    trained = []

    def fit(model, x, y):
        trained.append((type(model).__module__.partition(".")[0], model.random_state, model.max_iter))
        model.fit(x, y)
        return 1.0

    monkeypatch.setattr(estimators, "_seconds_of_fit", fit)
    with pytest.warns(match="Maximum iterations"):
        estimators.measure([tiny("iris")], CPU, seeds=3, most_epochs=4, on_row=silent)
    assert trained == [
        *(("gpugrad", 0, 2), ("sklearn", 0, 2)),
        *(("gpugrad", 0, 4), ("sklearn", 0, 4)),
        *(("sklearn", 1, 4), ("gpugrad", 1, 4)),
        *(("gpugrad", 2, 4), ("sklearn", 2, 4)),
    ]


def test_an_estimator_that_trains_another_network_is_not_measured(monkeypatch):
    made = estimators.both

    def another(*arguments):
        models = made(*arguments)
        models["ours"].set_params(learning_rate_init=0.5)
        return models

    monkeypatch.setattr(estimators, "both", another)
    with pytest.raises(KernelError, match=r"on iris the losses of the first epochs are .*they cannot be compared"):
        estimators.measure([tiny("iris")], CPU, seeds=2, on_row=silent)


def test_one_seed_and_devices_that_cannot_be_measured_are_refused():
    with pytest.raises(ArgumentError, match="seeds is 1, expected at least 2"):
        estimators.measure([tiny("iris")], CPU, seeds=1)
    with pytest.raises(ArgumentError, match="measure cpu or cuda"):
        estimators.measure([tiny("iris")], gg.Device("simulator", "numba"))


# ---- the command ----


def run(*arguments):
    return CliRunner().invoke(app, ["bench", "estimators", "--device", "cpu", *map(str, arguments)])


def test_the_command_prints_a_row_for_each_and_writes_a_record(tmp_path):
    path = tmp_path / "record.json"
    result = run("--only", "wine,iris", "--quick", "--json", path)
    assert result.exit_code == 0, result.output
    made = record.read(path)
    assert made["quick"]
    rows = made["sections"]["estimators"]["rows"]
    assert [row["data"] for row in rows] == ["iris", "wine"]
    assert rows[1]["options"] == {"hidden_layer_sizes": [32], "learning_rate_init": 0.01, "alpha": 0.1}
    for row in rows:
        assert f"{row['score']:.4f} ± {row['score_spread']:.4f}" in result.output
    assert "0 of 2 worse than scikit-learn, " in result.output
    assert "<h2>estimators</h2>" in report.page(made, [])


def test_the_exit_code_is_1_if_one_is_worse(tmp_path, monkeypatch):
    judged = estimators.compare_scores
    monkeypatch.setattr(estimators, "compare_scores", lambda ours, theirs: judged(np.subtract(ours, 0.1), theirs))
    path = tmp_path / "record.json"
    result = run("--only", "iris", "--quick", "--json", path)
    assert result.exit_code == 1
    assert "1 of 1 worse than scikit-learn, " in result.output
    assert record.read(path)["sections"]["estimators"]["rows"][0]["verdict"] == "worse"


def test_an_unknown_data_set_is_refused_before_anything_is_measured():
    result = run("--only", "iries")
    assert isinstance(result.exception, ArgumentError)
    assert result.output == ""
