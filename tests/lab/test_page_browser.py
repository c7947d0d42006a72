"""The page in a real browser, served: races, keys, links, light and dark, large and small."""

from __future__ import annotations

import re

import pytest

import gpugrad as gg
from gpugrad.lab.serve import MOST_WAITING

COLOURS = """
const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
const behind = (node) => {
  for (; node; node = node.parentElement) {
    const colour = rgb(getComputedStyle(node).backgroundColor);
    if (colour.length === 3 || colour[3] === 1) return colour.slice(0, 3);
  }
  return rgb(getComputedStyle(document.documentElement).backgroundColor).slice(0, 3);
};
const found = [];
for (const node of document.querySelectorAll("body *")) {
  const says = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
  if (!(says || node.value) || !node.offsetParent || node.disabled || node.tagName === "OPTION") continue;
  found.push([node.tagName + "#" + node.id, rgb(getComputedStyle(node).color).slice(0, 3), behind(node)]);
}
return found;
"""


def contrast(first, second):
    """Return the WCAG 2 contrast ratio of two colours."""
    lights = []
    for colour in (first, second):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (x / 255 for x in colour)]
        lights.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05)
    return max(lights) / min(lights)


@pytest.mark.slow
def test_a_click_starts_a_race_out_of_the_saddle_and_one_on_the_ridge(browser, url):
    browser.open(url + "#surface=saddle&optimizer=sgd,adam&steps=150")
    browser.set("speed", "240")
    browser.click_at(-1, 0)
    browser.until_over()
    assert browser.value("start") == "-1,0"
    on_ridge = browser.table()
    assert on_ridge["sgd"]["verdict"].startswith("stuck at a saddle after ")
    assert on_ridge["sgd"]["reason"].startswith(": the gradient's norm is")
    browser.click_at(-0.8, 0.2)
    browser.until_over()
    x, y = map(float, browser.value("start").split(","))
    assert (x, y) == pytest.approx((-0.8, 0.2), abs=0.02)
    compared = browser.table()["adam"]
    assert compared["verdict"].startswith("left the view after ")
    assert number(compared["value"]) < -10
    path = gg.minimize("saddle", [x, y], "adam", lr=0.12, max_steps=150)
    assert compared["reason"] == f": {path.reason}"
    assert number(compared["value"]) == pytest.approx(path.value, rel=1e-3)
    assert number(compared["norm"]) == pytest.approx(path.gradient_norms[-1], rel=1e-3)


def number(text):
    return float(text.replace("−", "-"))


def test_the_keyboard_alone_runs_a_race(browser, url):
    from selenium.webdriver.common.keys import Keys

    browser.open(url + "#surface=saddle&start=-1,0.1&optimizer=sgd,adam&steps=300")
    for _ in range(10):
        browser.press(Keys.TAB)
        if browser.run("return document.activeElement.id") == "plane":
            break
    assert browser.run("return document.activeElement.id") == "plane"
    browser.press(Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
    assert browser.value("start") == "-0.95,0.05"
    browser.press("s", "s")
    browser.until(lambda: browser.text("count") == "2")
    browser.press(Keys.ENTER)
    browser.until(lambda: int(browser.text("count")) > 5)
    assert browser.text("run") == "Pause"
    browser.press(Keys.SPACE)
    assert browser.text("run") == "Run"
    assert re.fullmatch(r"Paused at step \d+\.", browser.text("status"))
    browser.press(Keys.TAB, Keys.END)  # the slider of the steps
    assert browser.text("status").startswith("Finished. sgd: ")
    assert browser.text("count") == "300"


def test_pause_step_and_back(browser, url):
    browser.open(url + "#surface=ravine&optimizer=sgd:0.001,momentum:0.001&steps=120")
    browser.find("step").click()
    browser.until(lambda: browser.text("count") == "1")
    assert browser.table()["sgd"] == {
        "step": "1",
        "value": format(gg.minimize("ravine", [-5, 1], "sgd", lr=0.001, max_steps=1).value, ".4g"),
        "norm": format(gg.minimize("ravine", [-5, 1], "sgd", lr=0.001, max_steps=1).gradient_norms[-1], ".4g"),
        "verdict": "running",
        "reason": "",
    }
    browser.find("run").click()
    browser.until(lambda: int(browser.text("count")) > 10)
    browser.find("run").click()
    paused = browser.text("count")
    assert 10 < int(paused) < 120
    browser.find("step").click()
    assert int(browser.text("count")) == int(paused) + 1
    browser.find("back").click()
    assert browser.text("count") == "0"
    browser.set("steps", "30")  # a change of the race removes its paths
    assert browser.table() == {}


def test_a_link_restores_the_race(browser, url):
    browser.open(url)
    assert browser.value("surface") == "saddle"
    browser.set("surface", "himmelblau")
    browser.until(lambda: browser.value("start") == "0,-0.5")
    for name, value in {"start": "0.5,3.5", "momentum": "0.5", "noise": "2", "seed": "7", "steps": "40"}.items():
        browser.set(name, value)
    browser.set("rate-momentum", "0.004")
    browser.find("use-sgd").click()
    link = browser.driver.current_url
    assert link == url + (
        "#surface=himmelblau&start=0.5,3.5&optimizer=momentum:0.004,adam:0.5&momentum=0.5&noise=2&seed=7&steps=40"
    )
    browser.find("run").click()
    browser.until_over()
    first = browser.table()
    browser.open(link, still=True)
    names = ("surface", "start", "momentum", "noise", "seed", "steps", "rate-momentum", "rate-adam")
    assert [browser.value(name) for name in names] == [
        "himmelblau", "0.5,3.5", "0.5", "2", "7", "40", "0.004", "0.5",
    ]  # fmt: skip
    browser.run(
        "const count = document.getElementById('count'); window.counts = [];"
        "new MutationObserver(() => counts.push(count.value)).observe(count, {childList: true, characterData: true})"
    )
    browser.find("run").click()
    browser.until_over()
    assert set(browser.run("return counts")) == {"40"}  # at once under reduced motion
    assert browser.table() == first
    assert set(first) == {"momentum", "adam"}
    browser.run("location.hash = '#surface=ravine&optimizer=adam:0.3'")
    browser.until(lambda: browser.value("surface") == "ravine")
    assert browser.value("rate-adam") == "0.3"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 1400])
