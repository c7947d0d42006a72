"""The lecture: its eleven scripts print the answers of their docstrings, and its page agrees with them."""

from __future__ import annotations

import ast
import contextlib
import io
import re
import runpy
import sys
import time
from pathlib import Path

import pytest

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


def test_two_folders_are_refused(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["point01_one_dimension.py", "my", "pictures"])
    with pytest.raises(SystemExit, match="expected one folder, got my pictures"):
        runpy.run_path(str(SCRIPTS[0]), run_name="__main__")


# ---- the page ----


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
