"""scikit-learn's own checks of an estimator."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

import gpugrad as gg

pytestmark = pytest.mark.filterwarnings("ignore")


@parametrize_with_checks([gg.MLPClassifier(device="cpu", max_iter=100), gg.MLPRegressor(device="cpu", max_iter=100)])
def test_scikit_learns_checks(estimator, check):
    check(estimator)
