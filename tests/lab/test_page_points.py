"""What the page shows besides a race: formulas, points of the lecture, the relief, and all of it on a phone."""

from __future__ import annotations

import time

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import optim
from gpugrad.lab import surface
from gpugrad.lab.own_function import OWN, own_function
from gpugrad.lab.points import POINTS
from gpugrad.lab.race import entrants, race
from gpugrad.lab.verdict import words

# What the sentences of the points claim: (point, changes to its race) → verdicts in words.
CLAIMS = [
    ("1", {}, ["converged"]),
    ("1", {"start": "-0.5,0"}, ["converged"]),
    ("2", {}, ["converged"]),
    ("3", {}, ["still oscillating"]),
    ("3", {"optimizer": "sgd:0.1"}, ["converged"]),
    ("3", {"optimizer": "sgd:0.01"}, ["not there yet"]),
    ("3", {"optimizer": "sgd:100"}, ["left the view after 1 step"]),
    ("4", {}, ["stuck at a saddle"]),
    ("4", {"start": "0.3,1.2"}, ["converged"]),
    ("5", {}, ["still falling", "not there yet"]),
    ("6", {}, ["still"]),
    ("7", {}, ["left the view"]),
    ("7", {"noise": "0"}, ["stuck at a saddle"]),
    ("8", {}, ["converged", "converged"]),
    ("9", {}, ["left the view after 1 step", "converged"]),
    ("10", {}, ["left the view"] * 7),
    ("11", {}, ["not there yet", "still falling", "converged"]),
]


def run(key, changes):
    """Return the surface and the paths of a point of the lecture."""
    fields = {**POINTS[key].race, **changes}
    start = [float(part) for part in fields["start"].split(",")]
    f = surface(fields["surface"]) if fields["surface"] != OWN else None
    if f is None:
        left, right, low, high = map(float, fields["view"].split(","))
        f = own_function(fields["f"], start, ((left, right), (low, high)))
    options = {"noise": float(fields.get("noise", 0)), "max_steps": int(fields["steps"])}
    momentum = float(fields.get("momentum", 0.9))
    return f, race(f, [start], entrants(fields["optimizer"], None, f), momentum=momentum, **options)


@pytest.mark.parametrize(("key", "changes", "wanted"), CLAIMS)
def test_a_point_shows_what_it_says(key, changes, wanted):
    f, paths = run(key, changes)
    said = [words(path, f.bounds) for path in paths]
    if key in ("5", "11"):
        assert said[0].startswith(tuple(wanted))
    else:
        assert all(text.startswith(start) for text, start in zip(said, wanted, strict=True)), said


def test_the_numbers_in_the_points():
    assert run("1", {})[1][0].x == pytest.approx([2, 0], abs=1e-3)
    assert run("1", {"start": "-0.5,0"})[1][0].x == pytest.approx([-1, 0], abs=1e-3)
    assert run("11", {})[1][0].gradient_norms[0] == pytest.approx(7.3125)
    saddle, paths = run("10", {})
    left = {path.optimizer: int(words(path, saddle.bounds).split()[-2]) for path in paths}
    order = sorted(left, key=left.__getitem__)
    assert (order[:2], order[-1]) == (["adadelta", "adam"], "sgd")
    sgd, momentum = run("8", {})[1]
    assert momentum.steps < sgd.steps / 3
    slower = run("6", {"optimizer": "sgd:0.01"})[1][0]
    rest = [np.linalg.norm(path.points[-50:], axis=1).mean() for path in (run("6", {})[1][0], slower)]
    assert rest[1] < rest[0]


def test_there_is_a_point_for_each_of_the_lecture():
    assert list(POINTS) == [str(k) for k in range(1, 12)]
    assert all(point.title.startswith(f"{key}. ") for key, point in POINTS.items())


def test_words():
    saddle = surface("saddle")
    path = gg.minimize(saddle, [-1, 0.1], lr=0.05, max_steps=200)
    after = int(words(path, saddle.bounds).split()[-2])
    assert words(path, saddle.bounds) == f"left the view after {after} steps"
    inside = np.abs(path.points).max(axis=1) <= 1.2
    assert inside[after - 1]
    assert not inside[after:].any()
    assert words(path) == "still falling after 200 steps"
    assert words(gg.minimize("parabola", [1, 1], lr=0.1)) == "converged after 67 steps"
    assert words(gg.minimize("parabola", [1, 1], lr=1.0, max_steps=30)) == "still oscillating after 30 steps"
    assert words(gg.minimize("parabola", [1, 1], lr=0.5, max_steps=9)) == "converged after 1 step"


# ---- in the browser ----


def test_a_point_of_the_lecture_is_one_choice(browser, url):
    browser.open(url, still=True)
    browser.set("point", "8. Momentum")
    browser.until(lambda: browser.value("surface") == "ravine")
    assert browser.text("watch") == POINTS["8"].watch
    assert [browser.value(name) for name in ("start", "momentum", "steps", "rate-sgd")] == [
        "-5,1",
        "0.6",
        "500",
        "0.048",
    ]
    assert "&point=8" in browser.driver.current_url
    browser.find("run").click()
    browser.until_over()
    assert browser.table()["momentum"]["verdict"] == "converged after 84 steps"
    browser.open(browser.driver.current_url)
    assert (browser.value("point"), browser.text("watch")) == ("8", POINTS["8"].watch)
    browser.open(url + "#point=11")
    assert browser.value("f") == POINTS["11"].race["f"]
    browser.set("surface", "beale")
    browser.until(lambda: browser.text("equation").startswith("f(x, y) = (1.5 − x"))
    assert (browser.value("point"), browser.text("watch")) == ("", "")


