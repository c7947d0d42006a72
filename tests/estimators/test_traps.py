"""Wrong uses of the estimators are errors of one sentence, and natural ones work."""

import pickle
import shutil

import numpy as np
import pytest

import gpugrad as gg
from gpugrad.errors import ArgumentError, DataError

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(60, 4)), RANDOM.integers(0, 3, 60)
LABELS = (RANDOM.random((60, 3)) > 0.5).astype(int)
WEIGHTS = np.repeat([0.0, 1.0, 2.0], 20)


def model(cls=gg.MLPClassifier, **options):
    return cls(**{"hidden_layer_sizes": (5,), "random_state": 0, "max_iter": 3, "device": "cpu", **options})


@pytest.mark.parametrize(
    ("class_weight", "y", "message"),
    [
        ([1], Y, r"class_weight is \[1\], expected 'balanced', a dict \{label: weight\}, or None"),
        ([], Y, r"class_weight is \[\], expected"),
        ([{0: 1, 1: 1}] * 2, LABELS, r"expected 'balanced', a list of 3 dicts, one per label, or None"),
    ],
)
def test_class_weights_of_another_form_are_refused(class_weight, y, message):
    with pytest.raises(ArgumentError, match=message):
        model(class_weight=class_weight).fit(X, y)


def test_class_weights_of_several_labels_are_dicts():
    assert np.isfinite(model(class_weight=[{0: 1, 1: 2}] * 3).fit(X, LABELS).loss_)


@pytest.mark.parametrize(
    "changed", [{"solver": "bogus"}, {"activation": "bogus"}, {"batch_size": -1}, {"dropout": 3.0}, {"alpha": -1}]
)
@pytest.mark.parametrize("first", ["fit", "partial_fit"])
def test_partial_fit_refuses_a_parameter_set_after_the_first_call(first, changed):
    fitted = getattr(model(gg.MLPRegressor), first)(X, Y).partial_fit(X, Y)
    with pytest.raises(ValueError, match=f"The '{next(iter(changed))}' parameter of MLPRegressor must be"):
        fitted.set_params(**changed).partial_fit(X, Y)


@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw"])
def test_a_minibatch_of_weight_zero_changes_nothing(solver):
    options = {"solver": solver, "momentum": 0, "batch_size": 20, "shuffle": False, "max_iter": 1, "alpha": 0.1}
    whole = model(**options).fit(X, Y, WEIGHTS)
    assert np.isfinite(whole.loss_)
    if solver == "sgd":  # without momentum, no gradient means no step
        rest = model(**options).fit(X[20:], Y[20:], WEIGHTS[20:])
        for one, other in zip(whole.coefs_, rest.coefs_, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_minibatch_of_weight_zero_in_a_poisson_regression():
    counts = model(gg.MLPRegressor, loss="poisson", batch_size=20, shuffle=False).fit(X, Y.astype(float), WEIGHTS)
    assert np.isfinite(counts.loss_curve_).all()


def test_rows_that_all_have_weight_zero_are_refused():
    with pytest.raises(DataError, match="all rows to train on have the weight 0, expected one above 0"):
        model(class_weight={0: 0, 1: 0, 2: 0}).fit(X, Y)


@pytest.mark.parametrize("devices", [("cpu", "emulator"), ("emulator", "cpu")], ids=" to ".join)
def test_partial_fit_continues_on_another_device(devices):
    options = {"solver": "adamw", "schedule": "exponential"}
    moved, whole = model(**options, device=devices[0]), model(**options, device="emulator")
    for each in (moved, whole):
        each.partial_fit(X, Y, classes=[0, 1, 2])
    moved.set_params(device=devices[1])
    for each in (moved, whole):
        each.partial_fit(X, Y)
    assert moved.loss_ == pytest.approx(whole.loss_, rel=1e-5)


def test_a_run_resumes_on_another_device(tmp_path):
    path = tmp_path / "file"
    model(checkpoint=path).fit(X, Y)
    resumed = model(checkpoint=path, device="emulator", max_iter=5).fit(X, Y, resume=True)
    np.testing.assert_allclose(resumed.loss_curve_, model(max_iter=5).fit(X, Y).loss_curve_, rtol=1e-5)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """The checkpoint of a run that its rules stopped after five epochs."""
    path = tmp_path_factory.mktemp("stopped") / "file"
    assert model(max_iter=12, tol=10, n_iter_no_change=3, checkpoint=path).fit(X, Y).n_iter_ == 5
    return path


@pytest.mark.parametrize(
    ("changed", "epochs"),
    [({}, 5), ({"n_iter_no_change": 2}, 5), ({"n_iter_no_change": 6}, 8), ({"tol": 0.0}, 12)],
    ids=["nothing", "less patience", "more patience", "another tol"],
)
def test_a_run_that_its_rules_stopped_resumes_under_others(tmp_path, stopped, changed, epochs):
    path = shutil.copy(stopped, tmp_path / "file")
    options = {"max_iter": 12, "tol": 10, "n_iter_no_change": 3, **changed}
    resumed = model(checkpoint=path, **options).fit(X, Y, resume=True)
    assert resumed.n_iter_ == epochs
    if "tol" not in changed and epochs > 5:
        assert resumed.loss_curve_ == model(**options).fit(X, Y).loss_curve_


def test_partial_fit_checks_parameters_again_only_if_one_was_set(monkeypatch):
    checks = []
    fitted = model(schedule=lambda optimizer: gg.optim.StepLR(optimizer, 1)).partial_fit(X, Y, classes=[0, 1, 2])
    monkeypatch.setattr(gg.MLPClassifier, "_validate_params", lambda self: checks.append(self))
    fitted.partial_fit(X, Y)
    assert not checks
    fitted.set_params(schedule=None).partial_fit(X, Y)
    assert len(checks) == 1
    pickle.loads(pickle.dumps(fitted.set_params(alpha=0.1))).partial_fit(X, Y)  # without the lambda of before
    assert len(checks) == 2
