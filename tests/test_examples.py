"""Every example runs as a user would run it, and prints the expected result."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"

SAYS = {
    "first_steps.py": "test accuracy 0.9",
    "mnist.py": "epoch 2: training loss",
    "csv_table.py": "R² on the test rows: 0.9",
    "training_loop.py": "recorded ",
}


def test_every_example_is_in_the_list():
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(SAYS)


@pytest.mark.parametrize("name", SAYS)
@pytest.mark.slow
def test_example(name):
    if name == "mnist.py" and not os.environ.get("GPUGRAD_DATA"):
        pytest.skip("MNIST is not here: set GPUGRAD_DATA to the folder of its files")
    environment = {**os.environ, "GPUGRAD_DEVICE": "cpu"}
    done = subprocess.run(
        [sys.executable, EXAMPLES / name], capture_output=True, text=True, timeout=120, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert SAYS[name] in done.stdout


@pytest.mark.slow
def test_both_loops_end_in_the_same_loss():
    done = subprocess.run([sys.executable, EXAMPLES / "training_loop.py"], capture_output=True, text=True, timeout=120)
    by_tape, recorded = done.stdout.splitlines()
    assert by_tape.split("last loss")[1].split(",")[0] == recorded.split("last loss")[1].split(",")[0]
