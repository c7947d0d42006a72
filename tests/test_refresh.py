"""What the docs show is up to date: outputs, tables and pictures; a planted change of each is found."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import refresh

pytest.importorskip("matplotlib")


def check(*words):
    done = subprocess.run(
        [sys.executable, refresh.DOCS / "refresh.py", "--check", *words], capture_output=True, text=True, timeout=400
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow(10)
@pytest.mark.parametrize("word", ["benchmarks.md", "export.md", "descent_basins", "bench_"])
def test_the_docs_are_up_to_date(word):
    """The lecture's pictures and the race are compared where tests/test_lecture.py runs the scripts."""
    assert check(word) == (0, "everything is up to date\n"), "run python docs/refresh.py"


@pytest.mark.slow(30)
@pytest.mark.long  # it trains as many epochs as the README shows
def test_the_readme_and_its_pictures_are_up_to_date():
    if not os.environ.get("GPUGRAD_DATA"):
        pytest.skip("MNIST is not here: set GPUGRAD_DATA to the folder of its files")
    assert check("mnist_") == (0, "everything is up to date\n"), "run python docs/refresh.py"  # with the README's run


def test_every_picture_is_shown_has_a_dark_counterpart_and_a_command():
    there = {path.name for path in refresh.IMAGES.iterdir()}
    shown = refresh.shown()
    assert there == shown | {refresh.dark(refresh.IMAGES / name).name for name in shown}
    for name in shown:
        assert sum(refresh.fits(name, names) for *_, names in refresh.PICTURES) == 1, name
        for picture in (refresh.IMAGES / name, refresh.dark(refresh.IMAGES / name)):
            assert refresh.kept(picture), f"{picture.name} carries no numbers"
            limit = 1_000_000 if picture.suffix == ".gif" else refresh.MOST_BYTES
            assert picture.stat().st_size <= limit, picture.name


# ---- texts ----

PAGE = """Text.

```console
$ gpugrad train digits
data    digits: 1293 rows
device  cpu, toolchain numba (CuPy is not installed)
test    loss 0.1000, accuracy 0.9800 after 20 epochs in 2.5 s
$ gpugrad info
…
numpy 2
…
```

```console
$ gpugrad bench training
```

<!-- $ gpugrad bench report r.json --markdown -->
| network | gpugrad |
| --- | ---: |
| 784-10 | 2 ms |

End.
"""
OUTPUTS = {
    "gpugrad train digits": [
        "data    digits: 1293 rows",
        "device  cpu, toolchain numba (GPUGRAD_DEVICE is cpu)",
        "test    loss 0.1000, accuracy 0.9800 after 20 epochs in 7.1 s",
    ],
    "gpugrad info": ["gpugrad 1", "numpy 2", "numba 3"],
    "gpugrad bench report r.json --markdown": ["| network | gpugrad |", "| --- | ---: |", "| 784-10 | 2 ms |"],
}


@pytest.fixture
def page(tmp_path, monkeypatch):
    """Return a function that writes the page, refreshes it with planted outputs, and returns findings and page."""
    monkeypatch.setattr(refresh, "ROOT", tmp_path)
    path = tmp_path / "page.md"

    def refreshed(check, **planted):
        path.write_text(PAGE)
        outputs = {**OUTPUTS, **{command.replace("_", " "): lines for command, lines in planted.items()}}
        monkeypatch.setattr(refresh, "run", lambda command, folder: outputs[command])
        return list(refresh.refresh_texts(path, tmp_path, check)), path.read_text()

    return refreshed


def test_times_and_the_reason_for_a_device_are_not_compared(page):
    assert page(check=True) == ([], PAGE)
    assert page(check=False) == ([], PAGE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("accuracy 0.9800", "accuracy 0.9801"),
        ("toolchain numba", "toolchain numpy"),
        ("1293 rows", "1294 rows"),
        ("after 20 epochs", "after 21 epochs"),
    ],
)
def test_a_planted_number_or_word_in_an_output_is_found_and_rewritten(page, old, new):
    lines = [line.replace(old, new) for line in OUTPUTS["gpugrad train digits"]]
    (found,), text = page(check=True, gpugrad_train_digits=lines)
    assert found.startswith("page.md: gpugrad train digits\n")
    assert new in found
    assert text == PAGE
    _, text = page(check=False, gpugrad_train_digits=lines)
    assert new in text
    assert text.partition("$ gpugrad info")[2] == PAGE.partition("$ gpugrad info")[2]


def test_an_excerpt_is_compared_and_keeps_its_gaps(page):
    (found,), _ = page(check=True, gpugrad_info=["gpugrad 1", "numpy 3", "numba 3"])
    assert "-numpy 2" in found
    assert "+numpy 3" in found
    _, text = page(check=False, gpugrad_info=["gpugrad 1", "numpy 3", "numba 3"])
    assert text == PAGE.replace("numpy 2", "numpy 3")
    assert page(check=True, gpugrad_info=["gpugrad 2", "numpy 2", "numba 4"])[0] == []
    with pytest.raises(SystemExit, match="no lines from 'numpy 2'"):
        page(check=True, gpugrad_info=["gpugrad 1"])


def test_times_of_a_recorded_table_are_compared(page, monkeypatch):
    monkeypatch.setitem(OUTPUTS, "gpugrad bench report r.json --markdown", ["| 784-10 | 3 ms |"])
    (found,), _ = page(check=True)
    assert "3 ms" in found
    assert page(check=False)[1].endswith("--markdown -->\n| 784-10 | 3 ms |\n\nEnd.\n")


