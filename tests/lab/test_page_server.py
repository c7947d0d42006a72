"""The server of the page: its answers are minimize's, and an invalid request gets one sentence."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import re
import signal
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

import gpugrad as gg
from gpugrad.command import app as cli
from gpugrad.lab import NAMES
from gpugrad.lab.serve import MOST_STEPS, MOST_WAITING, PageServer


@pytest.fixture
def ask(server):
    """Send a raw request; return (status, headers, text)."""

    def call(address, method="GET"):
        connection = http.client.HTTPConnection(*server.server_address, timeout=30)
        try:
            connection.putrequest(method, address)
            connection.endheaders()
            response = connection.getresponse()
            return response.status, response.headers, response.read().decode()
        finally:
            connection.close()

    return call


def same_bits(answered, wanted):
    """Return whether JSON holds exactly these numbers, with null for those that are not finite."""
    wanted = wanted.ravel().tolist()
    answered = np.array(answered, dtype=object).ravel().tolist()
    return [None if not np.isfinite(x) else x for x in wanted] == answered


def test_it_serves_this_machine_alone_unless_told(server):
    assert server.server_address[0] == "127.0.0.1"
    assert server.url == f"http://127.0.0.1:{server.server_address[1]}/"


def test_the_page_is_whole_and_asks_nobody_else(ask):
    status, headers, page = ask("/")
    assert status == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert int(headers["Content-Length"]) == len(page.encode())
    assert "{{" not in page
    assert "default-src 'none'" in page
    assert "connect-src 'self'" in page
    assert "http://" not in page
    assert "https://" not in page


def test_the_page_runs_its_own_script_and_style_alone(ask):
    _, headers, page = ask("/")
    policy = headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    inside = re.search(r'<meta http-equiv="Content-Security-Policy" content="(.*)">', page)[1]
    assert policy == f"{inside}; frame-ancestors 'none'"
    for start, end, rule in (("<style>", "</style>", "style"), ('<script type="module">', "</script>", "script")):
        content = page.partition(start)[2].partition(end)[0]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{rule}-src 'sha256-{digest}';" in policy


def test_a_race_is_minimize_bit_for_bit(ask):
    query = (
        "surface=rosenbrock&start=-1.3,1.7&optimizer=sgd:0.002,momentum,adam:0.1&momentum=0.8&noise=0.5&seed=3&steps=60"
    )
    status, headers, text = ask(f"/race?{query}")
    assert status == 200
    assert headers["Content-Type"] == "application/json"
    answered = json.loads(text)["paths"]
    assert [(path["optimizer"], path["lr"]) for path in answered] == [
        ("sgd", 0.002),
        ("momentum", 0.001),
        ("adam", 0.1),
    ]
    for path in answered:
        own = {"momentum": 0.8} if path["optimizer"] == "momentum" else {}
        wanted = gg.minimize(
            "rosenbrock", [-1.3, 1.7], path["optimizer"], lr=path["lr"], noise=0.5, seed=3, max_steps=60, **own
        )
        assert same_bits(path["points"], wanted.points)
        assert same_bits(path["values"], wanted.values)
        assert same_bits(path["gradient_norms"], wanted.gradient_norms)
        assert (path["steps"], path["verdict"], path["reason"]) == (60, wanted.verdict, wanted.reason)


def test_an_own_function_races_as_in_python(ask):
    query = "surface=own+function&f=x**2%2B3*sin(y)&start=2,1&optimizer=adam,sgd:0.2&steps=60"
    described = json.loads(ask("/surface?" + query.partition("&optimizer")[0])[2])
    assert (described["bounds"], described["starts"]) == ([[-3.0, 3.0], [-3.0, 3.0]], [[2.0, 1.0]])
    paths = json.loads(ask("/race?" + query)[2])["paths"]
    assert [path["lr"] for path in paths] == [described["rates"]["adam"], 0.2]
    for path in paths:
        wanted = gg.minimize(
            lambda x, y: x**2 + 3 * y.sin(), [2.0, 1.0], path["optimizer"], lr=path["lr"], max_steps=60
        )
        assert same_bits(path["points"], wanted.points)
        assert (path["steps"], path["verdict"], path["reason"]) == (wanted.steps, wanted.verdict, wanted.reason)
    assert paths[1]["words"] == "converged after 30 steps"


def test_what_is_not_finite_becomes_null(ask):
    answered = json.loads(ask("/race?surface=rosenbrock&optimizer=sgd:1e100")[2])["paths"][0]
    assert answered["verdict"] == "diverged"
    wanted = gg.minimize("rosenbrock", [-1.5, 2.0], "sgd", lr=1e100)
    assert same_bits(answered["values"], wanted.values)
    assert None in answered["values"]


def test_without_a_query_it_is_the_usual_race(ask):
    answered = json.loads(ask("/race")[2])
    assert answered["surface"] == "saddle"
    assert [path["optimizer"] for path in answered["paths"]] == ["sgd", "momentum", "adam"]
    assert answered["paths"][0]["start"] == [-1.0, 1e-3]


@pytest.mark.parametrize("name", ["saddle", "rosenbrock", "network loss"])
def test_heights_are_the_values_in_contour_lines(ask, name):
    from gpugrad.lab.view import view_of

    answered = json.loads(ask("/surface?surface=" + name.replace(" ", "+"))[2])
    side, view = answered["side"], view_of(name)
    first, second, values = view.grid(side)
    heights = (
        np.frombuffer(base64.b64decode(answered["heights"]), "<u2").reshape(side, side) / 65535 * answered["bands"]
    )
    assert answered["name"] == name
    assert len(first) == len(second) == side >= 60
    above = (values[..., None] > np.array(view.levels)).sum(axis=-1)  # levels below each value
    clear = np.abs(heights - np.round(heights)) > 1e-3  # the others lie on a line
    assert clear.mean() > 0.9
    np.testing.assert_array_equal(np.floor(heights)[clear], above[clear])


@pytest.mark.parametrize("name", ["beale", "network+loss"])
def test_races_at_once_are_those_alone(ask, name):
    queries = [f"/race?surface={name}&optimizer=adam,sgd&noise=0.1&seed={seed}&steps=12" for seed in range(6)]
    alone = [ask(query)[2] for query in queries]
    with ThreadPoolExecutor(6) as pool:
        assert [text for _, _, text in pool.map(ask, queries)] == alone


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("/race?surface=sadle", "unknown surface 'sadle': did you mean 'saddle'?"),
        ("/race?optimizer=adm", "unknown optimizer 'adm': did you mean 'adam'?"),
        ("/race?optimizer=sgd:fast", "the rate of sgd is 'fast', expected a learning rate such as 0.1"),
        ("/race?optimizer=sgd:-1", "lr is -1.0, expected a finite number of at least 0"),
        ("/race?optimizer=sgd:nan", "lr is nan, expected a finite number of at least 0"),
        ("/race?optimizer=", "optimizer is '', expected at least one optimizer"),
        ("/race?optimizer=" + "sgd," * 21, "optimizer names 21 optimizers, expected at most 20"),
        ("/race?start=1;2", "start is '1;2', expected numbers separated by commas"),
        ("/race?start=1,2,3&surface=beale", "start has 3 numbers, the page shows a plane: pass two"),
        ("/race?start=1,2,3", "start has 3 numbers"),
        ("/race?start=inf,0", "x0 holds NaN or infinity"),
        ("/race?momentum=much", "momentum is 'much', expected a number such as 0.9"),
        ("/race?momentum=-1", "momentum"),
        ("/race?momentum=nan", "momentum"),
        ("/race?noise=-1", "noise is -1.0, expected a finite number of at least 0"),
        ("/race?noise=loud", "noise is 'loud', expected a number such as 0.1"),
        ("/race?seed=-1", "seed is '-1', expected a whole number from 0"),
        ("/race?steps=0", f"steps is '0', expected a whole number from 1 to {MOST_STEPS}"),
        ("/race?steps=1e3", "steps is '1e3', expected a whole number"),
        ("/race?steps=99999", "steps is '99999', expected a whole number"),
        ("/race?steps=²", "steps is"),
        ("/race?step=5", "unknown field 'step': did you mean 'steps'?"),
        ("/race?seed=1&seed=2", "the query has a field twice"),
        ("/race?" + "&".join(["seed=1"] * 30), "the query has more than 20 fields"),
        ("/surface?surface=own+function", "the function is empty, expected arithmetic of x and y"),
        ("/surface?surface=own+function&f=foo(x)", "the function has the unknown function 'foo' at character 1: use"),
        ("/surface?surface=own+function&f=__import__('os')", "the function has the character ''' at character 12"),
        ("/surface?surface=own+function&f=log(x)&view=-2,-1,-2,-1", "the function has no finite value in the view"),
        (
            "/surface?surface=own+function&f=x&view=3,-3,-3,3",
            "the view is 3 to -3 by -3 to 3, expected low before high",
        ),
        ("/surface?surface=own+function&f=x&view=1,2,3", "view is '1,2,3', expected left, right, low and high"),
        (
            "/surface?surface=own+function&f=x&view=a,2,3,4",
            "view is 'a,2,3,4', expected left, right, low",
        ),
        ("/surface?surface=own+function&f=x&start=nan,0", "start holds NaN or infinity"),
        (
            "/surface?surface=own+function&f=" + "x*" * 200 + "x",
            "the function has 401 characters, expected at most 200",
        ),
        ("/race?surface=own+function&f=x**y", "the function has an exponent that is not a number from −20 to 20"),
        ("/race?surface=saddle&f=x**2", "f and view belong to the surface 'own function', not to 'saddle'"),
        ("/surface?surface=beal", "unknown surface 'beal': did you mean 'beale'?"),
    ],
)
def test_a_bad_request_is_one_sentence(ask, address, message):
    status, headers, text = ask(address.replace("²", "%C2%B2"))
    assert (status, headers["Content-Type"]) == (400, "application/json")
    answered = json.loads(text)
    assert list(answered) == ["error"]
    assert message in answered["error"]
    assert "\n" not in answered["error"]
    assert "Traceback" not in text


@pytest.mark.parametrize(
    "address",
    [
        "/../../../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/page.css",
        "/main.js",
        "//etc/passwd",
        "/surface/",
        "*",
        "/ ",
    ],
)
def test_there_are_no_files_to_be_had(ask, address):
    status, _, text = ask(address.replace(" ", "%20"))
    assert status == 404
    assert json.loads(text)["error"].startswith("there is nothing at ")
    assert "root:" not in text


def test_a_port_in_use_is_one_sentence(server, capsys, monkeypatch):
    port = server.server_address[1]
    monkeypatch.setattr(sys, "argv", ["gpugrad", "descend", "--serve", "--port", str(port)])
    with pytest.raises(SystemExit) as exit:
        cli.main()
    out, err = capsys.readouterr()
    assert (exit.value.code, out) == (1, "")
    assert err == f"gpugrad: cannot serve at 127.0.0.1:{port}: it is in use; --port 0 chooses a free port\n"


def test_a_port_that_is_none_is_one_sentence():
    with pytest.raises(gg.errors.ArgumentError, match=r"^cannot serve at 127\.0\.0\.1:70000: "):
        PageServer(port=70000)


# ---- many and long races ----

HEAVY = "/race?surface=network+loss&steps=2000&optimizer=" + ",".join(["sgd:1e-9"] * 20)


def send(port, address):
    """Send a request whose answer nobody has read yet."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    connection.sendall(f"GET {address} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return connection


