"""Estimators inside scikit-learn's tools: searches in processes and threads, meta-estimators, routing.

Cases of `check_estimator`, and of the programs in this folder, are not repeated here.
"""

import pickle
import subprocess
import sys
from threading import Barrier

import joblib
import numpy as np
import pytest
import sklearn
from sklearn import neural_network
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_wine, make_classification
from sklearn.ensemble import AdaBoostClassifier, BaggingClassifier
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.feature_selection import SequentialFeatureSelector
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV, TunedThresholdClassifierCV, cross_validate
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier

import gpugrad as gg

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
TOLERANCE = 1e-6  # double precision, and few epochs
OPTIONS = {"hidden_layer_sizes": (8,), "learning_rate_init": 0.02, "max_iter": 12, "random_state": 0}
GRID = {"network__alpha": [1e-4, 1.0], "network__activation": ["relu", "tanh"]}


def ours(**options):
    return gg.MLPClassifier(device="cpu", **OPTIONS, **options)


def theirs(**options):
    return neural_network.MLPClassifier(**OPTIONS, **options)


def two_classes(rows=150):
    return make_classification(rows, 6, n_informative=4, random_state=0)


def search(network, **options):
    return GridSearchCV(Pipeline([("scale", StandardScaler()), ("network", network)]), GRID, cv=3, **options)


def assert_same_search(mine, its):
    assert mine.best_params_ == its.best_params_
    for key in ("mean_test_score", "std_test_score"):
        np.testing.assert_allclose(mine.cv_results_[key], its.cv_results_[key], rtol=TOLERANCE)


# ---- processes and threads ----

IN_PROCESSES = """
import pickle, sys
import joblib
from gpugrad.kernels.cpu import team as cpu_team
sys.path.insert(0, sys.argv[1])
import test_inside_scikit_learn as tests

if __name__ == "__main__":
    x, y = tests.load_wine(return_X_y=True)
    tests.ours().fit(x, y)  # a team of threads is at work in this process before the others start
    found = tests.search(tests.ours(), n_jobs=2).fit(x, y)
    threads = joblib.Parallel(n_jobs=2)(joblib.delayed(cpu_team.cores)() for _ in range(4))
    sys.stdout.buffer.write(pickle.dumps((found, threads)))
"""


