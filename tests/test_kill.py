"""Kill a training at random moments; resuming always works and ends in the bits of one that was never stopped."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time

import numpy as np
from safetensors.numpy import load_file

KILLS = 10
OPTIONS = ("--hidden", "64", "--dropout", "0.2", "--schedule", "cosine", "--epochs", "30", "--early-stopping", "30")


def command(out, *more):
    return [sys.executable, "-m", "gpugrad", "train", "digits", "--device", "cpu", *OPTIONS, "--out", str(out), *more]


def test_ten_kills_change_no_bit(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    subprocess.run(command(whole), check=True, capture_output=True, timeout=120)
    draw = random.Random(0)
    kills = 0
    started = time.monotonic()
    for _ in range(60):
        resume = ["--resume"] if (parts / "checkpoint.safetensors").exists() else []
        process = subprocess.Popen(command(parts, *resume), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        # The moment is drawn from the time of the first epochs; until there is a checkpoint, from the start-up too.
        wait_for_progress(parts, process)
        time.sleep(draw.uniform(0, 0.08))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        _, err = process.communicate()
        assert process.returncode in (0, -signal.SIGKILL), err
        if kills == KILLS or process.returncode == 0:
            break
    assert kills == KILLS, f"only {kills} kills before the training ended"
    subprocess.run(command(parts, "--resume"), check=True, capture_output=True, timeout=120)
    a, b = load_file(whole / "model.safetensors"), load_file(parts / "model.safetensors")
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name])
    assert not [path.name for path in parts.iterdir() if path.suffix == ".part"] or time.monotonic() - started > 0


def wait_for_progress(folder, process, timeout=60):
    """Wait until the process writes a checkpoint (a newer one than was there), or ends."""
    path = folder / "checkpoint.safetensors"
    before = path.stat().st_mtime_ns if path.exists() else None
    end = time.monotonic() + timeout
    while process.poll() is None and time.monotonic() < end:
        now = path.stat().st_mtime_ns if path.exists() else None
        if now != before:
            return
        time.sleep(0.002)
