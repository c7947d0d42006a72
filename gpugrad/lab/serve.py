"""Server of the page, which computes surfaces and races on request.

GET `/` returns the page, `/surface?name=…` the result of `page.describe`, and `/race?…` paths as JSON. The query of a
race is the one in the page's link: surface, start, optimizer, momentum, noise, seed, steps. An invalid request returns
status 400 and {"error": one sentence}, an unknown address status 404.

Races take turns, each for `TURN` seconds, so that a long one does not hold up the others. A race ends when its
browser leaves, or after `BUDGET` seconds. While `MOST_WAITING` requests wait or compute, the next returns status 503.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import parse_qsl

from ..engine.device import Device
from ..engine.device import device as get_device
from ..engine.files import to_json
from ..engine.sharing import Turns
from ..errors import ArgumentError, GpugradError, choose, counted
from . import page
from .connections import JSON, Answer, Refused, Server
from .race import entrants, number, point, race
from .surfaces import NAMES, surface

HOST, PORT = "127.0.0.1", 8000
MOST_STEPS = 2000
MOST_PATHS = 20
MOST_FIELDS = 20
MOST_WAITING = 32  # requests for races and surfaces
TURN = 0.01  # seconds that a race computes before others do
BUDGET = 30.0  # seconds after which a race ends, including those of others
DEFAULTS = {
    "surface": "saddle",
    "start": "",  # the usual start of the surface
    "optimizer": "sgd,momentum,adam",
    "momentum": "0.9",
    "noise": "0",
    "seed": "0",
    "steps": "200",
}
HTML = "text/html; charset=utf-8"


class PageServer(Server):
    """HTTP server of the page.

    Parameters
    ----------
    host : str, default "127.0.0.1"
        Address to serve at.
    port : int, default 8000
        Port to serve at; 0 chooses a free one.
    device : str or Device, default "cpu"
        Device that computes races.
    allowed_hosts : sequence of str
        Other names of this machine that browsers may use.

    Raises
    ------
    ArgumentError
        If the address cannot be used, or a host is no name or address.
    """

    def __init__(
        self, host: str = HOST, port: int = PORT, device: str | Device = "cpu", allowed_hosts: Sequence[str] = ()
    ) -> None:
        self.device = get_device(device)
        self._places = threading.Semaphore(MOST_WAITING)
        self._racing, self._describing = Turns(), {name: threading.Lock() for name in NAMES}
        policy = {"Content-Security-Policy": f"{page.policy()}; frame-ancestors 'none'"}
        self._document = Answer(200, HTML, page.document().encode(), policy)
        super().__init__(host, port, allowed_hosts)

    def answer(self, address: str, check: Callable[[], None]) -> Answer:
        """Return the answer to a GET request, such as /race?surface=saddle; see `Server.answer`."""
        path, _, query = address.partition("?")
        answers: dict[str, Callable[[], Answer]] = {
            "/": lambda: self._document,
            "/surface": lambda: self._compute(self._surface, _fields(query, {"name": DEFAULTS["surface"]}), check),
            "/race": lambda: self._compute(self._race, _fields(query, DEFAULTS), check),
        }
        if path not in answers:
            raise Refused(404, f"there is nothing at {path}: expected one of {', '.join(answers)}")
        try:
            return answers[path]()
        except GpugradError as error:
            raise Refused(400, str(error)) from None

    def _compute(self, work: Callable[..., bytes], fields: dict[str, str], check: Callable[[], None]) -> Answer:
        if not self._places.acquire(blocking=False):
            raise Refused(503, f"{MOST_WAITING} requests are being computed: try again in a moment", Retry_After="5")
        try:
            return Answer(200, JSON, work(fields, check))
        finally:
            self._places.release()

    def _surface(self, fields: dict[str, str], check: Callable[[], None]) -> bytes:
        with self._describing[choose("surface", fields["name"], NAMES)]:  # it is computed once
            return _described(fields["name"])

    def _race(self, fields: dict[str, str], check: Callable[[], None]) -> bytes:
        f = surface(fields["surface"])
        entered = entrants(fields["optimizer"], None, f, "optimizer")
        if len(entered) > MOST_PATHS:
            raise ArgumentError(
                f"optimizer names {len(entered)} optimizers, expected at most {MOST_PATHS}: leave some out"
            )
        start = point(fields["start"], "start") if fields["start"] else f.starts[0]
        if len(start) != 2:
            raise ArgumentError(
                f"start has {counted(len(start), 'number')}, the page shows a plane: pass two, such as -1,0.5"
            )
        options: dict[str, Any] = {
            "momentum": number("momentum", fields["momentum"], "a number such as 0.9"),
            "noise": number("noise", fields["noise"], "a number such as 0.1"),
            "seed": _whole("seed", fields["seed"], 0, 2**32 - 1),
            "max_steps": _whole("steps", fields["steps"], 1, MOST_STEPS),
        }
        with self._turns(check) as on_step:
            paths = race(f, [start], entered, device=self.device, on_step=on_step, **options)
        return to_json({"surface": f.name, "paths": [page.path_of(path) for path in paths]}).encode()

    @contextlib.contextmanager
    def _turns(self, check: Callable[[], None]) -> Iterator[Callable[[], None]]:
        """Provide what a race calls before each step: others take theirs, or the race ends."""
        end, pause = time.monotonic() + BUDGET, 0.0

        def on_step() -> None:
            nonlocal pause
            check()
            if time.monotonic() > end:
                sentence = f"the race took more than {BUDGET:g} s: choose fewer optimizers or steps"
                raise Refused(503, sentence, Retry_After="5")
            if time.monotonic() > pause:
                turn.close()
                turn.enter_context(self._racing)
                pause = time.monotonic() + TURN

        with contextlib.ExitStack() as turn:
            yield on_step


def serve(
    host: str,
    port: int,
    device: str | Device,
    link: str = "",
    *,
    allowed_hosts: Sequence[str] = (),
    on_start: Callable[[str], Any] = lambda url: None,
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
    allowed_hosts : sequence of str
        Other names of this machine that browsers may use.
    on_start : callable, optional
        Called with the address of the page.

    Raises
    ------
    ArgumentError
        If the address cannot be used, or a host is no name or address.
    """
    with PageServer(host, port, device, allowed_hosts) as server, contextlib.suppress(KeyboardInterrupt):
        on_start(server.url + ("#" + link if link else ""))
        server.serve_forever()


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
