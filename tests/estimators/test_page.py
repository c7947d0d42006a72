"""The Python of docs/estimators.md runs."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "estimators.md"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_page_runs(monkeypatch):
    monkeypatch.setenv("GPUGRAD_DEVICE", "cpu")
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)
    assert blocks
    names = {}
    exec("\n".join(blocks), names)
    assert names["model"].score(names["x"], names["y"]) > 0.95
