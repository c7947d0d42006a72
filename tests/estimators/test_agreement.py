"""The same curve as scikit-learn's from the same initial weights, in the same order of rows."""

import pickle
import warnings

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn import datasets, neural_network
from sklearn.exceptions import ConvergenceWarning

import gpugrad as gg

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

CURVE = 1e-6  # relative error of the losses of an epoch in float64


def classes(n_classes, rows=190, seed=0):
    return datasets.make_classification(
        rows, 12, n_informative=6, n_classes=n_classes, n_clusters_per_class=1, random_state=seed
    )


def targets(n_outputs, rows=190):
    x, y = datasets.make_regression(rows, 7, n_targets=n_outputs, noise=3, random_state=0)
    return x, y / 50


def weights(rows):
    return np.random.default_rng(0).uniform(0.2, 3, rows)


PROBLEMS = {
    "two classes": lambda: ("MLPClassifier", *classes(2), {}),
    "four classes": lambda: ("MLPClassifier", *classes(4), {}),
    "several labels": lambda: (
        "MLPClassifier",
        *datasets.make_multilabel_classification(190, 12, random_state=0),
        {},
    ),
    "one target": lambda: ("MLPRegressor", *targets(1), {}),
    "three targets": lambda: ("MLPRegressor", *targets(3), {}),
    "counts": lambda: (
        "MLPRegressor",
        targets(1)[0],
        np.random.default_rng(0).poisson(2.0, 190).astype(float),
        {"loss": "poisson"},
    ),
}
SOLVERS = {
    "sgd": {"solver": "sgd", "momentum": 0.0, "learning_rate_init": 0.05},
    "momentum": {"solver": "sgd", "nesterovs_momentum": False, "learning_rate_init": 0.02},
    "Nesterov, invscaling": {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.1},
    "Nesterov, adaptive": {
        "solver": "sgd",
        "learning_rate": "adaptive",
        "learning_rate_init": 0.02,
        "tol": 0.1,
        "n_iter_no_change": 2,
    },
    "adam": {"solver": "adam", "learning_rate_init": 0.01},
    "lbfgs": {"solver": "lbfgs"},
}


def both(name, **options):
    options = {"hidden_layer_sizes": (16, 9), "random_state": 3, "max_iter": 25, **options}
    return getattr(gg, name)(device="cpu", **options), getattr(neural_network, name)(**options)


