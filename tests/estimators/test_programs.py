"""Twelve programs of scikit-learn's users print the same numbers unchanged and with only the import changed."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.neural_network._multilayer_perceptron import BaseMultilayerPerceptron

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

PROGRAMS = {path.stem: path for path in sorted((Path(__file__).parent / "programs").glob("*.py"))}
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
THEIRS, OURS = "sklearn.neural_network._multilayer_perceptron", "gpugrad.estimators.multilayer"

# The data are in double precision, and so is the arithmetic: all eight printed digits were the same, except
# the seventh of one loss of L-BFGS, which amplifies a rounding error in each step: after a hundred steps, scikit-learn
# itself has another loss on another processor, so the programs allow at most forty.
TOLERANCE = 1e-6
LBFGS = {"penalty_and_surfaces": 1e-4, "several_targets": 1e-4}


def as_it_is(path):
    runpy.run_path(str(path), run_name="__main__")


def with_the_import_changed(path):
    text = path.read_text()
    changed = text.replace("from sklearn.neural_network import", "from gpugrad import")
    assert changed != text
    assert "neural_network" not in changed
    exec(compile(changed, path, "exec"), {"__name__": "__main__"})


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """Return run(path, way): a program's output, its picture if it drew one, and the modules of its fitted networks."""
    monkeypatch.setenv("PICTURES", str(tmp_path))
    monkeypatch.setenv("GPUGRAD_DEVICE", "cpu")

    def run(path, way):
        modules, initialize = set(), BaseMultilayerPerceptron._initialize

        def seen(self, *args, **kwargs):
            modules.add(type(self).__module__)
            return initialize(self, *args, **kwargs)

        with monkeypatch.context() as patched:
            patched.setattr(BaseMultilayerPerceptron, "_initialize", seen)
            way(path)
        plt.close("all")
        picture = tmp_path / f"{path.stem}.png"
        pixels = plt.imread(picture) if picture.exists() else None
        picture.unlink(missing_ok=True)
        return capsys.readouterr().out, pixels, modules

    return run


def assert_same_output(ours, theirs, tolerance):
    """Assert the same words and integers, and the same numbers with a point to a tolerance."""
    assert NUMBER.sub("#", ours) == NUMBER.sub("#", theirs)
    pairs = list(zip(NUMBER.findall(ours), NUMBER.findall(theirs), strict=True))
    assert pairs
    for mine, its in pairs:
        if "." in its or "e" in its:
            assert float(mine) == pytest.approx(float(its), rel=tolerance, abs=tolerance / 10), (mine, its)
        else:
            assert mine == its


def test_there_are_twelve_of_which_most_draw():
    assert len(PROGRAMS) == 12
    assert sum("savefig" in path.read_text() for path in PROGRAMS.values()) == 10


LONGEST = ("learning_strategies", "partial_dependence", "penalty_and_surfaces")


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.long) if n in LONGEST else n for n in PROGRAMS])
@pytest.mark.slow
def test_a_program_prints_and_draws_the_same(run, name):
    path, tolerance = PROGRAMS[name], LBFGS.get(name, TOLERANCE)
    printed, picture, modules = run(path, as_it_is)
    assert modules == {THEIRS}
    again, drawn, modules = run(path, with_the_import_changed)
    assert modules == {OURS}
    assert_same_output(again, printed, tolerance)
    assert (drawn is None) == (picture is None) == ("savefig" not in path.read_text())
    if picture is not None:
        assert np.abs(drawn - picture).mean() < 1e-3
        assert picture.std() > 0.05  # something is drawn


@pytest.mark.parametrize("name", [pytest.param("searches", marks=pytest.mark.long), "words_to_topics"])
@pytest.mark.slow
def test_unchanged_programs_from_the_command_line(run, name):
    path = PROGRAMS[name]
    command = [sys.executable, "-W", "ignore", "-m", "gpugrad.accel", str(path)]
    environment = {**os.environ, "GPUGRAD_DEVICE": "cpu"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert_same_output(done.stdout, run(path, as_it_is)[0], TOLERANCE)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("loss 0.50001", "loss 0.5"),
        ("rows 11", "rows 10"),
        ("rank 1 2", "rank 1"),
        ("score 0.5", "loss 0.5"),
        ("nothing", "nothing"),
    ],
)
def test_what_is_not_the_same_is_found(ours, theirs):
    with pytest.raises(AssertionError):
        assert_same_output(ours, theirs, TOLERANCE)
