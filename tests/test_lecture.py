"""The lecture: its eleven scripts print the answers of their docstrings; the exercise's check and the notebook work."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import re
import runpy
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import refresh

pytest.importorskip("matplotlib")

ROOT = Path(__file__).parent.parent
LECTURE = ROOT / "examples" / "lecture"
SCRIPTS = sorted(LECTURE.glob("point*.py"))
SECONDS = 20  # CPU time for a script, several times what it needs
LARGEST_PICTURE = 80_000  # bytes, in docs/

NUMBER = re.compile(r"(?<![\w.])[-−]?\d+(?:\.\d+)?(?:e-\d+)?%?(?!\w|\.\d)")


def numbers(text):
    return {token.replace("−", "-") for token in NUMBER.findall(text)}


def run(script, folder, monkeypatch):
    """Run a script as a user in that folder would; return its output."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", [str(script)])
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        runpy.run_path(str(script), run_name="__main__")
    return out.getvalue()


def answer(script):
    docstring = ast.get_docstring(ast.parse(script.read_text()))
    assert "\nQuestion: " in docstring
    return docstring.split("\nAnswer: ")[1]


def test_there_is_a_script_for_each_of_the_eleven_points():
    assert [int(script.stem[5:7]) for script in SCRIPTS] == list(range(1, 12))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
@pytest.mark.slow
def test_a_script_writes_its_picture_and_prints_its_docstring_s_answer(script, tmp_path, monkeypatch):
    start = time.process_time()
    with refresh.keeping_numbers():
        said, answered = run(script, tmp_path, monkeypatch).split("\nAnswer: ")
    assert time.process_time() - start < SECONDS
    missing = numbers(answer(script)) - numbers(said.partition("\n\nQuestion: ")[2].partition("\n\n")[2])
    assert not missing, f"{script.name} answers {sorted(missing)}, which it does not print:\n{said}"
    pictures = sorted(tmp_path.iterdir())
    assert sorted(re.findall("^picture: (.+)$", answered, re.M)) == list(map(str, pictures))
    assert {picture.name[:2] for picture in pictures} == {script.stem[5:7]}
    for picture in pictures:
        assert picture.read_bytes()[:4] in (b"\x89PNG", b"GIF8")
        assert picture.stat().st_size > 20_000
        name = "descent_race.gif" if picture.name == "10_race.gif" else f"lecture_{picture.name}"
        assert refresh.stale(picture, name) is None, "run python docs/refresh.py"
    if script.stem == "point05_loss":  # it measures times, which vary on a busy machine
        assert float(re.search(r"the time grew ([\d.]+) times", said)[1]) > 0


def test_the_check_of_answers_sees_a_wrong_number():
    said = "η = 0.1: x × 0.8 a step; converged after 66 steps; −199"
    assert numbers("converged in 66 steps, by 0.8 and −199 of u6, 54x⁵") <= numbers(said)
    for wrong in ("67 steps", "0.88", "199", "66%", "0.1e-3"):
        assert not numbers(wrong) <= numbers(said), wrong


def test_a_folder_may_be_named(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["point01_one_dimension.py", str(tmp_path / "new" / "pictures")])
    runpy.run_path(str(SCRIPTS[0]), run_name="__main__")
    assert (tmp_path / "new" / "pictures" / "01_one_dimension.png").exists()


def test_dark_pictures(tmp_path, monkeypatch):
    from PIL import Image

    monkeypatch.setattr(sys, "argv", ["point01_one_dimension.py", str(tmp_path), "--dark"])
    runpy.run_path(str(SCRIPTS[0]), run_name="__main__")
    with Image.open(tmp_path / "01_one_dimension.png") as image:
        assert max(image.convert("RGB").getpixel((0, 0))) < 30


def test_two_folders_are_refused(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["point01_one_dimension.py", "my", "pictures"])
    with pytest.raises(SystemExit, match="expected one folder, got my pictures"):
        runpy.run_path(str(SCRIPTS[0]), run_name="__main__")


# ---- the exercise ----


@pytest.fixture(scope="module")
def exercise():
    return runpy.run_path(str(LECTURE / "exercise.py"))


def right_gradient(x):
    return 2 * x


