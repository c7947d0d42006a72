"""Fetching from mirrors, against a server on this machine: whole, verified files or none at all."""

import contextlib
import errno
import gzip
import hashlib
import http.server
import io
import os
import socket
import socketserver
import sys
import threading

import numpy as np
import pytest

from gpugrad import data
from gpugrad.data import download
from gpugrad.data.builtin import IDX_FILES, cache_folder
from gpugrad.engine.temporary import PARTIAL, _cleaned, temporary_file
from gpugrad.errors import ArgumentError, DataError, DownloadError


class Mirror:
    """A server whose `files` can be changed; it counts its requests."""

    def __init__(self):
        self.files, self.asked = {}, []
        mirror = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                name = self.path.lstrip("/")
                mirror.asked.append(name)
                content = mirror.files.get(name)
                if content is None:
                    return self.send_error(404)
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                return self.wfile.write(content)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return header + array.astype(np.uint8).tobytes()


def published():
    """Four small files in the form of MNIST's."""
    rng = np.random.default_rng(0)
    parts = [rng.integers(0, 256, (12, 5, 4)), np.arange(12) % 10, rng.integers(0, 256, (6, 5, 4)), np.arange(6)]
    return {f"{name}.gz": gzip.compress(idx(part), mtime=0) for name, part in zip(IDX_FILES, parts, strict=True)}


@pytest.fixture
def mirrors(monkeypatch, tmp_path):
    """Two mirrors with the same files, registered as MNIST's; the cache is under tmp_path."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("GPUGRAD_DATA", raising=False)
    both = [Mirror(), Mirror()]
    files = published()
    for mirror in both:
        mirror.files = dict(files)
    remote = tuple(download.RemoteFile(n, len(c), hashlib.sha256(c).hexdigest()) for n, c in files.items())
    source = download.Source(tuple(mirror.url for mirror in both), remote)
    monkeypatch.setitem(download.SOURCES, "mnist", source)
    yield both
    for mirror in both:
        mirror.close()


def test_load_fetches_once_and_then_needs_no_network(mirrors, capsys):
    first = data.load("mnist")
    assert first.x_train.shape == (12, 20)
    assert first.y_test.tolist() == [0, 1, 2, 3, 4, 5]
    assert sorted(path.name for path in (cache_folder() / "mnist").iterdir()) == sorted(published())
    assert sorted(mirrors[0].asked) == sorted(published())
    assert not mirrors[1].asked
    again = data.load("mnist", download=False)
    np.testing.assert_array_equal(first.x_train, again.x_train)
    assert len(mirrors[0].asked) == 4
    assert capsys.readouterr() == ("", "")  # no progress unless standard error is a terminal


def test_progress_goes_to_a_terminal(mirrors, tmp_path, monkeypatch, capsys):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    download.fetch("mnist", tmp_path)
    assert "100%" in terminal.getvalue()
    assert capsys.readouterr().out == ""


def test_fetch_keeps_good_files_and_replaces_bad_ones(mirrors, tmp_path):
    names = [f"{name}.gz" for name in IDX_FILES]
    download.fetch("mnist", tmp_path)
    (tmp_path / names[0]).write_bytes(b"\0" * len(published()[names[0]]))
    (tmp_path / names[2]).unlink()
    mirrors[0].asked.clear()
    download.fetch("mnist", tmp_path)
    assert mirrors[0].asked == [names[0], names[2]]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == published()


def corrupt(content):
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize("bad", [None, corrupt, lambda content: content[:-1], lambda content: content + b"\0"])
def test_the_second_mirror_serves_what_the_first_does_not(mirrors, tmp_path, bad):
    mirrors[0].files = {} if bad is None else {name: bad(content) for name, content in published().items()}
    download.fetch("mnist", tmp_path)
    assert len(mirrors[1].asked) == 4
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == published()


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (corrupt, "sent the checksum [0-9a-f]{64} where [0-9a-f]{64} is published"),
        (lambda content: content[:-5], r"sent \d+ bytes where \d+ are published"),
        (lambda content: content * 2, r"sent more than \d+ bytes"),
    ],
)
def test_wrong_bytes_are_never_kept(mirrors, tmp_path, bad, message):
    for mirror in mirrors:
        mirror.files = {name: bad(content) for name, content in published().items()}
    with pytest.raises(DownloadError, match=message) as error:
        download.fetch("mnist", tmp_path)
    assert "GPUGRAD_DATA" in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_mirror_that_hangs_up_is_given_up(mirrors, tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        monkeypatch.setattr(download, "TIMEOUT", 0.3)
        urls = (f"http://127.0.0.1:{mute.getsockname()[1]}/", mirrors[1].url)
        monkeypatch.setitem(download.SOURCES, "mnist", download.Source(urls, download.SOURCES["mnist"].files))
        download.fetch("mnist", tmp_path)
    assert len(list(tmp_path.iterdir())) == 4


@contextlib.contextmanager
def answering(answer):
    """Serve every connection on a port in a thread, and yield the address."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            with contextlib.suppress(OSError):
                self.request.recv(1 << 16)
                answer(self.request)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"], ids=["header", "content"])
