"""Training with the CUDA C++ kernels in the emulator follows the CPU."""

import json
import subprocess
import sys

import numpy as np
import pytest


@pytest.mark.slow
def test_digits_train_in_the_emulator_as_on_the_cpu(tmp_path):
    losses = {}
    for device in ("cpu", "emulator"):
        command = ["train", "digits", "--device", device, "--hidden", "16", "--epochs", "3", "--seed", "0"]
        result = subprocess.run(
            [sys.executable, "-m", "gpugrad", *command, "--dropout", "0.1", "--out", str(tmp_path / device)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        records = json.loads((tmp_path / device / "history.json").read_text())["records"]
        losses[device] = [record["train_loss"] for record in records]
    assert losses["emulator"][-1] < losses["emulator"][0]
    np.testing.assert_allclose(losses["emulator"], losses["cpu"], rtol=1e-4)
