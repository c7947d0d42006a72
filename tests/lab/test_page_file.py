"""The page as a file: it computes the paths of minimize by itself, and a browser needs nothing else."""

from __future__ import annotations

import sys

import pytest

import gpugrad as gg
from gpugrad.command import app as cli
from gpugrad.errors import ArgumentError, StorageError
from gpugrad.lab.page import file as written
from gpugrad.lab.page import write_page

MOST_BYTES = 200_000


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """Write the page with two surfaces."""
    file = tmp_path_factory.mktemp("page") / "lab.html"
    write_page(file, ["saddle", "ravine"])
    return file


@pytest.mark.slow
def test_a_race_in_the_file_without_any_server(browser, file):
    browser.open(file.as_uri() + "#surface=saddle&start=-0.99,0.2&optimizer=sgd:0.04,adam:0.13")
    assert browser.value("start") == "-0.99,0.2"
    browser.set("speed", "240")
    browser.click_at(-1.1, 0.1)
    browser.until_over()
    start = [float(part) for part in browser.value("start").split(",")]
    assert start == pytest.approx([-1.1, 0.1], abs=0.02)
    for name, lr in (("sgd", 0.04), ("adam", 0.13)):
        found, wanted = browser.table()[name], gg.minimize("saddle", start, name, lr=lr, max_steps=200)
        assert float(found["value"].replace("−", "-").replace("e−", "e-")) == pytest.approx(wanted.value, rel=1e-3)
        assert found["step"] == str(wanted.steps)
    browser.set("start", "-1,0")
    browser.find("run").click()
    browser.until_over()
    on_ridge, wanted = browser.table()["sgd"], gg.minimize("saddle", [-1, 0], "sgd", lr=0.04, max_steps=200)
    assert on_ridge["verdict"] == f"stuck at a saddle after {wanted.steps} steps"
    assert on_ridge["reason"].startswith(": the gradient's norm is ")
    assert browser.run("return performance.getEntriesByType('resource').map(entry => entry.name)") == []


@pytest.mark.slow
def test_the_network_loss_in_the_file(browser, tmp_path):
    file = tmp_path / "lab.html"
    write_page(file, ["network loss"])
    browser.open(file.as_uri() + "#surface=network+loss&start=-1.2,1.2&optimizer=adam:0.1&steps=60", still=True)
    browser.find("run").click()
    browser.until_over()
    wanted = gg.minimize("network loss", [-1.2, 1.2], "adam", lr=0.1, max_steps=60)
    assert float(browser.table()["adam"]["value"]) == pytest.approx(wanted.value, rel=1e-3)


def test_an_own_function_in_the_file(browser, file):
    link = "#surface=own+function&f=x**2%2B3*sin(y)&start=2,1&optimizer=sgd:0.2&steps=60"
    browser.open(file.as_uri() + link, still=True)
    assert (browser.value("f"), browser.value("view")) == ("x**2+3*sin(y)", "-3,3,-3,3")
    browser.find("run").click()
    browser.until_over()
    assert browser.table()["sgd"]["verdict"] == "converged after 30 steps"
    browser.set("f", "x**2 + foo(y)")
    browser.until(lambda: browser.text("error"))
    assert browser.text("error").startswith(
        "The function has the unknown function 'foo' at character 8: use numbers, x"
    )
    assert browser.value("f") == "x**2 + foo(y)"
    browser.find("run").click()
    browser.until(lambda: browser.text("error"))
    assert "foo" in browser.text("error")
    browser.set("f", "x**2 + y**2")
    browser.until(lambda: not browser.text("error"))
    browser.find("run").click()
    browser.until_over()
    assert browser.table()["sgd"]["verdict"].startswith("converged")


def test_the_file_can_be_used_by_keys_and_says_what_it_lacks(browser, file):
    from selenium.webdriver.common.keys import Keys

    browser.open(file.as_uri(), still=True)
    browser.run("document.getElementById('plane').focus()")
    browser.press(Keys.ARROW_RIGHT)
    assert browser.value("start") == "-0.95,0"
    browser.press(Keys.ENTER)
    browser.until_over()
    browser.set("start", "0.3;0.33")
    browser.find("run").click()
    browser.until(lambda: browser.text("error"))
    assert browser.text("error").startswith("Start is '0.3;0.33', expected two numbers separated by a comma")
    browser.open(file.as_uri() + "#surface=beale")
    browser.until(lambda: browser.text("status"))
    assert browser.text("error") == "Unknown surface 'beale': this file has saddle, ravine, own function."


def test_the_command_writes_it(tmp_path, capsys, monkeypatch):
    file = tmp_path / "new" / "lab.html"
    monkeypatch.setattr(sys, "argv", ["gpugrad", "descend", "--out", str(file)])
    monkeypatch.setattr(written.write_page, "__defaults__", (("plateau",),))
    with pytest.raises(SystemExit) as exit:
        cli.main()
    out, err = capsys.readouterr()
    assert exit.value.code in (0, None)
    assert (out.replace("\n", ""), err) == (f"wrote {file}", "")
    assert file.read_text().startswith("<!doctype html>")
    assert "connect-src 'none'" in file.read_text()
    assert file.stat().st_size < MOST_BYTES


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


def test_what_cannot_be_written_is_refused_before_any_work(locked_folder, monkeypatch):
    def too_early(f, **options):
        raise AssertionError("surfaces were computed")

    monkeypatch.setattr(written, "describe", too_early)
    with pytest.raises(ArgumentError, match="unknown surface 'sadle'"):
        write_page("lab.html", ["sadle"])
    with pytest.raises(ArgumentError, match="unknown optimizer 'adm'"):
        write_page("lab.html", ["saddle"], optimizers=["adm"])
    with pytest.raises(StorageError, match="a folder that you may write to"):
        write_page(locked_folder / "lab.html", ["saddle"])
