"""Kill a run at random moments: it always resumes, bit for bit as if it had never stopped."""

from __future__ import annotations

import multiprocessing
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from gpugrad.command import train
from gpugrad.command.settings import Settings
from gpugrad.training.checkpoint import read_file

KILLS = 10
SETTINGS = Settings(
    "digits", hidden=(64,), dropout=0.2, schedule="cosine", epochs=250, early_stopping=250, device="cpu"
)


@pytest.fixture(scope="module")
def context():
    """Fork processes from one that has imported everything, so that they start to train immediately."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        pytest.skip("this system has no SIGKILL")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["gpugrad.command.train", "sklearn.datasets", "sklearn.model_selection"])
    return context


@pytest.mark.slow(10)
def test_ten_kills_change_no_bit(tmp_path, context):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    checkpoint = parts / "checkpoint.safetensors"

    def start(out, resume):
        options = {"out": out, "resume": resume, "log": str}
        process = context.Process(target=train.run, args=(SETTINGS,), kwargs=options)
        process.start()
        return process

    def finish(process):
        process.join(timeout=120)
        assert process.exitcode == 0

    finish(start(whole, False))
    draw = random.Random(0)
    epochs = []
    for kill in range(KILLS):
        process = start(parts, checkpoint.exists())
        if kill % 3:  # some moments are during training, some during the start
            wait_for_a_new(checkpoint, process)
            time.sleep(draw.uniform(0, 0.1))
        else:
            time.sleep(draw.uniform(0, 0.5))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL, f"the run ended before kill {kill + 1}"
        if checkpoint.exists():
            epochs.append(read_file(checkpoint)[1]["epoch"])
    assert epochs == sorted(epochs)
    assert len(set(epochs)) >= KILLS // 2
    finish(start(parts, True))
    a, b = load_file(whole / "model.safetensors"), load_file(parts / "model.safetensors")
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name])
    assert sorted(path.name for path in parts.iterdir()) == sorted(path.name for path in whole.iterdir())


def wait_for_a_new(path: Path, process, timeout=60):
    """Wait until the process has written the file again."""
    before = path.stat().st_mtime_ns if path.exists() else None
    end = time.monotonic() + timeout
    while process.is_alive() and time.monotonic() < end:
        if path.exists() and path.stat().st_mtime_ns != before:
            return
        time.sleep(0.002)
    raise AssertionError("no checkpoint was written")


@pytest.mark.slow
def test_a_command_that_is_killed_is_resumed_by_the_command(tmp_path):
    command = [sys.executable, "-m", "gpugrad", "train", "digits", "--device", "cpu", "--hidden", "8", "--epochs"]
    process = subprocess.Popen([*command, "100000", "--out", tmp_path], stderr=subprocess.DEVNULL)
    while not (tmp_path / "checkpoint.safetensors").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    epoch = read_file(tmp_path / "checkpoint.safetensors")[1]["epoch"]
    resume = [*command, str(epoch + 1), "--out", str(tmp_path), "--resume", "--json"]
    done = subprocess.run(resume, check=True, capture_output=True, text=True, timeout=60)
    assert f'"epochs": {epoch + 1}' in done.stdout.splitlines()[-1]
