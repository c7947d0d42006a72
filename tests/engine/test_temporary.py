"""Temporary files: those of killed processes are removed, those of living ones are not."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gpugrad.engine.files import write_whole
from gpugrad.engine.temporary import MOST_BYTES, PARTIAL, remove_leftovers, temporary_file, temporary_folder

pytest.importorskip("fcntl")

MAKE = """
import sys, time
from pathlib import Path
from gpugrad.engine import temporary
with getattr(temporary, sys.argv[1])(Path(sys.argv[2]), "model") as made:
    folder = made if sys.argv[1] == "temporary_folder" else None
    (folder / "half").write_text("x") if folder else made[0].write(b"x")
    print("made", flush=True)
    time.sleep(60)
"""

WRITE = """
import sys
from pathlib import Path
from gpugrad.engine import temporary
from gpugrad.engine.files import write_whole
for i in range(100):
    temporary._cleaned.clear()  # so that each write looks for what is left over
    write_whole(sys.argv[1], sys.argv[2] * 1000)
"""


@pytest.mark.parametrize("kind", ["temporary_file", "temporary_folder"])
def test_what_a_killed_process_leaves_is_removed_by_the_next(tmp_path, kind):
    command = [sys.executable, "-c", MAKE, kind, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "made\n"
        remove_leftovers(tmp_path)
        (left,) = os.listdir(tmp_path)
        assert left.startswith(".model.")
        process.send_signal(signal.SIGKILL)
    assert os.listdir(tmp_path) == [left]
    (tmp_path / ".of_another.part").touch()
    write_whole(tmp_path / "other", "")
    assert sorted(os.listdir(tmp_path)) == [".of_another.part", "other"]


def test_processes_that_write_one_file_leave_each_other_alone(tmp_path):
    commands = [[sys.executable, "-c", WRITE, str(tmp_path / "file"), letter] for letter in "abc"]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for command in commands]
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    assert (tmp_path / "file").read_text() in ("a" * 1000, "b" * 1000, "c" * 1000)
    assert os.listdir(tmp_path) == ["file"]


def test_nothing_is_left_after_the_block(tmp_path):
    with temporary_file(tmp_path, "a") as (file, path):
        file.write(b"x")
        assert path.parent == tmp_path
    with temporary_folder(tmp_path, "b") as folder:
        (folder / "x").touch()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["x" * 250, "ü" * 120, "€" * 80])
def test_a_name_as_long_as_the_system_allows(tmp_path, name):
    write_whole(tmp_path / name, "whole")
    assert (tmp_path / name).read_text() == "whole"
    with temporary_file(tmp_path, name) as (_, path):
        assert len(path.name.encode()) < MOST_BYTES + 50


def test_a_pipe_with_the_name_of_a_left_over_file_holds_up_nobody(tmp_path):
    os.mkfifo(tmp_path / f".pipe.0{PARTIAL}")
    remove_leftovers(tmp_path)
    assert os.listdir(tmp_path) == []


def test_without_locks_nothing_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr("gpugrad.engine.temporary.fcntl", None)
    (tmp_path / f".old.0{PARTIAL}").touch()
    write_whole(tmp_path / "new", "new")
    with temporary_folder(Path(tmp_path), "x") as folder:
        assert folder.is_dir()
    assert sorted(os.listdir(tmp_path)) == [f".old.0{PARTIAL}", "new"]
