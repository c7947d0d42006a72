"""From scikit-learn's estimators and back, and programs that run with these instead of its own."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn import datasets, neural_network
from sklearn.linear_model import LogisticRegression

import gpugrad as gg
from gpugrad.errors import ArgumentError

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
KINDS = ["MLPClassifier", "MLPRegressor"]


def data(name):
    return (datasets.load_iris if name == "MLPClassifier" else datasets.load_diabetes)(return_X_y=True)


@pytest.mark.parametrize("name", KINDS)
def test_there_and_back(name):
    x, y = data(name)
    theirs = getattr(neural_network, name)(hidden_layer_sizes=(7,), max_iter=5, random_state=0).fit(x, y)
    ours = getattr(gg, name).from_sklearn(theirs, device="cpu")
    assert ours.get_params() == {**ours.get_params(), **theirs.get_params(), "device": "cpu"}
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x), rtol=1e-12)
    back = ours.to_sklearn()
    assert type(back) is type(theirs)
    assert back.get_params() == theirs.get_params()
    np.testing.assert_array_equal(back.predict(x), theirs.predict(x))
    back.coefs_[0][:] = 0
    assert theirs.coefs_[0].any(), "they share memory"


@pytest.mark.parametrize("name", KINDS)
def test_what_was_trained_here_goes_on_there(name):
    x, y = data(name)
    ours = getattr(gg, name)(hidden_layer_sizes=(7,), max_iter=5, random_state=0, device="cpu").fit(x, y)
    theirs = ours.to_sklearn()
    np.testing.assert_allclose(theirs.predict(x), ours.predict(x), rtol=1e-12)
    theirs.partial_fit(x, y)
    getattr(gg, name).from_sklearn(theirs).partial_fit(x, y)


def test_one_that_is_not_fitted():
    ours = gg.MLPClassifier.from_sklearn(neural_network.MLPClassifier((3,)))
    assert ours.hidden_layer_sizes == (3,)
    assert not hasattr(ours, "coefs_")


def test_another_model_is_refused():
    with pytest.raises(ArgumentError, match="model is a LogisticRegression, expected an MLPClassifier"):
        gg.MLPClassifier.from_sklearn(LogisticRegression())


PROGRAM = """
import sys
from sklearn.datasets import load_iris
from sklearn.neural_network import MLPClassifier, MLPRegressor
if __name__ == "__main__":
    print(MLPClassifier.__module__, MLPRegressor.__module__, sys.argv[1:])
    print(MLPClassifier(max_iter=1).fit(*load_iris(return_X_y=True)).n_layers_)
"""


def accel(*arguments, **options):
    command = [sys.executable, "-W", "ignore", "-m", "gpugrad.accel", *arguments]
    return subprocess.run(command, capture_output=True, text=True, **options)


@pytest.mark.parametrize("way", [("program.py",), ("-m", "program")])
@pytest.mark.slow
def test_an_unchanged_program(way, tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    done = accel(*way, "--some", "1", cwd=tmp_path)
    where = "gpugrad.estimators.multilayer"
    assert done.stdout == f"{where} {where} ['--some', '1']\n3\n", done.stderr


@pytest.mark.parametrize("wrong", [(), ("-m",), ("--help",), ("not_there.py",)])
def test_how_it_is_used(wrong):
    done = accel(*wrong)
    assert done.returncode == 1
    assert "usage: python -m gpugrad.accel" in done.stderr


def test_the_extension_of_a_notebook():
    program = (
        "import gpugrad.accel; gpugrad.accel.load_ipython_extension(None)\n"
        "from sklearn.neural_network import MLPClassifier; print(MLPClassifier.__module__)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "gpugrad.estimators.multilayer"
