"""Files are written whole or not at all, and JSON is valid."""

from __future__ import annotations

import errno
import io
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gpugrad.engine.files import (
    LOCK,
    check_writable,
    check_writable_file,
    only_writer,
    to_json,
    user_cache,
    write_whole,
)
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
    [(errno.ENOSPC, "free some space"), (errno.EACCES, "may write"), (errno.EIO, "another path")],
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
    with pytest.raises(StorageError, match=r"(/.*file): \1 is a file, expected a folder: choose another path$"):
        check_writable(tmp_path / "file")


@pytest.mark.parametrize("write", [check_writable_file, lambda path: write_whole(path, "")])
def test_what_is_said_of_a_file_fits_a_file(tmp_path, write):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"(/.*file)/a/b: \1 is a file, expected a folder: choose another"):
        write(tmp_path / "file" / "a" / "b")
    with pytest.raises(StorageError, match="Is a directory: name a file in it"):
        write(tmp_path)
    with pytest.raises(StorageError, match="choose another path"):
        write("/proc/none/file")
    (tmp_path / "link").symlink_to(tmp_path / "new" / "target")
    write(tmp_path / "link")
    assert (tmp_path / "new").is_dir()
    write(os.devnull)


def test_the_file_behind_links_is_replaced_and_they_stay(tmp_path):
    (tmp_path / "target").write_text("old")
    (tmp_path / "first").symlink_to("second")
    (tmp_path / "second").symlink_to(tmp_path / "target")
    (tmp_path / "dangling").symlink_to("new/missing")
    write_whole(tmp_path / "first", "new")
    write_whole(tmp_path / "dangling", "made")
    assert (tmp_path / "target").read_text() == "new"
    assert (tmp_path / "new" / "missing").read_text() == "made"
    assert all((tmp_path / name).is_symlink() for name in ("first", "second", "dangling"))


def test_links_in_a_circle_are_refused(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(StorageError, match=r"cannot write .*/a: "):
        write_whole(tmp_path / "a", "")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_and_a_device_are_written_to(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_whole(pipe, "through")
    assert os.read(reader, 100) == b"through"
    os.close(reader)
    assert pipe.is_fifo()
    (tmp_path / "null").symlink_to(os.devnull)
    write_whole(tmp_path / "null", "gone")
    assert Path(os.devnull).is_char_device()
    if Path("/dev/full").exists():
        with pytest.raises(StorageError, match="No space left on device: free some space"):
            write_whole("/dev/full", "x")


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="this system has no /proc")
def test_standard_output_is_written_to_where_it_goes(tmp_path):
    code = "from gpugrad.engine.files import write_whole; write_whole('/dev/stdout', 'second'); print(' third')"
    with open(tmp_path / "out", "w") as out:
        out.write("first ")
        out.flush()
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True)
    assert (tmp_path / "out").read_text() == "first second third\n"
    assert os.listdir(tmp_path) == ["out"]


def test_a_file_keeps_its_permissions_and_the_mask_is_never_changed(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.touch(mode=0o640)
    monkeypatch.setattr(os, "umask", lambda mask: pytest.fail("a file that another thread makes now may be public"))
    write_whole(path, "new")
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_user_without_a_home_has_a_cache(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert user_cache().is_absolute()


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
        assert not (tmp_path / "new" / "folder").exists()  # it was empty
    with only_writer(tmp_path / "new" / "folder"):
        (tmp_path / "new" / "folder" / "kept").touch()
    assert os.listdir(tmp_path / "new" / "folder") == ["kept"]


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError), only_writer(tmp_path / "file"):
        pytest.fail("it was held")


def test_a_full_disk_leaves_no_lock(tmp_path, monkeypatch):
    class Full(io.FileIO):
        def write(self, data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    pytest.importorskip("fcntl")
    monkeypatch.setattr(Path, "open", lambda self, *mode, **options: Full(self, "a+"))
    with pytest.raises(StorageError, match="No space left on device: free some space"), only_writer(tmp_path / "new"):
        pytest.fail("it was held")
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are bytes on Linux alone")
def test_a_name_that_is_no_text(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/a\xff"))
    write_whole(path, "new")
    assert os.listdir(os.fsencode(tmp_path)) == [b"a\xff"]
