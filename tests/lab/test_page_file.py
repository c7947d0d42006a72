"""The page as a file: recorded paths are minimize's, and a browser needs nothing else."""

from __future__ import annotations

import base64
import gzip
import json
import sys

import numpy as np
import pytest

import gpugrad as gg
from gpugrad.command import app as cli
from gpugrad.errors import ArgumentError, StorageError
from gpugrad.lab import surface
from gpugrad.lab.page import recorded, write_page


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """Write the page with the paths of one surface."""
    file = tmp_path_factory.mktemp("page") / "lab.html"
    reported = []
    write_page(file, ["saddle"], on_surface=reported.append)
    assert reported == ["saddle"]
    return file


@pytest.fixture(scope="module")
def record(file):
    """Unpack the record: (head, channels (4, numbers) of all paths, first index of each path)."""
    setup = json.loads(file.read_text().partition('id="setup">')[2].partition("</script>")[0])
    content = gzip.decompress(base64.b64decode(setup["recorded"]["saddle"]))
    size = int.from_bytes(content[:4], "little")
    head = json.loads(content[4 : 4 + size])
    planes = np.frombuffer(content[4 + size :], np.uint8).reshape(2, -1)
    differences = (planes[0].astype(np.uint16) | planes[1].astype(np.uint16) << 8).astype(np.int16).reshape(4, -1)
    lengths = [sum(k < steps for k in head["frames"]) + 1 for steps, _, _ in head["paths"]]
    assert sum(lengths) == differences.shape[1]
    return head, differences, np.cumsum([0, *lengths])


@pytest.mark.slow
def test_every_path_is_that_of_minimize(record):
    head, differences, begins = record
    choices, scale = head["choices"], head["scale"]
    bounds = np.array(head["surface"]["bounds"])
    order = [
        (noise, name, momentum, rate, start)
        for noise in choices["noise"]
        for name, rates in choices["rates"].items()
        for momentum in (choices["momentum"] if name in head["with_momentum"] else [None])
        for rate in rates
        for start in head["starts"]
    ]
    assert len(order) == len(head["paths"]) > 1000
    seeds = np.arange(len(head["starts"])).tolist()
    for row in range(0, len(order), 61):
        noise, name, momentum, rate, start = order[row]
        own = {} if momentum is None else {"momentum": momentum}
        seed = seeds[head["starts"].index(start)]
        path = gg.minimize("saddle", start, name, lr=rate, noise=noise, seed=seed, max_steps=choices["steps"][0], **own)
        assert head["paths"][row] == [path.steps, path.verdict, path.reason]
        kept = [*(k for k in head["frames"] if k < path.steps), path.steps]
        whole = np.cumsum(differences[:, begins[row] : begins[row + 1]], axis=1, dtype=np.int16)
        points = bounds[:, 0] + whole[:2].T / scale["units"] * (bounds[:, 1] - bounds[:, 0])
        near = np.abs(path.points[kept]).max(axis=1) < 20
        unit = (bounds[0, 1] - bounds[0, 0]) / scale["units"]
        np.testing.assert_allclose(points[near], path.points[kept][near], atol=unit)
        values, norms = np.sinh(whole[2:] / scale["digits"]) * scale["tiny"]
        np.testing.assert_allclose(values, path.values[kept], rtol=4e-3, atol=1e-14)
        np.testing.assert_allclose(norms, path.gradient_norms[kept], rtol=4e-3, atol=1e-14)


def test_starts_and_settings_can_be_chosen(record):
    head, _, _ = record
    starts = [tuple(start) for start in head["starts"]]
    assert set(surface("saddle").starts) <= set(starts)
    assert len(set(starts)) == len(starts) >= 25
    assert head["choices"]["rates"]["adam"] == [0.036, 0.12, 0.36]
    assert head["choices"]["noise"][0] == 0


def test_frames_show_a_jump_to_and_fro(record):
    """From frame to frame the number of steps is odd, so that an oscillation between two points is seen."""
    assert (np.diff(record[0]["frames"]) % 2 == 1).all()


