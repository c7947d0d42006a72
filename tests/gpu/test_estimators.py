"""The estimators on a GPU: scikit-learn's loss curve, and GPU arrays as input and output."""

import os
import subprocess
import sys

import numpy as np
import pytest

import gpugrad as gg

pytest.importorskip("sklearn", minversion="1.9", reason="the estimators need scikit-learn 1.9")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

# SCIPY_ARRAY_API must be set before SciPy is imported.
DISPATCHED = """
import warnings
import cupy, numpy as np
from sklearn import config_context, datasets
import gpugrad as gg

warnings.simplefilter("ignore")
x, y = datasets.make_classification(80, 6, random_state=0)
options = {"hidden_layer_sizes": (5,), "random_state": 0, "max_iter": 5, "device": "cuda"}
plain = gg.MLPClassifier(**options).fit(x, y)
there = cupy.asarray(x), cupy.asarray(y)
with config_context(array_api_dispatch=True):
    model = gg.MLPClassifier(**options).fit(*there)
    for method in ("predict", "predict_proba", "predict_log_proba"):
        out = getattr(model, method)(there[0])
        assert isinstance(out, cupy.ndarray), method
        np.testing.assert_allclose(out.get(), getattr(plain, method)(x), rtol=1e-5)
    assert float(model.score(*there)) == plain.score(x, y)
assert isinstance(model.predict(there[0]), np.ndarray)
"""


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_the_loss_curve_is_scikit_learns(cuda, solver):
    from sklearn import datasets, neural_network

    x, y = datasets.make_classification(300, 12, n_informative=6, n_classes=4, n_clusters_per_class=1, random_state=0)
    options = {"hidden_layer_sizes": (16, 9), "random_state": 3, "max_iter": 10, "solver": solver, "batch_size": 64}
    ours, theirs = gg.MLPClassifier(device=cuda, **options).fit(x, y), neural_network.MLPClassifier(**options).fit(x, y)
    np.testing.assert_allclose(ours.loss_, theirs.loss_, rtol=1e-3)
    np.testing.assert_allclose(ours.predict_proba(x), theirs.predict_proba(x), rtol=1e-2, atol=1e-4)
    if solver != "lbfgs":
        np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-4)


def test_tensors_of_a_gpu_without_dispatch(cuda):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    if not torch.cuda.is_available():
        pytest.skip("this PyTorch has no GPU")
    from sklearn import datasets

    x, y = datasets.make_classification(80, 6, random_state=0)
    options = {"hidden_layer_sizes": (5,), "random_state": 0, "max_iter": 5, "device": cuda}
    model = gg.MLPClassifier(**options).fit(torch.tensor(x, device="cuda"), torch.tensor(y, device="cuda"))
    assert model.loss_curve_ == gg.MLPClassifier(**options).fit(x, y).loss_curve_


@pytest.mark.usefixtures("cuda")
def test_predictions_stay_on_the_gpu_under_dispatch():
    environment = {**os.environ, "SCIPY_ARRAY_API": "1"}
    command = [sys.executable, "-c", DISPATCHED]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