def status_of(connection):
    with connection:
        return int(connection.recv(1000).split()[1])


@pytest.fixture
def computing(server):
    """Return a function that returns the number of races and surfaces that compute or wait."""
    ask_port = server.server_address[1]
    status_of(send(ask_port, "/race?surface=network+loss&steps=1"))  # trains the network and compiles
    count = lambda: MOST_WAITING - server._places._value  # noqa: E731
    assert count() == 0
    yield count
    until(lambda: count() == 0)


def until(condition):
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_long_races_do_not_hold_up_a_short_one_and_end_when_their_browsers_leave(server, ask, computing):
    long = [send(server.server_address[1], HEAVY) for _ in range(5)]
    until(lambda: computing() == 5)
    alone = json.loads(ask("/race?steps=20")[2])
    assert computing() == 5  # they go on
    assert [path["steps"] for path in alone["paths"]] == [20, 20, 20]
    for connection in long:
        connection.close()
    until(lambda: computing() == 0)


def test_a_race_has_a_time_limit(ask, computing, monkeypatch):
    monkeypatch.setattr("gpugrad.lab.serve.BUDGET", 0.2)
    status, headers, text = ask(HEAVY)
    assert (status, headers["Retry-After"]) == (503, "5")
    assert json.loads(text)["error"] == "the race took more than 0.2 s: choose fewer optimizers or steps"


