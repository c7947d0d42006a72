"""What is written in two places is the same in both."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent


def found(pattern, file):
    return sorted(set(re.findall(pattern, (ROOT / file).read_text())))


def test_a_commit_is_checked_by_the_ruff_that_ci_has():
    assert found(r'"(ruff[^"]+)"', ".pre-commit-config.yaml") == found(r'"(ruff[^"]+)"', "pyproject.toml")


def test_ci_and_the_script_test_the_same_pythons():
    versions = found(r"\b3\.\d+\b", ".ci/pythons")
    assert versions == found(r'"(3\.\d+)"', ".github/workflows/ci.yml")
    assert versions[0] == found(r'requires-python = ">=([\d.]+)"', "pyproject.toml")[0]