def test_it_is_readable_in_light_and_dark_and_on_a_phone(browser, url, width, dark):
    browser.open(url + "#surface=ravine&steps=20&optimizer=sgd:9,adagrad-norm,adam", width=width, dark=dark, still=True)
    browser.find("run").click()
    browser.until_over()
    assert browser.run("return document.documentElement.scrollWidth") <= width
    found = browser.run(COLOURS)
    assert len(found) > 30
    poor = [(node, contrast(ink, paper)) for node, ink, paper in found if contrast(ink, paper) < 4.5]
    assert poor == []
    paper = found[0][2]
    assert (sum(paper) < 100) == dark
    # Canvases draw their own colours: the picture has many, and the one at its corner is the page's.
    colours, corner = browser.run(
        "const c = document.getElementById('plane'), d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        "const seen = new Set(); for (let i = 0; i < d.length; i += 4) seen.add(d.slice(i, i + 4).join());"
        "return [seen.size, d[3]]"
    )
    assert colours > 20
    assert corner == 0


def test_errors_are_one_sentence(browser, url):
    browser.open(url + "#surface=ravine&optimizer=sgd:fast")
    browser.find("run").click()
    browser.until(lambda: browser.text("error"))
    assert browser.text("error") == "The rate of sgd is 'fast', expected a learning rate such as 0.1."
    assert browser.text("run") == "Run"
    (refused,) = browser.complaints()  # Chromium reports each answer of 400
    assert "400 (Bad Request)" in refused
    browser.set("rate-sgd", "0.04")
    assert browser.text("error") == ""
    browser.find("use-sgd").click()
    browser.find("run").click()
    browser.until(lambda: browser.text("error"))
    assert browser.text("error") == "Optimizer is '', expected at least one optimizer: adam,sgd for instance."
    assert len(browser.complaints()) == 1
    browser.open(url + "#optimizer=adm")
    browser.until(lambda: browser.text("status"))  # of the usual race, which the page falls back to
    assert browser.text("error").startswith("Unknown optimizer 'adm': choose one of sgd, momentum")
    assert browser.value("surface") == "saddle"


def test_the_page_runs_no_other_script(browser, url):
    browser.open(url)
    assert browser.run(
        "const script = document.createElement('script'); script.textContent = 'window.foreign = 1';"
        "document.body.append(script); return window.foreign"
    ) is None  # fmt: skip
    refused = browser.complaints()
    assert refused
    assert all("Content Security Policy" in complaint for complaint in refused)


def test_another_race_ends_the_one_before(browser, server):
    entered = ",".join(f"{name}:1e-9" for name in gg.optim.NAMES)
    browser.open(f"{server.url}#surface=ackley&noise=0.1&steps=2000&optimizer={entered}")
    browser.find("run").click()
    browser.until(lambda: server._places._value == MOST_WAITING - 1)
    browser.set("surface", "parabola")
    browser.until(lambda: server._places._value == MOST_WAITING)
