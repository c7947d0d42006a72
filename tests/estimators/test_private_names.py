"""scikit-learn's private names are in one file, and importing gpugrad changes nothing of scikit-learn."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn import neural_network
from sklearn.preprocessing import LabelBinarizer

import gpugrad as gg

PACKAGE = Path(gg.__file__).parent
ADAPTER = PACKAGE / "estimators" / "scikit_learn.py"
# Rooms in which an attribute with such a name can only be scikit-learn's: elsewhere `_optimizer` is a Trainer's.
ROOMS = [path for room in ("estimators", "export") for path in (PACKAGE / room).glob("*.py") if path != ADAPTER]


def private(name):
    return name.startswith("_") and not name.startswith("__")


@pytest.fixture(scope="module")
def names():
    """Return the private names of scikit-learn's fitted estimators, and of the encoder of their labels."""
    x, y = np.eye(20), np.arange(20) % 2
    found = set()
    for cls in (neural_network.MLPClassifier, neural_network.MLPRegressor):
        for solver in ("sgd", "adam", "lbfgs"):
            found |= {*dir(cls(solver=solver, max_iter=2).fit(x, y))}
    return {name for name in found | {*dir(LabelBinarizer())} if private(name)}


def touched(path):
    """Return every name that a file reads or writes as an attribute, defines, or contains as a string."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.Attribute(attr=name) | ast.FunctionDef(name=name) | ast.Constant(value=str(name)):
                yield name
            case ast.Name(id=name, ctx=ast.Store()):
                yield name


@pytest.mark.filterwarnings("ignore")
def test_no_other_file_touches_a_private_attribute(names):
    assert {"_fit", "_initialize", "_best_coefs", "_label_binarizer", "_optimizer", "_random_state"} <= names
    assert {"_fit", "_best_coefs", "_label_binarizer"} <= {*touched(ADAPTER)}
    assert len(ROOMS) > 15
    assert {path.name: found for path in ROOMS if (found := names & {*touched(path)})} == {}


def test_importing_the_estimators_changes_nothing_of_scikit_learn():
    program = """
import copy
from sklearn.neural_network import MLPClassifier, _multilayer_perceptron as module
before = dict(vars(module)) | {k: copy.copy(v) for k, v in vars(module).items() if isinstance(v, list | dict | set)}
constraints = copy.copy(MLPClassifier._parameter_constraints)
import gpugrad.estimators
assert vars(module) == before
assert module._STOCHASTIC_SOLVERS == ["sgd", "adam"]
assert MLPClassifier._parameter_constraints == constraints
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=PACKAGE.parent)