@pytest.mark.parametrize("name", ["README.md", "docs/benchmarks.md", "docs/export.md"])
def test_the_outputs_of_the_docs_are_found(name):
    path = refresh.ROOT / name
    assert any(text.shown for text in refresh.texts_of(path, path.read_text()))


def test_a_row_of_a_profile_keeps_its_launches_and_its_size():
    row = "gather                1293×64 → 64×64         1       9.0   3.6%      20.7     2.3      0.5"
    slower = row.replace("9.0   3.6%", "19.0   6.6%").replace("2.3      0.5", "1.1      0.2")
    assert refresh.masked([row]) == refresh.masked([slower])
    for wrong in (row.replace("20.7", "20.8"), row.replace("64×64   ", "64×32   "), row.replace("   1   ", "   2   ")):
        assert refresh.masked([row]) != refresh.masked([wrong])


# ---- pictures ----


def draw(path, *, line=(1.0, 2.0, 3.0), bar=2.0, word="a title", points=(1.0, 5.0)):
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(line, label="loss")
    left.legend()
    left.set_title(word)
    right.bar([0, 1], [1.0, bar])
    right.scatter(points, points)
    right.imshow(np.arange(4.0).reshape(2, 2))
    with refresh.keeping_numbers():
        figure.savefig(path, format="png")
    return path


@pytest.fixture
def images(tmp_path, monkeypatch):
    """Return a folder of docs with one picture, light and dark, as `python docs/refresh.py` writes it."""
    folder = tmp_path / "images"
    folder.mkdir()
    monkeypatch.setattr(refresh, "IMAGES", folder)
    for name in ("one.png", "one_dark.png"):
        refresh.place(draw(tmp_path / "made.png"), folder / name)
    return folder


def test_the_same_picture_is_up_to_date_whatever_its_pixels(images, tmp_path):
    from PIL import Image

    assert refresh.stale(draw(tmp_path / "made.png"), "one.png") is None
    assert refresh.stale(draw(tmp_path / "made.png", line=(1.0, 2.0, 3.0 + 1e-6)), "one.png") is None
    with Image.open(images / "one.png") as image:
        assert image.mode == "P"
        assert len(image.getcolors()) <= 128


@pytest.mark.parametrize(
    ("planted", "words"),
    [
        ({"line": (1.0, 2.2, 3.0)}, "draws line 1 (a title)"),
        ({"line": (1.0, 2.0, 3.0, 3.0)}, "draws line 1"),
        ({"line": (2.0, 1.0, 3.0)}, "draws line 1"),
        ({"bar": 2.1}, "draws patch 2"),
        ({"points": (1.0, 5.2)}, "draws collection 1"),
        ({"word": "another title"}, "says ['another title'] instead of ['a title']"),
    ],
)
def test_a_planted_change_of_a_picture_is_found(images, tmp_path, planted, words):
    found = refresh.stale(draw(tmp_path / "made.png", **planted), "one.png")
    assert found.startswith("docs/images/one.png: the command now ")
    assert words in found


def test_a_dark_counterpart_that_is_old_or_missing_is_found(images, tmp_path):
    refresh.place(draw(tmp_path / "old.png", bar=9.0), images / "one_dark.png")
    assert refresh.stale(draw(tmp_path / "made.png"), "one.png").startswith("docs/images/one_dark.png: the command now")
    (images / "one_dark.png").unlink()
    assert refresh.stale(tmp_path / "made.png", "one.png") == "docs/images/one_dark.png does not exist"


def test_a_picture_without_numbers_is_not_taken_for_right(images, tmp_path):
    from PIL import Image

    Image.new("RGB", (9, 9)).save(images / "one.png")
    assert "carries no numbers" in refresh.stale(draw(tmp_path / "made.png"), "one.png")


def test_of_a_picture_of_times_the_words_are_compared(images, tmp_path):
    old = refresh.kept(draw(tmp_path / "old.png", word="7.5 ms per step"))
    new = refresh.kept(draw(tmp_path / "new.png", word="9 ms per step", line=(4.0, 5.0, 6.0)))
    assert refresh.differs(old, new)
    assert refresh.differs(old, new, measured=True) is None
    other = refresh.kept(draw(tmp_path / "other.png", word="9 ms per epoch"))
    assert refresh.differs(old, other, measured=True)


def test_a_gif_is_compared_by_how_its_paths_ended(tmp_path, monkeypatch):
    import gpugrad as gg
    from gpugrad.lab.animation import animate

    monkeypatch.setattr(refresh, "IMAGES", tmp_path)
    path = gg.minimize("saddle", (-1.0, 0.01), lr=0.1, max_steps=40)
    animate("saddle", path, tmp_path / "race.gif", frames=3)
    shutil.copy(tmp_path / "race.gif", tmp_path / "race_dark.gif")
    assert refresh.stale(tmp_path / "race.gif", "race.gif") is None
    other = gg.minimize("saddle", (-1.0, 0.02), lr=0.1, max_steps=40)
    animate("saddle", other, tmp_path / "other.gif", frames=3)
    assert "left the view after" in json.dumps(refresh.kept(tmp_path / "other.gif"))
    assert "instead of ['sgd, η = 0.1: left the view after" in refresh.stale(tmp_path / "other.gif", "race.gif")


def test_the_command_fails_and_names_what_is_stale(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["refresh.py", "--check"])
    monkeypatch.setattr(refresh, "jobs", lambda *given: [("page", lambda: iter(["README.md: gpugrad info"]))])
    with pytest.raises(SystemExit) as stop:
        refresh.main()
    assert stop.value.code == 1
    assert capsys.readouterr().out == "stale: README.md: gpugrad info\n1 stale\n"
