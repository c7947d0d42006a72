"""The Python of docs/export.md runs, with its assertions."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gpugrad import export

PAGE = Path(__file__).parents[2] / "docs" / "export.md"


@pytest.mark.slow
def test_the_page_runs(tmp_path):
    for library in ("onnxruntime", "pandas", "skl2onnx"):
        pytest.importorskip(library)
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    assert len(blocks) == 5
    if importlib.util.find_spec("torch") is None:
        blocks = [block for block in blocks if "import torch" not in block]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)],
        cwd=tmp_path,
        env={**os.environ, "GPUGRAD_DEVICE": "cpu"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert {"iris.onnx", "rent.onnx", "iris.safetensors", "iris.npz"} <= {path.name for path in tmp_path.iterdir()}


def test_dir_shows_public_names_only():
    assert {"to_onnx", "load_safetensors"} <= {*dir(export)} == {*export.__all__}