def right_descend(x0, rate, steps):
    path = [x0]
    for _ in range(steps):
        path.append(path[-1] - rate * right_gradient(path[-1]))
    return path


def gradient_in_place(x):
    x *= 2
    return x


def steps_of(step, first=True, more=0):
    """Return a descent with a wrong step; `first`: whether the path contains the start."""

    def descend(x0, rate, steps):
        path = [x0]
        for _ in range(steps + more):
            path.append(step(path[-1], rate, x0))
        return path if first else path[1:]

    return descend


def descend_in_place(x0, rate, steps):
    path = [x0 + 0]
    for _ in range(steps):
        x0 -= rate * 2 * x0
        path.append(x0 + 0)
    return path


def remembering():
    """Return a descent that creates its list only once."""
    path = []

    def descend(x0, rate, steps):
        path.extend(right_descend(x0, rate, steps))
        return path

    return descend


def fails(*_):
    raise ZeroDivisionError("division by zero")


def unfilled(*_):
    raise NotImplementedError


WRONG_GRADIENTS = {
    "unfilled": (unfilled, "gradient is not filled in yet"),
    "returns nothing": (lambda x: None, "gradient returned None, expected a value"),
    "sign": (lambda x: -2 * x, "the sign is wrong"),
    "factor 1": (lambda x: x, "the factor of x is 1, expected 2"),
    "factor 4": (lambda x: 4 * x, "the factor of x is 4, expected 2"),
    "f itself": (lambda x: x**2, "this is f itself"),
    "something else": (lambda x: np.cos(x), "the derivative of x² is 2x"),
    "a text": (lambda x: "2x", "gradient(3) returned '2x', expected a number"),
    "not finite": (lambda x: np.inf, "expected a number"),
    "raises": (fails, "gradient(3.0) raised ZeroDivisionError: division by zero"),
    "changes its input": (gradient_in_place, "gradient changed its argument"),
    "numbers alone": (lambda x: 2 * float(np.ravel(x)[0]), "not for an array of them"),
}
WRONG_DESCENTS = {
    "unfilled": (unfilled, "descend is not filled in yet"),
    "returns nothing": (lambda *_: None, "descend returned None"),
    "raises": (fails, "raised ZeroDivisionError"),
    "the last point": (lambda *given: right_descend(*given)[-1], "expected the path: a list of 6 numbers"),
    "uphill": (steps_of(lambda x, rate, x0: x + rate * 2 * x), "the steps go uphill"),
    "without the rate": (steps_of(lambda x, rate, x0: x - 2 * x), "the rate is not used"),
    "factor": (steps_of(lambda x, rate, x0: x - rate * x), "expected rate · gradient(x)"),
    "the first gradient": (steps_of(lambda x, rate, x0: x - rate * 2 * x0), "uses the gradient at x0"),
    "stays": (steps_of(lambda x, rate, x0: x), "the point never moves"),
    "something else": (steps_of(lambda x, rate, x0: x - rate), "after step 1 x is 2.9, expected 2.4"),
    "no start": (steps_of(lambda x, rate, x0: x - rate * 2 * x, first=False), "left out the start"),
    "one step fewer": (steps_of(lambda x, rate, x0: x - rate * 2 * x, more=-1), "one step fewer"),
    "one step more": (steps_of(lambda x, rate, x0: x - rate * 2 * x, more=1), "one step more"),
    "another length": (lambda *given: right_descend(*given)[:2], "returned 2 points, expected 6"),
    "another start": (lambda x0, rate, steps: [0.0] * (steps + 1), "starts at 0, expected x0 = 3"),
    "changes its input": (descend_in_place, "descend changed its argument x0"),
    "remembers": (remembering(), "another path when it was called again"),
}


def test_the_right_solution_passes(exercise):
    assert exercise["check"](right_gradient, right_descend) is None
    assert exercise["check"](right_gradient, lambda *given: np.array(right_descend(*given))) is None


@pytest.mark.parametrize("name", WRONG_GRADIENTS)
def test_a_wrong_gradient_is_reported_in_one_sentence(exercise, name):
    gradient, words = WRONG_GRADIENTS[name]
    said = exercise["check"](gradient, right_descend)
    assert words in said
    assert said.endswith(".")
    assert "\n" not in said