def test_so_many_races_wait_and_no_more(server, ask, computing):
    waiting = [send(server.server_address[1], HEAVY) for _ in range(MOST_WAITING)]
    until(lambda: computing() == MOST_WAITING)
    for address in ("/race?steps=1", "/surface"):
        status, headers, text = ask(address)
        assert (status, headers["Retry-After"]) == (503, "5")
        assert json.loads(text)["error"] == f"{MOST_WAITING} requests are being computed: try again in a moment"
    assert ask("/")[0] == 200
    for connection in waiting:
        connection.close()
    until(lambda: computing() == 0)
    assert ask("/race?steps=1")[0] == 200


# ---- the command ----


@pytest.fixture
def command(start):
    """Return a function that starts the command, and returns its process and the address that it prints."""

    def call(*options):
        line = [sys.executable, "-m", "gpugrad", "descend", *options, "--serve", "--port", "0"]
        process = start(*line, env={**os.environ, "PYTHONUNBUFFERED": "1"})
        printed = process.stdout.readline()
        url = printed.split()[1]
        assert printed == f"serving {url} (Ctrl-C to stop)\n"
        return process, urlsplit(url)

    return call


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_the_command_serves_until_it_is_interrupted_also_in_a_race(command, name):
    process, url = command("network loss", "--allowed-host", "lab.local")
    assert (url.scheme, url.hostname, url.path, url.fragment) == ("http", "127.0.0.1", "/", "surface=network+loss")
    for host, status in (("lab.local", 200), ("evil.example", 421)):
        connection = http.client.HTTPConnection(url.netloc, timeout=30)
        connection.request("GET", "/race?steps=1", headers={"Host": host})
        assert connection.getresponse().status == status
        connection.close()
    long = [send(url.port, HEAVY) for _ in range(3)]
    time.sleep(0.5)
    began = time.monotonic()
    process.send_signal(getattr(signal, name))
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "", "")
    assert time.monotonic() < began + 3
    for connection in long:
        connection.close()


