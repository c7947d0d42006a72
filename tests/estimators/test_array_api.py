"""Tensors in; tensors out where scikit-learn's array API dispatch asks for it."""

import os
import subprocess
import sys

import numpy as np
import pytest
from sklearn import datasets

import gpugrad as gg

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

# SCIPY_ARRAY_API must be set before SciPy is imported.
DISPATCHED = """
import numpy as np, torch, warnings
from sklearn import config_context, datasets
import gpugrad as gg

warnings.simplefilter("ignore")
x, y = datasets.make_classification(80, 6, random_state=0)
options = {"hidden_layer_sizes": (5,), "random_state": 0, "max_iter": 5, "device": "cpu"}
plain = gg.MLPClassifier(**options).fit(x, y)
tx, ty = torch.tensor(x), torch.tensor(y)
with config_context(array_api_dispatch=True):
    model = gg.MLPClassifier(**options).fit(tx, ty, torch.ones(80))
    for method in ("predict", "predict_proba", "predict_log_proba"):
        out = getattr(model, method)(tx)
        assert isinstance(out, torch.Tensor) and out.device == tx.device, method
        np.testing.assert_allclose(out.numpy(), getattr(plain, method)(x))
    assert model.score(tx, ty) == plain.score(x, y)
    assert isinstance(model.predict(x), np.ndarray)
    assert isinstance(model.fit(tx, np.array(["a", "b"])[y]).predict(tx), np.ndarray)
    regressor = gg.MLPRegressor(**options).fit(tx, tx[:, :2])
    assert isinstance(regressor.predict(tx), torch.Tensor)
    assert abs(regressor.score(tx, tx[:, :2]) - gg.MLPRegressor(**options).fit(x, x[:, :2]).score(x, x[:, :2])) < 1e-12
assert isinstance(model.predict(tx), np.ndarray)
"""


@pytest.mark.slow
def test_predictions_are_tensors_under_dispatch():
    pytest.importorskip("torch", reason="PyTorch is not installed")
    environment = {**os.environ, "SCIPY_ARRAY_API": "1"}
    result = subprocess.run(
        [sys.executable, "-c", DISPATCHED], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


def test_tensors_without_dispatch_are_arrays_of_the_host():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x, y = datasets.make_classification(80, 6, random_state=0)
    options = {"hidden_layer_sizes": (5,), "random_state": 0, "max_iter": 5, "device": "cpu"}
    model = gg.MLPClassifier(**options).fit(
        torch.tensor(x), torch.tensor(y), validation_data=(torch.tensor(x), torch.tensor(y))
    )
    assert model.loss_curve_ == gg.MLPClassifier(**options).fit(x, y).loss_curve_
    assert isinstance(model.predict(torch.tensor(x)), np.ndarray)
