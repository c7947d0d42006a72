"""Kill a training at random moments; resuming always works and ends in the bits of one that was never stopped."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time

import numpy as np
from safetensors.numpy import load_file

from gpugrad.checkpoint import read_file

KILLS = 10
OPTIONS = ("--hidden", "64", "--dropout", "0.2", "--schedule", "cosine", "--epochs", "500", "--early-stopping", "500")


def command(out, *more):
    return [sys.executable, "-m", "gpugrad", "train", "digits", "--device", "cpu", *OPTIONS, "--out", str(out), *more]


def test_ten_kills_change_no_bit(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    subprocess.run(command(whole), check=True, capture_output=True, timeout=120)
    checkpoint = parts / "checkpoint.safetensors"
    draw = random.Random(0)
    epochs = []
    for kill in range(KILLS):
        resume = ["--resume"] if checkpoint.exists() else []
        run = command(parts, *resume)
        process = subprocess.Popen(run, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if kill % 3:  # some moments fall into the training, some into the start
            wait_for_a_new(checkpoint, process)
            time.sleep(draw.uniform(0, 0.2))
        else:
            time.sleep(draw.uniform(0, 1.5))
        process.send_signal(signal.SIGKILL)
        _, err = process.communicate()
        assert process.returncode == -signal.SIGKILL, f"the training ended before kill {kill + 1}: {err}"
        if checkpoint.exists():
            epochs.append(read_file(checkpoint)[1]["epoch"])
    assert epochs == sorted(epochs)
    assert len(set(epochs)) >= KILLS // 2
    subprocess.run(command(parts, "--resume"), check=True, capture_output=True, timeout=120)
    a, b = load_file(whole / "model.safetensors"), load_file(parts / "model.safetensors")
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name])
    assert sorted(path.name for path in parts.iterdir()) == sorted(path.name for path in whole.iterdir())


def wait_for_a_new(path, process, timeout=60):
    """Wait until the process has written the file anew."""
    before = path.stat().st_mtime_ns if path.exists() else None
    end = time.monotonic() + timeout
    while process.poll() is None and time.monotonic() < end:
        if path.exists() and path.stat().st_mtime_ns != before:
            return
        time.sleep(0.002)
    raise AssertionError("no checkpoint was written")
