"""The pages of docs/ that lead through a change are followed word for word, on a copy of the project."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gpugrad.engine.device import unavailable

ROOT = Path(__file__).parent.parent

# A block of code, and the line above it that says which file it belongs to and where in it.
BLOCK = re.compile(
    r"(?:^`(?P<path>[^`]+)`(?:, (?P<place>[^\n]+))?\n\n)?^```(?:python|cpp|text)\n(?P<code>.*?)^```$", re.M | re.S
)


@pytest.fixture
def project(tmp_path):
    """A copy of the project in which gpugrad.kernels is importable without being installed."""
    for folder in ("gpugrad", "kernels", "tests/kernels"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "tests/conftest.py"):
        shutil.copy(ROOT / file, tmp_path / file)
    return tmp_path


def follow(page, project):
    """Do to the project what the page says; return the code that is to be run."""
    code_to_run = []
    for block in BLOCK.finditer((ROOT / "docs" / page).read_text()):
        path, place, code = block["path"], block["place"], block["code"]
        if path is None:
            code_to_run.append(code)
            continue
        file = project / path
        if place is None:
            assert not file.exists(), f"{path} is there already"
            file.parent.mkdir(exist_ok=True)
            file.write_text(code)
        elif place == "at the end":
            file.write_text(file.read_text() + "\n\n" + code)
        else:
            name = re.fullmatch(r"in `(\w+)`", place)[1]
            text = file.read_text()
            start = re.search(rf"^{name} = [\[(]\n", text, re.M).end()
            end = text.index("\n)" if text[start - 2] == "(" else "\n]", start) + 1
            entries = sorted([*text[start:end].splitlines(keepends=True), code])
            file.write_text(text[:start] + "".join(entries) + text[end:])
    return code_to_run


def run(project, *command):
    # The copy comes first on the path, before an installed gpugrad.
    environment = {**os.environ, "PYTHONPATH": str(project), "NUMBA_CACHE_DIR": str(project / "cache")}
    done = subprocess.run(
        [sys.executable, *command], cwd=project, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("page", "operation"), [("adding_an_operation.md", "softplus"), ("adding_an_optimizer.md", "lion")]
)
def test_following_the_page_works(page, operation, project):
    code_to_run = follow(page, project)
    assert code_to_run
    where = run(project, "-c", "import gpugrad.kernels; print(gpugrad.kernels.__file__)")
    assert str(project) in where
    for code in code_to_run:
        run(project, "-c", code)
    tested = run(
        project, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/kernels/test_toolchains.py", "-k", operation
    )
    assert re.search(r"\d+ passed", tested)
    if unavailable("emulator", "cupy") is None:
        assert re.search(r"emulator with cupy: \d kernels? of \d+ agree", tested)
    run(
        project,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/kernels/test_toolchains.py",
        "-k",
        "operations_are or signatures",
    )


def test_the_page_is_needed(project):
    """Without the change, what the pages run fails: the test above cannot pass by itself."""
    for page in ("adding_an_operation.md", "adding_an_optimizer.md"):
        code = BLOCK.findall((ROOT / "docs" / page).read_text())[-1][-1]
        with pytest.raises(AssertionError):
            run(project, "-c", code)


def test_the_readme_s_python_runs(tmp_path):
    code = "\n".join(re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.M | re.S))
    assert "gg.Trainer" in code
    checks = """
scores = trainer.evaluate(digits.x_test, digits.y_test, scale=digits.scale)
assert scores["accuracy"] > 0.9, scores
assert w.grad.tolist() == [6.0, -4.0]
assert losses[-1] < losses[0]
"""
    environment = {**os.environ, "GPUGRAD_DEVICE": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", "import gpugrad as gg; gg.manual_seed(0)\n" + code + checks],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "curves.png").stat().st_size > 1000
