"""Rows that scikit-learn's checks would not change are predicted without them."""

import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn import neural_network

import gpugrad as gg
from gpugrad.estimators.scikit_learn import is_checked

ROWS = np.random.default_rng(1).normal(size=(60, 4))
TARGETS = {
    "two classes": (gg.MLPClassifier, ROWS[:, 0] > 0),
    "texts": (gg.MLPClassifier, np.array(["no", "yes"])[(ROWS[:, 0] > 0).astype(int)]),
    "one class": (gg.MLPClassifier, np.zeros(60, int)),
    "three classes": (gg.MLPClassifier, np.array([5, -1, 7])[np.arange(60) % 3]),
    "labels": (gg.MLPClassifier, (ROWS[:, :3] > 0).astype(int)),
    "a number": (gg.MLPRegressor, ROWS[:, 0]),
    "two numbers": (gg.MLPRegressor, ROWS[:, :2]),
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_plain_rows_are_predicted_as_scikit_learn_predicts_them(target):
    kind, y = TARGETS[target]
    model = kind(hidden_layer_sizes=(8,), max_iter=20, random_state=0, device="cpu").fit(ROWS, y)
    theirs = getattr(neural_network, kind.__name__)
    for rows in (ROWS[:1], ROWS, ROWS.astype(np.float32), np.asfortranarray(ROWS), ROWS[::-2]):
        assert is_checked(model, rows)
        for name in ("predict", "predict_proba") if hasattr(model, "classes_") else ("predict",):
            ours, expected = getattr(model, name)(rows), getattr(theirs, name)(model, rows)
            assert (ours.dtype, ours.shape) == (expected.dtype, expected.shape)
            assert (ours == expected).all()


def test_other_rows_are_checked_by_scikit_learn():
    model = gg.MLPRegressor(hidden_layer_sizes=(8,), max_iter=2, random_state=0, device="cpu")
    assert not is_checked(model, ROWS)  # not fitted
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(ROWS, ROWS[:, 0])
    for rows in (
        ROWS.tolist(),
        ROWS.astype(int),
        ROWS.astype(np.float16),
        ROWS.view(np.memmap),
        sparse.csr_array(ROWS),
    ):
        assert not is_checked(model, rows)
        assert model.predict(rows).shape == (60,)
    damaged = ROWS.copy()
    damaged[3, 1] = np.inf
    for rows in (damaged, ROWS[:, :3], ROWS[:0], ROWS[0]):
        assert not is_checked(model, rows)
        with pytest.raises(ValueError, match=r"infinity|features|0 sample|1D array"):
            model.predict(rows)
