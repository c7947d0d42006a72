"""Connections of the page's server: hosts, methods and headers, and limits of time, size and number."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpugrad.errors import ArgumentError
from gpugrad.lab import connections
from gpugrad.lab.connections import HEADERS, LONGEST, MOST_ADDRESS, MOST_BYTES, Answer, Left, Server

WAIT = 10  # seconds for anything to happen


class Small(Server):
    """A server of a greeting, of much, of a failure, and of work that ends only when nobody waits for it."""

    working, ended = threading.Event(), threading.Event()

    def answer(self, address, check):
        if address == "/fail":
            raise RuntimeError("secret")
        if address == "/work":
            self.work(check)
        return Answer(200, "text/plain", b"." * 30_000_000 if address == "/much" else b"hello")

    def work(self, check):
        self.ended.clear()
        self.working.set()
        try:
            while True:
                check()
                time.sleep(0.005)
        except Left:
            self.ended.set()
            raise


@contextlib.contextmanager
def serving(made):
    """Serve in a thread."""
    with made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield made
        finally:
            made.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def server():
    with serving(Small("127.0.0.1", 0, ["lab.local"])) as made:
        yield made


@pytest.fixture
def limits(monkeypatch):
    """Set limits of the server for a test."""

    def call(**values):
        for name, value in values.items():
            monkeypatch.setattr(connections, name, value)

    return call


def connect(server, content=b""):
    connection = socket.create_connection(server.server_address[:2], timeout=WAIT)
    connection.sendall(content)
    return connection


def read(connection):
    """Return status, headers and content of an answer, up to the end of the connection."""
    with connection:
        answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    head, _, content = answer.partition(b"\r\n\r\n")
    line, *fields = head.decode().split("\r\n")
    return int(line.split()[1]), dict(field.split(": ", 1) for field in fields), content


def ask(server, request):
    return read(connect(server, request))


def get(address="/", host="localhost", *more):
    return "\r\n".join([f"GET {address} HTTP/1.1", f"Host: {host}", *more, "", ""]).encode()


def sentence(content):
    """Return the sentence of a refusal."""
    (error,) = json.loads(content).values()
    assert len(error) < 300
    assert "\n" not in error
    return error


def until(condition):
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def no_connection_is_left(server):
    yield
    until(lambda: not server._since)


# ---- hosts ----


@pytest.mark.parametrize(
    "host",
    ["localhost", "LocalHost:81", "localhost.", "127.0.0.1", "127.0.0.1:8000", "[::1]:9", "lab.local", "LAB.local:80"],
)
def test_it_answers_for_this_machine_and_the_hosts_that_are_allowed(server, host):
    assert ask(server, get(host=host))[::2] == (200, b"hello")


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "localhost.evil.example", "evil-localhost", "127.0.0.1.evil.example",
     "127.0.0.2", "0.0.0.0", "[::2]", "localhost@evil.example", "evil.example/localhost", "2130706433", "", "x" * 2000],
)  # fmt: skip
def test_it_does_not_answer_for_other_hosts(server, host):
    status, headers, content = ask(server, get(host=host))
    assert status == 421
    assert sentence(content).startswith("the host '")
    assert HEADERS.items() <= headers.items()


@pytest.mark.parametrize(
    "fields", [[], ["Host: localhost", "Host: localhost"], ["Host: localhost", "host: evil.example"]]
)
def test_a_request_names_one_host(server, fields):
    status, _, content = ask(server, "\r\n".join(["GET / HTTP/1.1", *fields, "", ""]).encode())
    assert (status, sentence(content)) == (400, f"the request has {len(fields)} Host headers, expected one")
    assert ask(server, b"GET / HTTP/1.0\r\n\r\n")[0] == 200  # which knows no Host


def test_it_answers_at_the_address_at_which_a_request_arrives():
    with serving(Small("0.0.0.0", 0)) as everywhere:
        port = everywhere.server_address[1]
        assert everywhere.url == f"http://0.0.0.0:{port}/"
        with socket.create_connection(("127.0.0.2", port), timeout=WAIT) as connection:
            connection.sendall(get(host=f"127.0.0.2:{port}"))
            assert read(connection)[0] == 200
        assert ask(everywhere, get(host="0.0.0.0"))[0] == 200  # the address that was printed
        assert ask(everywhere, get(host="127.0.0.3"))[0] == 421


def test_it_serves_at_ipv6():
    try:
        made = Small("[::1]", 0)
    except ArgumentError as error:
        pytest.skip(str(error))
    with serving(made) as six:
        port = six.server_address[1]
        assert six.url == f"http://[::1]:{port}/"
        assert ask(six, get(host=f"[::1]:{port}"))[0] == 200
        assert ask(six, get(host="[::2]"))[0] == 421


@pytest.mark.parametrize("host", ["http://lab.local", "*", "lab local", "", "bücher"])
def test_an_allowed_host_is_a_name_or_an_address(host):
    with pytest.raises(ArgumentError, match=r"^the allowed host is .*, expected a name or an address"):
        Small("127.0.0.1", 0, [host])


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "x" * 300, "\0", "127.0.0.1:80"])
def test_a_host_that_is_not_here_is_one_sentence(host):
    with pytest.raises(ArgumentError, match=r"^cannot serve at ") as error:
        Small(host, 0)
    assert "\n" not in str(error.value)


def test_pages_of_other_sites_do_not_ask(server):
    fetched = get("/", "localhost", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Dest: empty")
    assert ask(server, fetched)[0] == 403
    followed = get("/", "localhost", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Dest: document")
    assert ask(server, followed)[0] == 200
    own = get("/", "localhost", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Dest: empty")
    assert ask(server, own)[0] == 200


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        *((origin, 200) for origin in ("http://localhost", "http://127.0.0.1:8000", "https://LAB.local:443")),
        *((origin, 403) for origin in ("http://evil.example", "http://localhost.evil.example", "null", "", "http://[")),
    ],
)
def test_an_origin_is_a_host_that_is_served(server, origin, status):
    """As old browsers send it, without Sec-Fetch-Site."""
    assert ask(server, get("/", "localhost", f"Origin: {origin}"))[0] == status


# ---- methods, headers, sizes ----


def test_every_answer_is_for_this_page_alone(server):
    status, headers, _ = ask(server, get())
    assert status == 200
    assert HEADERS.items() <= headers.items()
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


def test_head_is_get_without_content(server):
    status, headers, content = ask(server, get())
    assert (status, content) == (200, b"hello")
    bare = ask(server, get().replace(b"GET", b"HEAD"))
    assert bare == (200, {**headers, "Date": bare[1]["Date"]}, b"")
    refused = ask(server, get(host="evil.example").replace(b"GET", b"HEAD"))
    assert (refused[0], refused[2]) == (421, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PATCH", "get", "X" * 3000])
def test_other_methods_are_refused_with_those_there_are(server, method):
    body = b"." * 500_000  # which the server need not read for its answer to arrive
    request = f"{method} / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    status, headers, content = ask(server, request)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")
    assert sentence(content).startswith("the method ")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (get("/" + "a" * (MOST_ADDRESS - 15)), 200),
        (get("/" + "a" * MOST_ADDRESS), 414),
        (get("/" + "a" * 1_000_000), 414),
        (b"a" * 100_000, 414),
        (get("/", "localhost", "Cookie: " + "a" * (MOST_BYTES - 100)), 200),
        (get("/", "localhost", "Cookie: " + "a" * MOST_BYTES), 431),
        (get("/", "localhost", *["X: y"] * 200), 431),
        (b"GET / HTTP/2.0\r\n\r\n", 505),
        (b"GET / HTTP/1\r\n\r\n", 400),
        (b"GET / SPDY/3\r\n\r\n", 400),
        (b"GET / / / HTTP/1.1\r\n\r\n", 400),
        (b"GET\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\n", 400),  # a browser that was told https
    ],
)  # fmt: skip
def test_sizes_and_forms_of_a_request(server, request_, status):
    answered, _, content = ask(server, request_)
    assert answered == status
    assert content == b"hello" if status == 200 else sentence(content)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(st.binary(max_size=60), st.sampled_from([b"GET ", b"/", b" HTTP/1.1", b"\r\n", b"Host: localhost"]))
    )
)
def test_no_bytes_stop_it(server, capfd, parts):
    with connect(server, b"".join(parts) + b"\r\n\r\n") as connection:
        answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    assert answer == b"" or answer.startswith(b"HTTP/1.0 ")
    assert b"Traceback" not in answer + capfd.readouterr().err.encode()


def test_a_failure_is_not_told_to_the_browser(server, monkeypatch):
    failures = []
    monkeypatch.setattr(server, "handle_error", lambda *request: failures.append(request))
    status, _, content = ask(server, get("/fail"))
    assert (status, sentence(content)) == (500, "the server failed on this request: see its terminal")
    until(lambda: len(failures) == 1)
    assert ask(server, get())[0] == 200


def test_a_long_sentence_keeps_its_ends():
    short = connections.Refused(400, "what was wrong" + "." * 5000 + "the remedy").answer
    text = sentence(short.content)
    assert len(text) <= LONGEST + 3
    assert text.startswith("what was wrong")
    assert text.endswith("the remedy")


# ---- time ----


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "])
def test_a_request_that_arrives_slowly_is_not_waited_for(server, limits, sent):
    limits(ARRIVES=0.3)
    began = time.monotonic()
    connection = connect(server, sent)
    while time.monotonic() < began + 0.4:  # every byte comes soon after the one before
        with contextlib.suppress(OSError):
            connection.sendall(b"a")
        time.sleep(0.02)
    status, _, content = read(connection)
    assert (status, sentence(content)) == (408, "the request did not arrive within 0.3 s: send it again")
    assert time.monotonic() < began + 3
    until(lambda: not server._since)


def test_an_answer_that_is_not_read_is_not_kept(server, limits):
    limits(READS=0.3, LINGERS=0.1)
    with connect(server, get("/much")) as connection:
        until(lambda: server._since)
        began = time.monotonic()
        while server._since:
            assert time.monotonic() < began + 5
            with contextlib.suppress(OSError):
                connection.recv(10)  # a little, again and again
            time.sleep(0.02)


def leave(connection, how):
    if how == "with more to read":
        connection.sendall(b"." * 50_000)
    if how == "at once":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.mark.parametrize("how", ["properly", "at once", "with more to read"])
def test_work_ends_when_its_browser_leaves(server, how):
    server.working.clear()
    connection = connect(server, get("/work"))
    assert server.working.wait(WAIT)
    assert not server.ended.wait(0.05)
    leave(connection, how)
    assert server.ended.wait(2)


def test_work_ends_with_the_server():
    with serving(Small("127.0.0.1", 0)) as ending:
        ending.working.clear()
        with connect(ending, get("/work")) as working, connect(ending, b"GET /") as arriving:
            assert ending.working.wait(WAIT)
            until(lambda: len(ending._since) == 2)
            ending.server_close()
            assert ending.ended.wait(2)
            assert working.recv(1) == arriving.recv(1) == b""


# ---- number ----


def test_slow_requests_give_way_to_others(server, limits):
    limits(MOST_CONNECTIONS=4, PATIENCE=0.1)
    slow = [connect(server, b"GET /") for _ in range(4)]
    until(lambda: len(server._since) == 4)
    time.sleep(0.15)
    assert ask(server, get())[::2] == (200, b"hello")
    assert slow[0].recv(1) == b""  # the one that has taken longest
    for connection in slow[1:]:
        connection.sendall(get()[5:])
        assert read(connection)[0] == 200
    slow[0].close()


def test_there_are_no_more_connections_than_allowed(server, limits):
    limits(MOST_CONNECTIONS=4)
    working = [connect(server, get("/work")) for _ in range(4)]
    until(lambda: [*server._since.values()] == [float("inf")] * 4)
    threads = threading.active_count()
    for _ in range(20):
        status, headers, content = ask(server, b"")
        assert (status, headers["Retry-After"]) == (503, "5")
        assert sentence(content).startswith("the server has as many connections as it takes")
    assert threading.active_count() <= threads
    for connection in working:
        connection.close()
    until(lambda: not server._since)
    assert ask(server, get())[0] == 200