def test_a_mirror_that_sends_byte_by_byte_is_given_up(mirrors, tmp_path, monkeypatch, start):
    gone = threading.Event()

    def drip(connection):
        connection.sendall(start)
        while not gone.wait(0.02):
            connection.sendall(b"H")

    monkeypatch.setattr(download, "TIMEOUT", 0.5)
    with answering(drip) as url:
        monkeypatch.setitem(
            download.SOURCES, "mnist", download.Source((url, mirrors[1].url), download.SOURCES["mnist"].files)
        )
        download.fetch("mnist", tmp_path)
        gone.set()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == published()


def test_what_a_mirror_answers_prints_no_control_characters(mirrors, tmp_path, monkeypatch):
    with answering(lambda connection: connection.sendall(b"\x1b[31mnot HTTP\x07\r\n\r\n")) as url:
        monkeypatch.setitem(download.SOURCES, "mnist", download.Source((url,), download.SOURCES["mnist"].files))
        with pytest.raises(DownloadError, match=r"did not answer \(\?\[31mnot HTTP\?\)") as error:
            download.fetch("mnist", tmp_path)
    assert str(error.value).isprintable()


def test_what_a_killed_download_left_is_removed_and_a_running_one_kept(mirrors, tmp_path):
    left = tmp_path / f".{IDX_FILES[0]}.gz.0123456789ab{PARTIAL}"
    left.write_bytes(b"half")
    with temporary_file(tmp_path, f"{IDX_FILES[1]}.gz") as (_, running):
        _cleaned.clear()
        download.fetch("mnist", tmp_path)
        assert running.exists()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == published()


def test_no_network_is_one_sentence_with_the_remedy(mirrors, tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    monkeypatch.setitem(download.SOURCES, "mnist", download.Source((url,), download.SOURCES["mnist"].files))
    with pytest.raises(DownloadError, match=r"did not answer .*refused") as error:
        data.load("mnist")
    assert "\n" not in str(error.value)
    for word in (*IDX_FILES, "--data-dir", "GPUGRAD_DATA"):
        assert word in str(error.value)
    assert not any(cache_folder().rglob("*.*"))


def test_a_full_disk_leaves_no_file(mirrors, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DownloadError, match=r"cannot write mnist to .*No space left on device; free"):
        download.fetch("mnist", tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert len(mirrors[0].asked) == 1
    assert not mirrors[1].asked  # another mirror would not help


def test_a_folder_that_cannot_be_made_is_named(mirrors, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DownloadError, match=r"cannot write mnist to .*file/mnist: Not a directory"):
        download.fetch("mnist", tmp_path / "file" / "mnist")


def test_a_folder_without_permission_is_named(mirrors, locked_folder):
    with pytest.raises(DownloadError, match="Permission denied"):
        download.fetch("mnist", locked_folder)


def test_an_interrupt_leaves_no_file(mirrors, tmp_path, monkeypatch):
    def interrupt(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        download.fetch("mnist", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_named_folder_is_never_downloaded_into(mirrors, tmp_path, monkeypatch):
    monkeypatch.setenv("GPUGRAD_DATA", str(tmp_path / "mine"))
    with pytest.raises(DataError, match="mine does not hold mnist: expected the files train-images-idx3-ubyte, "):
        data.load("mnist")
    with pytest.raises(DataError, match="other does not hold mnist"):
        data.load("mnist", data_dir=tmp_path / "other")
    assert not mirrors[0].asked
    assert not (tmp_path / "mine").exists()


def test_download_can_be_forbidden(mirrors):
    with pytest.raises(DataError, match=r"not in the cache .* downloading is off"):
        data.load("mnist", download=False)
    assert not mirrors[0].asked


def test_an_unknown_data_set_is_refused(tmp_path):
    with pytest.raises(ArgumentError, match="did you mean 'mnist'"):
        download.fetch("mnits", tmp_path)


def test_the_table_is_complete():
    for source in download.SOURCES.values():
        assert tuple(file.name for file in source.files) == tuple(f"{name}.gz" for name in IDX_FILES)
        assert all(len(bytes.fromhex(file.sha256)) == 32 for file in source.files)
        assert all(mirror.endswith("/") for mirror in source.mirrors)
        assert len(source.mirrors) >= 2
