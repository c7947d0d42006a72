"""Facts that are written in two places agree."""

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def found(pattern, file):
    return sorted(set(re.findall(pattern, (ROOT / file).read_text())))


def test_pre_commit_and_ci_use_the_same_ruff():
    assert found(r'"(ruff[^"]+)"', ".pre-commit-config.yaml") == found(r'"(ruff[^"]+)"', "pyproject.toml")


def test_ci_and_the_script_test_the_same_pythons():
    versions = found(r"\b3\.\d+\b", ".ci/pythons")
    assert versions == found(r'"(3\.\d+)"', ".github/workflows/ci.yml")
    assert versions[0] == found(r'requires-python = ">=([\d.]+)"', "pyproject.toml")[0]


def test_the_site_is_published_with_the_lab_and_few_permissions():
    text = (ROOT / ".github/workflows/pages.yml").read_text()
    steps = [
        "run: .ci/site",
        "gpugrad descend --out build/site/lab/index.html",
        "path: build/site",
        "actions/deploy-pages",
    ]
    assert [text.index(step) for step in steps] == sorted(text.index(step) for step in steps)
    build, deploy = text.partition("  deploy:")[::2]
    assert re.findall(r"(\S+): write", build) == []
    assert re.findall(r"(\S+): write", deploy) == ["pages", "id-token"]


def test_a_build_deletes_the_results_of_earlier_ones(monkeypatch, tmp_path):
    setuptools = pytest.importorskip("setuptools")
    from setuptools.command.build_py import build_py

    given = {}
    monkeypatch.setattr(setuptools, "setup", lambda **options: given.update(options))
    monkeypatch.chdir(ROOT)
    runpy.run_path(str(ROOT / "setup.py"))
    moved, other = tmp_path / "gpugrad" / "moved.py", tmp_path / "other.py"
    moved.parent.mkdir()
    moved.touch()
    other.touch()
    left = []
    monkeypatch.setattr(build_py, "run", lambda self: left.append((moved.exists(), other.exists())))
    command = given["cmdclass"]["build_py"](setuptools.Distribution())
    command.build_lib = str(tmp_path)
    command.run()
    assert left == [(False, True)]