def used(process):
    """Return memory in MiB, threads and open files of a process."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    memory, threads = (int(re.search(rf"^{name}:\s+(\d+)", status, re.M)[1]) for name in ("VmRSS", "Threads"))
    return memory / 1024, threads, len(os.listdir(f"/proc/{process.pid}/fd"))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts the open files of a process on Linux")
@pytest.mark.parametrize("requests", [200, pytest.param(4000, marks=pytest.mark.long)])
def test_requests_leave_nothing_behind(command, requests):
    process, url = command()
    addresses = ["/", "/surface", "/race?steps=1", "/race?optimizer=adam&steps=2", "/race?surface=none", "/none"]
    statuses = [200, 200, 200, 200, 400, 404]

    def ask(k):
        if k % 8 < 6:
            # Abandoned races may fill the queue until they notice.
            assert status_of(send(url.port, addresses[k % 8])) in (statuses[k % 8], 503)
        else:
            send(url.port, HEAVY if k % 8 == 6 else "/race").close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, range(80)))
        memory, threads, files = used(process)
        list(pool.map(ask, range(requests)))
    until(lambda: used(process)[1] <= threads and used(process)[2] <= files)
    assert used(process)[0] < memory + 10


def test_an_unknown_surface_is_refused_before_serving(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["gpugrad", "descend", "beal", "--serve"])
    with pytest.raises(SystemExit) as exit:
        cli.main()
    assert exit.value.code == 1
    assert "unknown surface 'beal': did you mean 'beale'?" in capsys.readouterr().err


def test_the_page_offers_every_surface(ask):
    page = ask("/")[2]
    setup = json.loads(page.partition('id="setup">')[2].partition("</script>")[0])
    assert setup["surfaces"] == [*NAMES, "own function"]
    assert [entry["name"] for entry in setup["optimizers"]] == list(gg.optim.NAMES)
    assert setup["described"] is None
