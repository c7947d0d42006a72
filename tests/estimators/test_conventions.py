"""scikit-learn's own checks of an estimator: on the CPU, and with the kernels of a GPU in the emulator."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

import gpugrad as gg

pytestmark = pytest.mark.filterwarnings("ignore")

SINGLE = "the kernels of a GPU compute in single precision, the check compares to 1e-7"
SHORT = "three epochs, to keep it quick, are not enough to learn"


def not_in_the_emulator(estimator):
    return {
        "check_sample_weight_equivalence_on_dense_data": SINGLE,
        "check_sample_weight_equivalence_on_sparse_data": SINGLE,
        "check_classifiers_train": SHORT,
        "check_regressors_train": SHORT,
    }


@parametrize_with_checks([gg.MLPClassifier(device="cpu", max_iter=100), gg.MLPRegressor(device="cpu", max_iter=100)])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@parametrize_with_checks(
    [gg.MLPClassifier(device="emulator", max_iter=3), gg.MLPRegressor(device="emulator", max_iter=3)],
    expected_failed_checks=not_in_the_emulator,
)
@pytest.mark.slow
def test_scikit_learns_checks_of_the_kernels_of_a_gpu(estimator, check):
    check(estimator)
