"""The notebook of the lecture: its cells run, its outputs are up to date, and its first cell finds what it needs."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

ROOT = Path(__file__).parent.parent
LECTURE = ROOT / "examples" / "lecture"
NOTEBOOK = LECTURE / "lecture.ipynb"


def cells(kind):
    return [cell for cell in json.loads(NOTEBOOK.read_text("utf-8"))["cells"] if cell["cell_type"] == kind]


def source(cell):
    return "".join(cell["source"])


@pytest.fixture
def _imports():
    """Leave the imports as they were: the notebook's first cell adds folders to the path."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.split(".")[0] == "checks" or name.startswith("point"):
            del sys.modules[name]


def run_cell(source, names):
    """Run a cell like Jupyter, without % commands; return its output and the value of its last expression."""
    tree = ast.parse(re.sub(r"^%.*$", "", source, flags=re.M))
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(tree, "cell", "exec"), names)
        value = last and eval(compile(ast.Expression(last.value), "cell", "eval"), names)
    return out.getvalue(), value


@pytest.mark.slow
@pytest.mark.usefixtures("_imports")
def test_the_notebook_runs_and_its_outputs_are_up_to_date(tmp_path, monkeypatch):
    import matplotlib
    from matplotlib.figure import Figure

    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    n_pictures = 0
    with matplotlib.rc_context({"backend": "agg"}):
        for number, cell in enumerate(cells("code")):
            text = source(cell)
            if number == 0:
                text = text.replace('CHECKOUT = ""', f"CHECKOUT = {str(ROOT)!r}")
            said, value = run_cell(text, names)
            stored = "".join("".join(o["text"]) for o in cell["outputs"] if o["output_type"] == "stream")
            assert said == stored
            shown = [o["data"] for o in cell["outputs"] if "data" in o]
            assert len(shown) == (value is not None)
            if isinstance(value, Figure):
                n_pictures += 1
                assert "image/png" in shown[0]
            elif shown:
                assert ast.literal_eval("".join(shown[0]["text/plain"])) == value
    assert n_pictures >= 12
    assert list(tmp_path.iterdir()) == []


def first_cell():
    """Return the functions of the first cell, without their call."""
    text = source(cells("code")[0])
    names = {}
    exec(text[: text.rindex("prepare(")], names)
    return names


INNER = ["examples/lecture/exercises", "examples/lecture/exercises/checks", "examples/lecture/lecturer"]
FOLDERS = ["examples/lecture", "examples", "", "tests/lab", *INNER]


@pytest.mark.parametrize("place", FOLDERS)
def test_the_first_cell_finds_the_lecture_from_any_folder_of_a_checkout(place, monkeypatch):
    monkeypatch.chdir(ROOT / place)
    assert first_cell()["lecture"]("") == LECTURE


def test_the_first_cell_finds_the_lecture_in_a_checkout_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert first_cell()["lecture"](str(ROOT)) == LECTURE


def test_the_first_cell_clones_an_address(tmp_path, monkeypatch):
    origin = tmp_path / "origin"
    (origin / "examples" / "lecture").mkdir(parents=True)
    for name in ("lecture.ipynb", "point01_one_dimension.py"):
        (origin / "examples" / "lecture" / name).write_text("", "utf-8")
    for command in (["init", "-q"], ["add", "."], ["-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", "all"]):
        subprocess.run(["git", *command], cwd=origin, check=True)
    monkeypatch.chdir(tmp_path)
    assert first_cell()["lecture"](f" {origin.as_uri()} ") == tmp_path / "gpugrad-checkout" / "examples" / "lecture"


def test_the_first_cell_expands_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(ROOT.parent))
    monkeypatch.setenv("USERPROFILE", str(ROOT.parent))
    monkeypatch.chdir(tmp_path)
    assert first_cell()["lecture"](f" ~/{ROOT.name}\n") == LECTURE


def test_the_first_cell_says_that_a_clone_failed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    address = (tmp_path / "missing").as_uri()
    with pytest.raises(RuntimeError, match=f"^{re.escape(address)} cannot be cloned .*set it to the folder") as failed:
        first_cell()["lecture"](address)
    assert failed.value.__suppress_context__
    assert "\n" not in str(failed.value)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RuntimeError, match=r"cannot be cloned \(.*git"):
        first_cell()["lecture"](address)


def test_the_first_cell_says_what_to_set_where_there_is_no_checkout(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(FileNotFoundError, match=r"scripts are not in .*: set CHECKOUT to the folder of a checkout"):
        first_cell()["lecture"]("")
    with pytest.raises(FileNotFoundError, match="scripts are not in nowhere: set CHECKOUT"):
        first_cell()["lecture"]("nowhere")


@pytest.mark.parametrize("missing", [None, "gpugrad", "matplotlib"])
@pytest.mark.usefixtures("_imports")
def test_the_first_cell_installs_the_checkout_if_something_is_missing(missing, monkeypatch):
    import importlib.util

    ran = []
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else name)
    monkeypatch.setattr(subprocess, "run", lambda command, check: ran.append(command[1:]))
    first_cell()["prepare"](LECTURE)
    assert ran == ([["-m", "pip", "install", "--quiet", f"{ROOT}[plot]"]] if missing else [])
    assert sys.path[:2] == [str(LECTURE), str(LECTURE / "exercises")]


def test_the_notebook_covers_every_point_with_formulas_and_is_small():
    text = "\n".join(map(source, cells("markdown")))
    assert [int(number) for number in re.findall(r"^## (\d+)\. ", text, re.M)] == list(range(1, 12))
    for section in re.split(r"^## ", text, flags=re.M)[1:]:
        assert re.search(r"\$\$.+?\$\$|\$x \\leftarrow", section, re.S), section
    assert NOTEBOOK.stat().st_size < 1_000_000


def test_gradient_descent_is_written_out_before_it_is_called():
    plain, called = [source(cell) for cell in cells("code")][2:4]
    assert "x = x - eta * (np.exp(x) - 2)" in plain
    assert "gg." not in plain
    assert "gg.minimize(" in called
