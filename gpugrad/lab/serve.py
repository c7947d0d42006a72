"""Server of the page, which computes surfaces and races on request.

GET `/` returns the page, `/surface?name=…` the result of `page.describe`, and `/race?…` paths as JSON. The query of a
race is the one in the page's link: surface, start, optimizer, momentum, noise, seed, steps. An invalid request returns
status 400 and {"error": one sentence}, an unknown address status 404.
"""

from __future__ import annotations

import errno
import functools
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

from ..engine.device import Device
from ..engine.device import device as get_device
from ..engine.files import to_json
from ..errors import ArgumentError, GpugradError, choose
from . import page
from .race import entrants, number, point, race
from .surfaces import surface

HOST, PORT = "127.0.0.1", 8000
MOST_STEPS = 2000
MOST_PATHS = 20
MOST_FIELDS = 20
DEFAULTS = {
    "surface": "saddle",
    "start": "",  # the usual start of the surface
    "optimizer": "sgd,momentum,adam",
    "momentum": "0.9",
    "noise": "0",
    "seed": "0",
    "steps": "200",
}
HTML, JSON = "text/html; charset=utf-8", "application/json"


class PageServer(ThreadingHTTPServer):
    """HTTP server of the page.

    Parameters
    ----------
    host : str, default "127.0.0.1"
        Address to serve at.
    port : int, default 8000
        Port to serve at; 0 chooses a free one.
    device : str or Device, default "cpu"
        Device that computes races.

    Raises
    ------
    ArgumentError
        If the address cannot be used.
    """

    daemon_threads = True

    def __init__(self, host: str = HOST, port: int = PORT, device: str | Device = "cpu") -> None:
        self.device = get_device(device)
        self._one_at_a_time = threading.Lock()
        self._document = page.document().encode()
        try:
            super().__init__((host, port), _Handler)
        except (OSError, OverflowError) as error:
            used = getattr(error, "errno", None) == errno.EADDRINUSE
            reason = "it is in use" if used else str(error).removeprefix("bind(): ")
            raise ArgumentError(f"cannot serve at {host}:{port}: {reason}; --port 0 chooses a free port") from None

    @property
    def url(self) -> str:
        """Address of the page."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}/"

    def answer(self, address: str) -> tuple[int, str, bytes]:
        """Return the response to a request.

        Parameters
        ----------
        address : str
            Path and query, such as /race?surface=saddle.

        Returns
        -------
        int
            HTTP status.
        str
            Content type.
        bytes
            Content.
        """
        path, _, query = address.partition("?")
        answers: dict[str, Callable[[], tuple[str, bytes]]] = {
            "/": lambda: (HTML, self._document),
            "/surface": lambda: (JSON, self._surface(_fields(query, {"name": DEFAULTS["surface"]})["name"])),
            "/race": lambda: (JSON, self._race(_fields(query, DEFAULTS))),
        }
        try:
            if path not in answers:
                return 404, JSON, _error(f"there is nothing at {path}: expected one of {', '.join(answers)}")
            return 200, *answers[path]()
        except GpugradError as error:
            return 400, JSON, _error(str(error))

    def _surface(self, name: str) -> bytes:
        return _described(name)

    def _race(self, fields: dict[str, str]) -> bytes:
        with self._one_at_a_time:  # they would share the cores
            f = surface(fields["surface"])
            entered = entrants(fields["optimizer"], None, f, "optimizer")
            if len(entered) > MOST_PATHS:
                raise ArgumentError(
                    f"optimizer names {len(entered)} optimizers, expected at most {MOST_PATHS}: leave some out"
                )
            start = point(fields["start"], "start") if fields["start"] else f.starts[0]
            if len(start) != 2:
                raise ArgumentError(f"start has {len(start)} numbers, the page shows a plane: pass two, such as -1,0.5")
            paths = race(
                f,
                [start],
                entered,
                momentum=number("momentum", fields["momentum"], "a number such as 0.9"),
                noise=number("noise", fields["noise"], "a number such as 0.1"),
                seed=_whole("seed", fields["seed"], 0, 2**32 - 1),
                max_steps=_whole("steps", fields["steps"], 1, MOST_STEPS),
                device=self.device,
            )
        return to_json({"surface": f.name, "paths": [page.path_of(path) for path in paths]}).encode()


def serve(
    host: str, port: int, device: str | Device, link: str = "", *, on_start: Callable[[str], Any] = lambda url: None
) -> None:
    """Serve the page until Ctrl-C.

    Parameters
    ----------
    host : str
        Address to serve at.
    port : int
        Port to serve at; 0 chooses a free one.
    device : str or Device
        Device that computes races.
    link : str, default ""
        Query of the first race, appended to the address.
    on_start : callable, optional
        Called with the address of the page.

    Raises
    ------
    ArgumentError
        If the address cannot be used.
    """
    with PageServer(host, port, device) as server:
        on_start(server.url + ("#" + link if link else ""))
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


@functools.cache
def _described(name: str) -> bytes:
    return to_json(page.describe(surface(name))).encode()


def _fields(query: str, defaults: dict[str, str]) -> dict[str, str]:
    """Return the fields of a query, each at most once, with defaults for the others."""
    try:
        given = parse_qsl(query, keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise ArgumentError(
            f"the query has more than {MOST_FIELDS} fields, expected each once: leave some out"
        ) from None
    for name, _ in given:
        choose("field", name, defaults)
    if len(dict(given)) < len(given):
        raise ArgumentError("the query has a field twice, expected each once: leave one out")
    return defaults | dict(given)


def _whole(called: str, text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 12 and least <= int(text) <= most):
        raise ArgumentError(f"{called} is {text!r}, expected a whole number from {least} to {most}")
    return int(text)


def _error(sentence: str) -> bytes:
    return to_json({"error": sentence}).encode()


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    server_version, sys_version = "gpugrad", ""
    timeout = 30  # seconds for a request to arrive

    def do_GET(self) -> None:
        """Answer a GET request."""
        try:
            status, kind, content = self.server.answer(self.path)
        except Exception:
            self._send(500, JSON, _error("the server failed on this request: see its terminal"))
            raise
        self._send(status, kind, content)

    def _send(self, status: int, kind: str, content: bytes) -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            self.wfile.write(content)
        except ConnectionError:
            self.close_connection = True  # the browser closed the connection

    def log_message(self, format: str, *args: Any) -> None:
        """Log no requests: the terminal shows the address and failures."""