@pytest.mark.parametrize("name", WRONG_DESCENTS)
def test_a_wrong_descent_is_reported_in_one_sentence(exercise, name):
    descend, words = WRONG_DESCENTS[name]
    said = exercise["check"](right_gradient, descend)
    assert words in said
    assert said.endswith(".")
    assert "\n" not in said


def test_the_empty_exercise_reports_that_it_is_empty(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["exercise.py"])
    with pytest.raises(SystemExit, match="gradient is not filled in yet"):
        runpy.run_path(str(LECTURE / "exercise.py"), run_name="__main__")


def test_the_completed_exercise_shows_the_verdicts(tmp_path, monkeypatch):
    text = (LECTURE / "exercise.py").read_text()
    loop = "path = [x0]\n    for _ in range(steps):\n        path.append(path[-1] - rate * gradient(path[-1]))\n"
    for body in ("return 2 * x", f"{loop}    return path"):
        text = text.replace("raise NotImplementedError", body, 1)
    (tmp_path / "mine.py").write_text(text)
    said = run(tmp_path / "mine.py", tmp_path, monkeypatch).splitlines()
    assert said[0] == "Both functions are right."
    verdicts = ["0.1: converged", "0.01: slow", "1: oscillating", "100: diverged", "1000: diverged"]
    for line, verdict in zip(said[1:], verdicts, strict=True):
        assert line.startswith(f"η = {verdict}; ")
        assert "η·f″" in line


# ---- the notebook and the page ----


def cells():
    return json.loads((LECTURE / "lecture.ipynb").read_text())["cells"]


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
def test_the_notebook_runs_and_its_outputs_are_up_to_date(tmp_path, monkeypatch):
    import matplotlib
    from matplotlib.figure import Figure

    monkeypatch.setattr(sys, "path", [str(LECTURE), *sys.path])
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    names = {"__name__": "__main__"}
    n_pictures = 0
    with matplotlib.rc_context({"backend": "agg"}):
        for cell in cells():
            if cell["cell_type"] != "code":
                continue
            said, value = run_cell("".join(cell["source"]), names)
            stored = "".join("".join(o["text"]) for o in cell["outputs"] if o["output_type"] == "stream")
            assert said == stored
            shown = [o["data"] for o in cell["outputs"] if "data" in o]
            assert len(shown) == (value is not None)
            if isinstance(value, Figure):
                n_pictures += 1
                assert "image/png" in shown[0]
            elif shown:
                assert ast.literal_eval("".join(shown[0]["text/plain"])) == value
    for name in set(sys.modules) - before:
        if name.startswith("point") or name == "exercise":
            del sys.modules[name]
    assert n_pictures >= 11
    assert list(tmp_path.iterdir()) == []


def test_the_notebook_covers_every_point_and_is_small():
    text = "\n".join("".join(cell["source"]) for cell in cells() if cell["cell_type"] == "markdown")
    assert [int(number) for number in re.findall(r"^## (\d+)\. ", text, re.M)] == list(range(1, 12))
    assert (LECTURE / "lecture.ipynb").stat().st_size < 1_000_000


def test_the_page_has_an_existing_small_picture_of_every_point():
    text = (ROOT / "docs" / "lecture.md").read_text()
    assert [int(number) for number in re.findall(r"^## (\d+)\. ", text, re.M)] == list(range(1, 12))
    pictures = [ROOT / "docs" / name for name in re.findall(r"!\[.+?\]\((images/.+?)\)", text)]
    assert len(pictures) >= 11
    for picture in pictures:
        assert picture.suffix == ".gif" or picture.stat().st_size < LARGEST_PICTURE, picture
    assert sum(picture.stat().st_size for picture in pictures) < 1_000_000


def test_the_page_agrees_with_the_scripts():
    sections = re.split(r"^## \d+\. ", (ROOT / "docs" / "lecture.md").read_text(), flags=re.M)[1:]
    for section, script in zip(sections, SCRIPTS, strict=True):
        assert f"`{script.name}`" in section
        text = re.sub(r"!\[.*|\]\(.*?\)", "", section)
        assert numbers(text) <= numbers(answer(script)), script.stem
