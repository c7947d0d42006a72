"""Files are written whole or not at all, and JSON is valid."""

from __future__ import annotations

import errno
import json
import math
import os
import subprocess
import sys

import pytest

from gpugrad.engine.files import LOCK, check_writable, only_writer, remove_partial, to_json, write_whole
from gpugrad.errors import ArgumentError, StorageError


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "new" / "file.txt"
    write_whole(path, "old")
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(path.parent) == ["file.txt"]


def test_a_file_has_the_permissions_of_any_other(tmp_path):
    write_whole(tmp_path / "written", "")
    (tmp_path / "plain").write_text("")
    assert (tmp_path / "written").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize(
    ("number", "remedy"),
    [(errno.ENOSPC, "free some space"), (errno.EACCES, "may write"), (errno.EIO, "another folder")],
)
def test_a_failure_keeps_the_old_file_and_says_what_to_do(tmp_path, monkeypatch, number, remedy):
    path = tmp_path / "file"
    write_whole(path, "old")

    def fail(handle):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageError, match=remedy):
        write_whole(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_check_writable_makes_the_folder_and_leaves_it_empty(tmp_path):
    check_writable(tmp_path / "a" / "b")
    assert os.listdir(tmp_path / "a" / "b") == []
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot write .*file: File exists"):
        check_writable(tmp_path / "file")


def test_remove_partial_removes_what_a_kill_left_and_no_other_file(tmp_path, monkeypatch):
    (tmp_path / ".download.part").write_text("of another program")
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", lambda *paths: os.kill(os.getpid(), 0))
        patch.setattr(os, "unlink", lambda path: None)
        write_whole(tmp_path / "model", "cut off before it has its name")
    assert len(os.listdir(tmp_path)) == 2
    remove_partial(tmp_path)
    assert os.listdir(tmp_path) == [".download.part"]


def test_json_has_no_word_that_json_has_not():
    value = {"a": [1.5, math.nan, (math.inf, "x")], "b": {"c": -math.inf, "d": True}, "e": None}
    assert json.loads(to_json(value)) == {"a": [1.5, None, [None, "x"]], "b": {"c": None, "d": True}, "e": None}


HOLD = """
import sys, time
from gpugrad.engine.files import only_writer
with only_writer(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Return a process that holds a folder."""
    pytest.importorskip("fcntl")
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_writer_is_refused_by_the_number_of_the_first(tmp_path, holder):
    message = f"process {holder.pid} is writing to .*: wait until it ends"
    with pytest.raises(ArgumentError, match=message), only_writer(tmp_path):
        pytest.fail("it was held")
    assert (tmp_path / LOCK).exists()


def test_a_killed_writer_holds_nothing(tmp_path, holder):
    holder.kill()
    holder.wait()
    with only_writer(tmp_path):
        assert (tmp_path / LOCK).read_text() == str(os.getpid())
    assert os.listdir(tmp_path) == []


def test_writers_follow_each_other(tmp_path):
    for _ in range(3):
        with only_writer(tmp_path / "new" / "folder"):
            pass
        with pytest.raises(KeyError), only_writer(tmp_path / "new" / "folder"):
            raise KeyError
    assert os.listdir(tmp_path / "new" / "folder") == []


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError), only_writer(tmp_path / "file"):
        pytest.fail("it was held")