def test_formulas_are_shown(browser, url):
    browser.open(url + "#surface=rosenbrock")
    assert browser.text("equation") == "f(x, y) = (1 − x)² + 100(y − x²)²"
    browser.driver.find_element("css selector", "summary").click()
    terms, formulas = browser.run(
        "const text = (tag) => [...document.querySelectorAll(tag)].map((node) => node.innerText);"
        "return [text('dt'), text('dd')]"
    )
    assert terms == list(optim.NAMES)
    assert formulas[0] == "p ← p − η·g"
    assert all(formulas)


def test_an_own_function_begins_as_the_surface_on_display(browser, url):
    browser.open(url + "#surface=himmelblau&start=1,1")
    assert not browser.find("f").is_displayed()
    browser.set("surface", OWN)
    browser.until(lambda: browser.find("f").is_displayed())
    assert browser.value("f") == surface("himmelblau").formula
    assert (browser.value("view"), browser.value("start")) == ("-5,5,-5,5", "1,1")
    browser.set("f", "x**2 + y**2 +")
    browser.until(lambda: browser.text("error"))
    assert browser.text("error").startswith("The function has a mistake at character 13: use numbers")
    assert len(browser.complaints()) == 1  # Chromium reports the answer of 400
    browser.set("f", "x**2 + y**2 + x*y")
    browser.until(lambda: browser.text("error") == "")
    assert browser.text("equation") == ""  # the field shows it
    browser.set("view", "-2,2,-2,2")
    browser.until(lambda: "view=-2,2,-2,2" in browser.driver.current_url)
    link = browser.driver.current_url
    browser.open(link)
    assert [browser.value(name) for name in ("f", "view", "start")] == ["x**2 + y**2 + x*y", "-2,2,-2,2", "1,1"]
    assert browser.driver.current_url == link


PICTURE = """
const c = document.getElementById("plane"), copy = new OffscreenCanvas(c.width, c.height);
const pen = copy.getContext("2d", { willReadFrequently: true });
pen.drawImage(c, 0, 0);
const d = pen.getImageData(0, 0, c.width, c.height).data;
let hash = 0;
const seen = new Set();
for (let i = 0; i < d.length; i += 4) {
  hash = (Math.imul(hash, 31) + d[i] * 65536 + d[i + 1] * 256 + d[i + 2]) | 0;
  seen.add(d.slice(i, i + 3).join());
}
return [hash, seen.size];
"""


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_relief_turns_by_keys_and_by_the_mouse(browser, url, dark):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    browser.open(url + "#surface=himmelblau&optimizer=sgd,adam&steps=60", still=True, dark=dark)
    browser.find("run").click()
    browser.until_over()
    before, _ = browser.run(PICTURE)
    button = browser.find("relief")
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    relief, colours = browser.run(PICTURE)
    assert relief != before
    assert colours > 200  # shades of the facets
    assert "&relief=1" in browser.driver.current_url
    assert "turn" in browser.text("keys")
    start = browser.value("start")
    browser.run("document.getElementById('plane').focus()")
    browser.press(Keys.ARROW_LEFT, Keys.ARROW_UP)
    browser.until(lambda: browser.run(PICTURE)[0] != relief)
    time.sleep(0.5)  # at rest it is drawn again, finely
    turned, _ = browser.run(PICTURE)
    plane = browser.find("plane")
    ActionChains(browser.driver).move_to_element(plane).click_and_hold().move_by_offset(60, 20).release().perform()
    browser.until(lambda: browser.run(PICTURE)[0] != turned)
    dragged, _ = browser.run(PICTURE)
    assert len({before, relief, turned, dragged}) == 4
    assert browser.value("start") == start  # neither keys nor a drag move it
    browser.open(browser.driver.current_url, still=True, dark=dark)
    assert browser.find("relief").get_attribute("aria-pressed") == "true"
    browser.find("relief").click()
    assert "relief" not in browser.driver.current_url


@pytest.mark.parametrize("link", ["#point=10", "#point=11&relief=1"])
def test_on_a_phone_the_result_comes_first_and_fingers_find_every_field(browser, url, link):
    browser.open(url + link, width=390, height=844, still=True)
    browser.find("run").click()
    browser.until_over()
    assert browser.run("return document.documentElement.scrollWidth") <= 390
    tops = browser.run(
        "return ['#plane', '#status', 'table', '#surface', '#optimizers', '#momentum'].map("
        "(name) => document.querySelector(name).getBoundingClientRect().top + scrollY)"
    )
    assert tops == sorted(tops)
    assert tops[0] < 250
    small = browser.run(
        "return [...document.querySelectorAll('button, select, input, summary')].filter((node) => node.offsetParent)"
        ".map((node) => [node.id || node.tagName, node.type === 'checkbox' ? node.parentElement : node])"
        ".filter(([, node]) => node.getBoundingClientRect().height < 40 || node.getBoundingClientRect().width < 40)"
        ".map(([name]) => name)"
    )
    assert small == []