def assert_alike(ours, theirs, x, curve=CURVE):
    if theirs.solver != "lbfgs":
        np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=curve)
    np.testing.assert_allclose(ours.loss_, theirs.loss_, rtol=curve)
    assert ours.n_iter_ == theirs.n_iter_
    for mine, its in zip((*ours.coefs_, *ours.intercepts_), (*theirs.coefs_, *theirs.intercepts_), strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-4, atol=1e-6)
    method = "predict_proba" if hasattr(theirs, "predict_proba") else "predict"
    np.testing.assert_allclose(getattr(ours, method)(x), getattr(theirs, method)(x), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_curve_is_scikit_learns(problem, solver):
    name, x, y, options = PROBLEMS[problem]()
    ours, theirs = both(name, batch_size=64, **options, **SOLVERS[solver])
    ours.fit(x, y), theirs.fit(x, y)
    assert_alike(ours, theirs, x)


@pytest.mark.parametrize("solver", ["Nesterov, invscaling", "adam", "lbfgs"])
@pytest.mark.parametrize("problem", PROBLEMS)
def test_with_sample_weights_and_a_strong_penalty(problem, solver):
    name, x, y, options = PROBLEMS[problem]()
    ours, theirs = both(name, batch_size=64, alpha=0.5, **options, **SOLVERS[solver])
    ours.fit(x, y, weights(len(x))), theirs.fit(x, y, weights(len(x)))
    assert_alike(ours, theirs, x)


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("shuffle", [False, True])
def test_each_activation(activation, shuffle):
    x, y = classes(3)
    ours, theirs = both("MLPClassifier", activation=activation, shuffle=shuffle)
    ours.fit(x, y), theirs.fit(x, y)
    assert_alike(ours, theirs, x)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("weighted", [False, True])
def test_early_stopping_keeps_the_same_weights(solver, weighted):
    x, y = classes(3, rows=300)
    ours, theirs = both("MLPClassifier", early_stopping=True, max_iter=60, **SOLVERS[solver])
    weight = weights(300) if weighted else None
    ours.fit(x, y, weight), theirs.fit(x, y, weight)
    assert_alike(ours, theirs, x)
    assert ours.validation_scores_ == theirs.validation_scores_
    assert ours.best_validation_score_ == theirs.best_validation_score_


@pytest.mark.parametrize("solver", ["Nesterov, invscaling", "adam"])
def test_partial_fit_goes_on_where_it_was_and_so_does_a_pickle(solver):
    x, y = classes(3)
    ours, theirs = both("MLPClassifier", **SOLVERS[solver])
    for i in range(8):
        part = slice(20 * i, 20 * i + 40)
        ours.partial_fit(x[part], y[part], classes=[0, 1, 2]), theirs.partial_fit(x[part], y[part], classes=[0, 1, 2])
        if i % 3 == 2:
            ours = pickle.loads(pickle.dumps(ours))
    assert ours.t_ == theirs.t_
    assert_alike(ours, theirs, x)


def test_a_warm_start_begins_with_the_weights_of_the_last():
    x, y = classes(3)
    ours, theirs = both("MLPClassifier", warm_start=True, max_iter=5)
    for _ in range(3):
        ours.fit(x, y), theirs.fit(x, y)
    assert len(ours.loss_curve_) == 15
    assert_alike(ours, theirs, x)


def test_sparse_rows():
    x, y = classes(3)
    x[x < 0.5] = 0
    ours, theirs = both("MLPClassifier")
    ours.fit(csr_matrix(x), y), theirs.fit(csr_matrix(x), y)
    assert_alike(ours, theirs, csr_matrix(x))


def test_single_precision_is_kept():
    x, y = classes(3)
    ours, theirs = both("MLPClassifier")
    ours.fit(x.astype(np.float32), y), theirs.fit(x.astype(np.float32), y)
    assert {a.dtype for a in (*ours.coefs_, *ours.intercepts_)} == {np.dtype(np.float32)}
    assert ours.predict_proba(x.astype(np.float32)).dtype == np.float32
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-3)


def test_it_warns_as_scikit_learn_does():
    x, y = classes(2)
    ours, theirs = both("MLPClassifier", max_iter=2, batch_size=1000)
    said = []
    for model in (ours, theirs):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(x, y)
        said.append([(w.category, str(w.message)) for w in caught])
        assert model is not ours or [w.filename for w in caught] == [__file__] * 2  # the line that called fit
    assert said[0] == said[1]
    assert said[0][-1][0] is ConvergenceWarning


def test_verbose_prints_what_scikit_learn_prints(capsys):
    x, y = classes(2)
    said = []
    for model in both("MLPClassifier", max_iter=40, verbose=True, tol=0.5, n_iter_no_change=2):
        model.fit(x, y)
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    assert "Training loss did not improve" in said[0]


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_the_kernels_of_a_gpu_give_the_same_curve(solver):
    """In the emulator: CUDA C++ in single precision, compared with scikit-learn in double."""
    x, y = classes(3, rows=80)
    ours, theirs = both("MLPClassifier", max_iter=3, batch_size=32, early_stopping=True, **SOLVERS[solver])
    ours.set_params(device="emulator").fit(x, y), theirs.fit(x, y)
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-4)
    np.testing.assert_allclose(ours.predict_proba(x), theirs.predict_proba(x), rtol=1e-3, atol=1e-5)
    assert ours.coefs_[0].dtype == np.float64