@pytest.mark.slow
def test_a_search_in_processes_finds_the_same_with_a_share_of_the_cores_for_each(tmp_path, monkeypatch):
    for name in ("GPUGRAD_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    program = tmp_path / "program.py"
    program.write_text(IN_PROCESSES)
    folder = __file__.rpartition("/")[0]
    command = [sys.executable, "-W", "ignore", str(program), folder]
    done = subprocess.run(command, capture_output=True, timeout=240)  # it does not hang
    assert done.returncode == 0, done.stderr.decode()
    found, threads = pickle.loads(done.stdout)
    assert_same_search(found, search(theirs()).fit(*load_wine(return_X_y=True)))
    # joblib passes each process its share in OMP_NUM_THREADS.
    assert set(threads) == {max(joblib.cpu_count() // 2, 1)}


def test_a_search_in_threads_finds_the_same():
    x, y = load_wine(return_X_y=True)
    with joblib.parallel_config("threading", n_jobs=4):
        found = search(ours(), error_score="raise").fit(x, y)
    assert_same_search(found, search(theirs()).fit(x, y))


def test_networks_that_train_and_predict_at_the_same_time_do_not_meet():
    """Each of many threads has the same results, bit for bit, as alone."""
    x, y = two_classes(600)
    start = Barrier(4)

    def trained(seed, wait=True):
        model = ours().set_params(random_state=seed, max_iter=30, batch_size=100)
        if wait:
            start.wait()
        return model.fit(x, y).predict_proba(x), model.loss_curve_

    alone = [trained(seed, wait=False) for seed in range(4)]
    together = joblib.Parallel(4, "threading")(joblib.delayed(trained)(seed) for seed in range(4))
    for (outputs, curve), (expected, expected_curve) in zip(together, alone, strict=True):
        np.testing.assert_array_equal(outputs, expected)
        assert curve == expected_curve


def test_a_device_is_a_parameter_that_is_cloned_and_pickled():
    x, y = two_classes()
    model = gg.MLPClassifier(**OPTIONS, device=gg.device("cpu", "numpy")).fit(x, y)
    for copy in (clone(model).fit(x, y), pickle.loads(pickle.dumps(model))):
        assert copy.device is gg.device("cpu", "numpy")
        np.testing.assert_array_equal(copy.predict_proba(x), model.predict_proba(x))


# ---- around an estimator ----

AROUND = {
    "weights that grow": lambda network: AdaBoostClassifier(network, n_estimators=3, random_state=0),
    "bags of rows": lambda network: BaggingClassifier(network, n_estimators=3, bootstrap_features=True, random_state=0),
    "one against all": OneVsRestClassifier,
    "one against one": OneVsOneClassifier,
    "some without a label": lambda network: SelfTrainingClassifier(network, threshold=0.7, max_iter=3),
    "a threshold": lambda network: FixedThresholdClassifier(network, threshold=0.3),
    "a threshold that is found": lambda network: TunedThresholdClassifierCV(network, cv=2, thresholds=5),
    "columns that are chosen": lambda network: make_pipeline(
        SequentialFeatureSelector(network, n_features_to_select=2, cv=2), network
    ),
    "probabilities of a frozen one": lambda network: CalibratedClassifierCV(FrozenEstimator(network)),
}


@pytest.mark.parametrize("name", AROUND)
def test_around_ours_and_around_theirs_is_the_same(name):
    three = name.startswith("one against")
    x, y = load_wine(return_X_y=True) if three else two_classes()
    x = StandardScaler().fit_transform(x)
    labels = np.where(np.arange(len(y)) % 3, y, -1) if name == "some without a label" else y
    models = []
    for network in (ours(), theirs()):
        inner = network.fit(x, y) if "frozen" in name else network
        models.append(AROUND[name](inner).fit(x, labels))
    mine, its = models
    np.testing.assert_array_equal(mine.predict(x), its.predict(x))
    method = "decision_function" if name == "one against one" else "predict_proba"
    np.testing.assert_allclose(getattr(mine, method)(x), getattr(its, method)(x), rtol=TOLERANCE, atol=TOLERANCE)
    assert mine.score(x, y) > 0.5


def test_weights_of_rows_are_routed_to_where_they_are_asked_for():
    x, y = two_classes()
    weights = {"sample_weight": np.where(y == 1, 5.0, 0.2)}
    found = []
    with sklearn.config_context(enable_metadata_routing=True):
        for network, given in ((ours(), weights), (theirs(), weights), (ours(), {})):
            if given:
                network.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
            pipeline = make_pipeline(StandardScaler().set_fit_request(sample_weight=bool(given)), network)
            folds = cross_validate(pipeline, x, y, cv=3, params=given, return_estimator=True)
            searched = GridSearchCV(pipeline, {"mlpclassifier__alpha": [0.1, 1.0]}, cv=2).fit(x, y, **given)
            found.append((folds["test_score"], folds["estimator"][0].predict_proba(x), searched.predict_proba(x)))
        with pytest.raises(UnsetMetadataPassedError, match=r"MLPClassifier\.fit"):
            make_pipeline(StandardScaler().set_fit_request(sample_weight=True), ours()).fit(x, y, **weights)
    for mine, its, unweighted in zip(*found, strict=True):
        np.testing.assert_allclose(mine, its, rtol=TOLERANCE, atol=TOLERANCE)
        assert not np.allclose(mine, unweighted, atol=1e-3), "the weights did not arrive"


def test_columns_keep_their_names_through_a_pipeline():
    table, y = load_wine(return_X_y=True, as_frame=True)
    pipeline = make_pipeline(StandardScaler(), ours()).set_output(transform="pandas").fit(table, y)
    assert list(pipeline[-1].feature_names_in_) == list(table.columns)
    scaled = pipeline[:-1].transform(table)
    with pytest.raises(ValueError, match="feature names should match"):
        pipeline[-1].predict(scaled[scaled.columns[::-1]])
    expected = make_pipeline(StandardScaler(), theirs()).fit(table, y).predict_proba(table)
    np.testing.assert_allclose(pipeline.predict_proba(table), expected, rtol=TOLERANCE, atol=TOLERANCE)


def test_a_searched_pipeline_is_pickled_and_goes_on():
    x, y = load_wine(return_X_y=True)
    found = search(ours(), return_train_score=True).fit(x, y)
    copy = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(copy.predict_proba(x), found.predict_proba(x))
    assert_same_search(copy, found)
    networks = [s.best_estimator_["network"].partial_fit(x, y) for s in (found, copy)]
    np.testing.assert_array_equal(networks[0].coefs_[0], networks[1].coefs_[0])
    again = clone(copy.best_estimator_)
    assert not hasattr(again["network"], "coefs_")
    np.testing.assert_array_equal(again.fit(x, y).predict_proba(x), found.best_estimator_.fit(x, y).predict_proba(x))
