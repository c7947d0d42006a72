"""HTTP for the browsers of a page: connections of limited number, size and time, for the hosts that are served.

The standard library parses the requests. Each connection has a thread and carries one request, which must arrive within
`ARRIVES` seconds; its answer must be read within `READS`. What the server computes for a request asks between its
steps whether the browser is still there.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ..engine.files import to_json
from ..errors import ArgumentError

ARRIVES = 10.0  # seconds for a whole request to arrive
READS = 30.0  # seconds for the whole answer to be read
LINGERS = 1.0  # seconds for the browser to close the connection after that
PATIENCE = 1.0  # seconds after which a request that still arrives gives way if there are too many connections
MOST_CONNECTIONS = 128
MOST_ADDRESS = 4096  # bytes of the line with the address
MOST_BYTES = 32768  # bytes of a request: a browser sends the cookies of all servers of this machine
LONGEST = 280  # characters of a sentence

HERE = ("localhost", "127.0.0.1", "::1")
JSON = "application/json"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Answer(NamedTuple):
    """Answer to a request.

    Parameters
    ----------
    status : int
        HTTP status.
    kind : str
        Content type.
    content : bytes
        Content.
    headers : dict
        Headers, in addition to `HEADERS` or instead of one of them.
    """

    status: int
    kind: str
    content: bytes
    headers: dict[str, str] = {}  # noqa: RUF012


class Refused(Exception):
    """A request that is answered with one sentence.

    Parameters
    ----------
    status : int
        HTTP status.
    sentence : str
        The sentence; the middle of a long one is left out.
    **headers
        Headers, with _ for -.
    """

    def __init__(self, status: int, sentence: str, **headers: str) -> None:
        super().__init__(sentence)
        if len(sentence) > LONGEST:
            sentence = f"{sentence[: LONGEST // 2]} … {sentence[-LONGEST // 2 :]}"
        content = to_json({"error": sentence}).encode()
        self.answer = Answer(status, JSON, content, {name.replace("_", "-"): text for name, text in headers.items()})


# Sent at once to a connection that gets no thread.
FULL = (
    b"HTTP/1.0 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Type: application/json\r\n\r\n"
    b'{"error": "the server has as many connections as it takes: try again in a moment"}'
)


class Left(Exception):
    """The browser closed the connection, or the server did, before there was an answer."""


class Server(ThreadingTCPServer):
    """HTTP server whose subclass answers GET requests.

    Parameters
    ----------
    host : str
        Address to serve at, IPv4 or IPv6.
    port : int
        Port to serve at; 0 chooses a free one.
    allowed_hosts : sequence of str
        Hosts that requests may name, in addition to `HERE`, `host` and the address at which they arrive.

    Raises
    ------
    ArgumentError
        If the address cannot be used, or a host is no name or address.
    """

    allow_reuse_address = os.name == "posix"  # elsewhere it admits a second server to the port
    daemon_threads, block_on_close = True, False
    request_queue_size = 128

    def __init__(self, host: str, port: int, allowed_hosts: Sequence[str] = ()) -> None:
        for name in allowed_hosts:
            if not re.fullmatch(r"[\w.:\[\]-]+", name, re.ASCII):
                raise ArgumentError(
                    f"the allowed host is {name!r}, expected a name or an address: lab.local, for instance"
                )
        self.hosts = {*HERE, *map(_named, (host, *allowed_hosts))}
        self._lock = threading.Lock()
        self._since: dict[socket.socket, float] = {}  # the time since when each request arrives; inf: it has arrived
        try:
            found = socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM)
            self.address_family, _, _, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
            super().__init__((address[0], port, *address[2:]), _Handler)  # type: ignore[arg-type]
        except (OSError, OverflowError, ValueError) as error:
            reason = str(getattr(error, "strerror", None) or error).removeprefix("bind(): ").rstrip(".")
            if getattr(error, "errno", None) == errno.EADDRINUSE:
                reason = "it is in use"
            raise ArgumentError(f"cannot serve at {host}:{port}: {reason}; --port 0 chooses a free port") from None

    @property
    def url(self) -> str:
        """Address of the page."""
        host, port = self.server_address[:2]
        return f"http://{f'[{host!s}]' if ':' in str(host) else host!s}:{port}/"

    def answer(self, address: str, check: Callable[[], None]) -> Answer:
        """Return the answer to a GET request.

        Parameters
        ----------
        address : str
            Path and query.
        check : callable
            Raises `Left` if nobody waits for the answer any more.

        Returns
        -------
        Answer
            The answer.

        Raises
        ------
        Refused
            If there is none.
        Left
            If nobody waits for it.
        """
        raise NotImplementedError

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Return whether there is room for a connection, if need be that of a request that arrives slowly."""
        now = time.monotonic()
        with self._lock:
            if len(self._since) >= MOST_CONNECTIONS:
                slowest = min(self._since, key=self._since.__getitem__)
                if now - self._since[slowest] < PATIENCE:
                    with contextlib.suppress(OSError):
                        request.send(FULL)
                    return False
                del self._since[slowest]
                _hang_up(slowest)
            self._since[request] = now
        return True

    def arrived(self, connection: Any) -> None:
        """Note that the request of a connection has arrived.

        Parameters
        ----------
        connection : socket
            The connection.
        """
        with self._lock:
            if connection in self._since:
                self._since[connection] = float("inf")

    def close_request(self, request: Any) -> None:
        """Close a connection."""
        with self._lock:
            self._since.pop(request, None)
        super().close_request(request)

    def server_close(self) -> None:
        """Stop listening and hang up, which ends what is computed."""
        super().server_close()
        with self._lock:
            for connection in self._since:
                _hang_up(connection)


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads or writes


