"""The blocks of docs/data.md run, one after another."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

CHECKS = """
assert r2 > 0.9, r2
assert estimator.feature_names_in_.tolist() == ["size", "town=Bonn", "town=Ulm"]
assert abs(rents.mean() / flats.preprocessing.target_mean - 1) < 0.1
assert len(open("log.csv").readlines()) == 16
"""


@pytest.mark.slow
def test_the_page_s_python_runs(tmp_path):
    for name in ("pyarrow", "tensorboardX"):
        pytest.importorskip(name)
    page = Path(__file__).parents[2] / "docs" / "data.md"
    blocks = re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S)
    assert len(blocks) == 4
    program = "import gpugrad; gpugrad.manual_seed(0)\n" + "\n".join(blocks) + CHECKS
    environment = {**os.environ, "GPUGRAD_DEVICE": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "['size' 'town=Bonn' 'town=Ulm']" in done.stdout
    assert list((tmp_path / "runs" / "first").glob("events.*"))
