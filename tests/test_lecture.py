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
import refresh

from gpugrad.errors import GpugradError
from gpugrad.lab.script import present

pytest.importorskip("matplotlib")

ROOT = Path(__file__).parent.parent
LECTURE = ROOT / "examples" / "lecture"
SCRIPTS = sorted(LECTURE.glob("point*.py"))
SECONDS = 20  # CPU time for a script, which needs less than 5 on an idle machine
LARGEST_PICTURE = 80_000  # bytes, in docs/

CITED = re.compile(r"(?:\d{4}, )?https?://[^\s)]+")  # address of a paper, with its year
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
    missing = numbers(CITED.sub("", answer(script))) - numbers(said.partition("\n\nQuestion: ")[2].partition("\n\n")[2])
    assert not missing, f"{script.name} answers {sorted(missing)}, which it does not print:\n{said}"
    pictures = sorted(tmp_path.iterdir())
    assert sorted(re.findall("^picture: (.+)$", answered, re.M)) == list(map(str, pictures))
    assert {picture.name[:2] for picture in pictures} == {script.stem[5:7]}
    for picture in pictures:
        assert picture.read_bytes()[:4] in (b"\x89PNG", b"GIF8")
        assert picture.stat().st_size > 20_000
        assert refresh.stale(picture, f"lecture_{picture.name}") is None, "run python docs/refresh.py"
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


# ---- the page ----


def test_the_page_has_an_existing_small_picture_of_every_point():
    text = (ROOT / "docs" / "lecture.md").read_text()
    assert [int(number) for number in re.findall(r"^## (\d+)\. ", text, re.M)] == list(range(1, 12))
    pictures = [ROOT / "docs" / name for name in re.findall(r"!\[.+?\]\((images/.+?)\)", text)]
    assert len(pictures) >= 11
    for picture in pictures:
        assert picture.suffix == ".gif" or picture.stat().st_size < LARGEST_PICTURE, picture
    assert sum(picture.stat().st_size for picture in pictures) < 1_000_000


MATH = re.compile(r"\$\$.+?\$\$|\$[^$\n]+\$", re.S)  # its numbers belong to formulas


def sections():
    """Return the parts of the page by their headings."""
    _, *parts = re.split(r"^## (.+)\n", (ROOT / "docs" / "lecture.md").read_text(), flags=re.M)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def rows(section):
    """Return the rows of the table of a section, each a list of its cells."""
    lines = re.findall(r"^\| (.+) \|$", sections()[section], re.M)
    return [line.split(" | ") for line in lines][2:]


def test_a_script_explains_itself_and_its_errors_in_a_sentence(tmp_path, monkeypatch, capsys):
    text = "Title.\n\nQuestion: why?\n\nAnswer: so."

    def main(picture):
        raise GpugradError("Matplotlib is missing: pip install matplotlib")

    monkeypatch.setattr(sys, "argv", ["script.py", "--help"])
    present(text, main)
    assert capsys.readouterr().out == f"{text}\n"
    monkeypatch.setattr(sys, "argv", ["script.py", str(tmp_path / "new")])
    with pytest.raises(SystemExit, match="Matplotlib is missing: pip install"):
        present(text, main)
    (tmp_path / "file").write_text("", "utf-8")
    for folder in (tmp_path / "file", tmp_path / "file" / "inside"):
        monkeypatch.setattr(sys, "argv", ["script.py", str(folder)])
        with pytest.raises(SystemExit, match=r"file.*; name a folder that can be made and written to$"):
            present(text, main)


def test_the_page_agrees_with_the_scripts():
    parts = [text for title, text in sections().items() if title[0].isdigit()]
    for text, script in zip(parts, SCRIPTS, strict=True):
        assert f"`{script.name}`" in text
        said = MATH.sub("", re.sub(r"!\[.*|\]\(.*?\)", "", text))
        assert numbers(said) <= numbers(answer(script)), script.stem


def test_numbers_of_formulas_are_left_out_of_the_comparison_but_no_others():
    text = "from 3 to 4: $$x^2 + 5$$ and $6 x$ in 7 steps, for $8$ to 9"
    assert numbers(MATH.sub("", text)) == {"3", "4", "7", "9"}


def test_each_formula_of_the_page_has_a_script_a_picture_and_an_exercise_that_exist():
    covered = set()
    for formula, *places in rows("Where each formula is"):
        links = [re.fullmatch(r"\[.+\]\((.+)\)", place) for place in places]
        assert len(links) == 3, formula
        assert all(links), formula
        files = [ROOT / "docs" / link[1] for link in links]
        assert all(file.is_file() for file in files), files
        script, picture, exercise = (file.name for file in files)
        assert picture.removeprefix("lecture_")[:2] == script[5:7]
        assert exercise == script
        covered.add(script)
    assert covered == {script.name for script in SCRIPTS}


def test_the_page_s_table_of_optimizers_agrees_with_their_formulas():
    race = runpy.run_path(str(LECTURE / "point10_race.py"))
    table = rows("10. Which optimizer leaves a saddle first?")
    order = ("gradient descent", "momentum", "Nesterov", "Adagrad", "RMSprop", "Adadelta", "Adam")
    assert [row[0] for row in table] == list(order)
    names = {"gradient descent": "sgd"}
    for name, _, momentum, adaptive, formula, source in table:
        rule = race["FORMULAS"][names.get(name, name.lower())]
        remembered = race["by_hand"](rule.__name__, 0.1, 2)[1]
        assert (momentum == "yes") == bool(remembered & race["MOMENTUM"]), name
        assert (adaptive == "yes") == bool(remembered & race["ADAPTIVE"]), name
        assert set(re.findall(r"(\w) \\leftarrow", formula)) == remembered | {"p"}, name
        assert "](https://" in source