def _named(host: str) -> str:
    """Return the name or address in a Host header, in lower case and without its port."""
    name = re.sub(r":\d*$", "", host) if host.count(":") == 1 or "]" in host else host
    return name.strip("[]").lower().removesuffix(".")


def _host_of(origin: str) -> str:
    """Return the host in an Origin header, "" for one without."""
    try:
        return _named(urlsplit(origin).netloc)
    except ValueError:
        return ""


class _Handler(BaseHTTPRequestHandler):
    server: Server
    wfile: io.BytesIO
    server_version, sys_version = "gpugrad", ""
    command, requestline = "", ""
    request_version = default_request_version = "HTTP/1.0"

    def setup(self) -> None:
        self.connection: socket.socket = self.request
        self.rfile, self.wfile = io.BytesIO(), io.BytesIO()  # request and answer are received and sent whole

    def handle(self) -> None:
        try:
            self.rfile = io.BytesIO(self._head())
            self.handle_one_request()
        except Refused as refused:
            self._send(refused.answer)
        except Left:
            pass
        except Exception:
            self._send(Refused(500, "the server failed on this request: see its terminal").answer)
            raise

    def do_GET(self) -> None:
        """Answer a request for a page or data."""
        self.server.arrived(self.connection)
        self._check_host()
        self.connection.settimeout(0)
        self._send(self.server.answer(self.path, self._check))

    do_HEAD = do_GET

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse a request that the standard library does not parse, or of another method."""
        if code == 501:
            raise Refused(405, f"the method {self.command} is not served: expected GET or HEAD", Allow="GET, HEAD")
        raise Refused(code, f"the request cannot be read ({message}): expected GET, an address and HTTP/1.1")

    def finish(self) -> None:
        """Wait until the browser closes the connection: it would lose the answer if more of its bytes came later."""
        until = time.monotonic() + LINGERS
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            while self._receive(until):
                pass

    def _head(self) -> bytes:
        """Receive the request up to its end, an empty line."""
        until, head = time.monotonic() + ARRIVES, b""
        while True:
            if len(head.partition(b"\n")[0]) > MOST_ADDRESS:
                raise Refused(414, f"the address is longer than {MOST_ADDRESS} characters: ask for less")
            if len(head) > MOST_BYTES:
                raise Refused(431, f"the headers are longer than {MOST_BYTES} bytes: send fewer")
            if b"\n\r\n" in head or b"\n\n" in head:
                return head
            try:
                received = self._receive(until)
            except TimeoutError:
                raise Refused(408, f"the request did not arrive within {ARRIVES:g} s: send it again") from None
            except OSError:
                raise Left from None
            if not received:
                raise Left
            head += received

    def _receive(self, until: float) -> bytes:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.connection.settimeout(left)
        return self.connection.recv(MOST_ADDRESS)

    def _check_host(self) -> None:
        """Refuse a request that names another host: a page elsewhere may have pointed its own name at this machine."""
        hosts = self.headers.get_all("Host", [])
        if len(hosts) > 1 or not (hosts or self.request_version == "HTTP/1.0"):
            raise Refused(400, f"the request has {len(hosts)} Host headers, expected one")
        arrived_at = self.connection.getsockname()[0].partition("%")[0].removeprefix("::ffff:")
        here = {arrived_at, *self.server.hosts}
        for name in map(_named, hosts):
            if name not in here:
                raise Refused(421, f"the host {name!r} is not served here: name it with --allowed-host if it should be")
        fetched = (
            self.headers.get("Sec-Fetch-Site") == "cross-site" and self.headers.get("Sec-Fetch-Dest") != "document"
        )
        if fetched or not here.issuperset(map(_host_of, self.headers.get_all("Origin", []))):
            raise Refused(403, "a page of another site asked: open the page of this server instead")

    def _check(self) -> None:
        """Raise `Left` if the browser has closed the connection; what else it sends is dropped."""
        try:
            left = not self.connection.recv(MOST_ADDRESS)
        except BlockingIOError:
            return
        except OSError:
            left = True
        if left:
            raise Left

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        own = {"Content-Type": answer.kind, "Content-Length": str(len(answer.content)), **answer.headers}
        for name, text in (HEADERS | own).items():
            self.send_header(name, text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.content)
        with contextlib.suppress(OSError):  # the browser has left, or does not read
            self.connection.settimeout(READS)
            self.connection.sendall(self.wfile.getvalue())

    def log_message(self, format: str, *args: Any) -> None:
        """Log no requests: the terminal shows the address and failures."""
