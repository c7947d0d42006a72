"""The command's output: on a full disk, to a reader that ends, and an interrupt at any moment."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

TRAIN = ("train", "digits", "--hidden", "8", "--epochs", "1", "--device", "cpu")


def gpugrad(*arguments, **options):
    return subprocess.Popen([sys.executable, "-m", "gpugrad", *arguments], text=True, **options)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("arguments", [("info",), ("names",), (*TRAIN, "--out", "run"), (*TRAIN, "--json")])
def test_a_full_disk_stops_no_run(arguments, tmp_path):
    with open("/dev/full", "w") as full:
        process = gpugrad(*arguments, stdout=full, stderr=subprocess.PIPE, cwd=tmp_path)
        errors = process.communicate(timeout=60)[1]
    assert errors.splitlines()[-1] == (
        "gpugrad: standard output was cut off: No space left on device; send it elsewhere"
    )
    assert "Traceback" not in errors
    assert process.returncode == 1
    if "--out" in arguments:
        assert (tmp_path / "run" / "model.safetensors").exists()
        assert json.loads((tmp_path / "run" / "history.json").read_text())["records"]


@pytest.mark.skipif(os.name != "posix", reason="this system has no sh")
def test_a_closed_output_gets_no_traceback():
    command = f'"{sys.executable}" -m gpugrad names >&-'
    done = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(os.name != "posix", reason="this system has no sh")
def test_a_closed_standard_error_stops_no_run(tmp_path):
    command = f'"{sys.executable}" -m gpugrad {" ".join(TRAIN)} --out run 2>&-'
    done = subprocess.run(["sh", "-c", command], stdout=subprocess.PIPE, cwd=tmp_path, timeout=60, check=False)
    assert done.returncode == 0
    assert (tmp_path / "run" / "model.safetensors").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_standard_error_stops_no_run(tmp_path):
    with open("/dev/full", "w") as full:
        process = gpugrad(*TRAIN, "--json", stdout=subprocess.PIPE, stderr=full, cwd=tmp_path)
        assert json.loads(process.communicate(timeout=60)[0])["epochs"] == 1
    assert process.returncode == 0


def test_a_character_that_cannot_be_encoded_is_escaped(tmp_path):
    encoding = "cp1252"
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    names = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": environment, "cwd": tmp_path}
    out, errors = gpugrad(
        "descend", "parabola", "--lr", "9", "--optimizer", "sgd", encoding=encoding, **names
    ).communicate(timeout=60)
    assert r"\u03b7" in out
    assert errors == ""
    _, errors = gpugrad("train", "−.csv", encoding=encoding, **names).communicate(timeout=60)
    assert errors.startswith(r"gpugrad: there is no file \u2212.csv")


@pytest.mark.parametrize("arguments", [("names",), ("--help",)])
def test_a_reader_that_ends_gets_no_traceback(arguments):
    reading, writing = os.pipe()
    os.close(reading)
    process = gpugrad(*arguments, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert process.communicate(timeout=60)[1] == ""
    assert process.returncode == 1


# `python -m gpugrad train …`, which says when its import of NumPy begins.
BEGIN = """
import sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "numpy":
            print("begun", flush=True)
sys.meta_path.insert(0, Finder())
sys.orig_argv[1:3] = ["-m", "gpugrad"]
from gpugrad.command.app import main
main()
"""


@pytest.mark.skipif(os.name != "posix", reason="this system has no signals")
def test_an_interrupt_in_the_first_moments_leaves_no_traceback(tmp_path):
    """While gpugrad is imported the process ends at once; later the command says that it was interrupted."""
    found = []
    for delay in (0.0, 0.05, 0.1, 0.2, 0.4, 0.8):
        command = [sys.executable, "-c", BEGIN, *TRAIN]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "begun\n"
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        errors = process.communicate(timeout=60)[1]
        assert "Traceback" not in errors, errors
        found.append(process.returncode)
    assert found[0] == -signal.SIGINT
    assert set(found) <= {-signal.SIGINT, 130, 0}