@pytest.mark.slow
def test_a_race_in_the_file_without_any_server(browser, file):
    browser.open(file.as_uri() + "#surface=saddle&start=-0.99,0.2&optimizer=sgd:0.04,adam:0.13&noise=0.01")
    assert browser.value("start") == "-1,0.1"  # the nearest that was recorded, as with the rates
    assert [browser.value(name) for name in ("rate-sgd", "rate-adam", "noise")] == ["0.05", "0.12", "0"]
    browser.set("speed", "240")
    browser.click_at(-1.1, 0.02)
    browser.until_over()
    assert browser.value("start") in ("-1,0", "-1,0.001")
    browser.set("start", "-1,0")
    browser.find("run").click()
    browser.until_over()
    on_ridge = browser.table()["sgd"]
    wanted = gg.minimize("saddle", [-1, 0], "sgd", lr=0.05, max_steps=150)
    assert (on_ridge["verdict"], on_ridge["reason"]) == ("stuck at a saddle", f": {wanted.reason}")
    browser.set("start", "-1,0.1")
    browser.find("run").click()
    browser.until_over()
    adam = browser.table()["adam"]
    wanted = gg.minimize("saddle", [-1, 0.1], "adam", lr=0.12, max_steps=150)
    assert float(adam["value"].replace("−", "-")) == pytest.approx(wanted.value, rel=4e-3)
    assert adam["step"] == "150"
    assert adam["reason"] == f": {wanted.reason}"
    assert browser.run("return performance.getEntriesByType('resource').map(entry => entry.name)") == []


def test_the_file_can_be_used_by_keys_and_says_what_it_lacks(browser, file):
    from selenium.webdriver.common.keys import Keys

    browser.open(file.as_uri(), still=True)
    browser.run("document.getElementById('plane').focus()")
    browser.press(Keys.ARROW_RIGHT)
    start = browser.value("start").split(",")
    assert float(start[0]) > -1
    browser.press(Keys.ENTER)
    browser.until_over()
    browser.set("start", "0.3,0.33")
    browser.find("run").click()
    browser.until(lambda: browser.text("error"))
    assert browser.text("error").startswith("No paths from 0.3,0.33 are in this file: click")
    browser.open(file.as_uri() + "#surface=beale")
    browser.until(lambda: browser.text("status"))
    assert browser.text("error") == "Unknown surface 'beale': this file has saddle."


def test_the_command_writes_it(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(recorded.write_page, "__defaults__", (("plateau",),))
    monkeypatch.setattr(recorded, "STEPS", 5)
    file = tmp_path / "new" / "lab.html"
    monkeypatch.setattr(sys, "argv", ["gpugrad", "descend", "--out", str(file)])
    with pytest.raises(SystemExit) as exit:
        cli.main()
    out, err = capsys.readouterr()
    assert exit.value.code in (0, None)
    assert (out.replace("\n", ""), err) == (f"wrote {file}", "computing paths on plateau\n")
    assert file.read_text().startswith("<!doctype html>")
    assert "connect-src 'none'" in file.read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "SURFACE is missing: name one, such as saddle, or pass --serve or --out page.html"),
        (("--out", "lab.gif"), "the page cannot be written to lab.gif, expected a name that ends in .html"),
    ],
)
def test_the_command_refuses_what_it_cannot_do(arguments, message, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["gpugrad", "descend", *arguments])
    with pytest.raises(SystemExit) as exit:
        cli.main()
    assert exit.value.code == 1
    assert message in capsys.readouterr().err


def test_what_cannot_be_written_is_refused_before_any_path(locked_folder, monkeypatch):
    def too_early(f):
        raise AssertionError("paths were computed")

    monkeypatch.setattr(recorded, "record", too_early)
    with pytest.raises(ArgumentError, match="unknown surface 'sadle'"):
        write_page("lab.html", ["sadle"])
    with pytest.raises(StorageError, match="a folder that you may write to"):
        write_page(locked_folder / "lab.html", ["saddle"])
