"""scikit-learn's tests of its MLP, with these classes instead of its own."""

import pytest
from sklearn.neural_network.tests import test_mlp

import gpugrad as gg

test_mlp.MLPClassifier, test_mlp.MLPRegressor = gg.MLPClassifier, gg.MLPRegressor

from sklearn.neural_network.tests.test_mlp import *  # noqa: E402, F403

pytestmark = pytest.mark.filterwarnings("ignore")
test_gradient = pytest.mark.long(pytest.mark.slow(test_mlp.test_gradient))  # a minute: other tests compare losses


@pytest.fixture
def global_random_seed():
    return 42


def test_they_are_tests_of_these_classes():
    assert test_mlp.MLPClassifier is gg.MLPClassifier
    assert len([name for name in globals() if name.startswith("test_")]) > 40
