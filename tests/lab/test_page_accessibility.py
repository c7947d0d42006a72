"""The page against axe-core: no serious or critical finding in light and dark, on a phone, and after an error."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

AXE = "axe-core@4.14.1"
FETCHED = 30  # seconds
RUN = """
const done = arguments[arguments.length - 1];
axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => done(violations
  .filter(({ impact }) => ["serious", "critical"].includes(impact))
  .map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 90)).join(" | ")}`)));
"""
# Link, width, dark, and the error that the page must show after the run.
VISITS = {
    "light": ("#surface=ravine&steps=20&optimizer=sgd:9,adagrad-norm,adam", 1200, False, ""),
    "dark": ("#surface=ravine&steps=20&optimizer=sgd:9,adam&point=8", 1200, True, ""),
    "phone": ("#point=10", 390, False, ""),
    "phone, dark, relief": ("#point=1&relief=1", 390, True, ""),
    "own function": ("#surface=own+function&f=x**2%2B3*sin(y)", 1200, False, ""),
    "error": ("#surface=ravine&optimizer=sgd:fast", 1200, True, "The rate of sgd is 'fast'"),
}


@pytest.fixture(scope="session")
def axe(request, tmp_path_factory):
    """Return the source of axe-core: from the file $GPUGRAD_AXE, or fetched once by npm."""
    given = os.environ.get("GPUGRAD_AXE")
    if given:
        return Path(given).read_text("utf-8")
    file = request.config.cache.mkdir("axe-core") / f"{AXE}.min.js"
    if not file.exists():
        remedy = "set GPUGRAD_AXE to the file axe.min.js"
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip(f"axe-core is not here: install npm, or {remedy}")
        folder = tmp_path_factory.mktemp("axe")
        command = [npm, "pack", AXE, "--silent", "--fetch-retries=0"]
        try:
            packed = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=FETCHED)
        except subprocess.TimeoutExpired:
            pytest.skip(f"npm did not fetch {AXE} within {FETCHED} s: {remedy}")
        if packed.returncode:
            pytest.skip(f"npm cannot fetch {AXE}: {remedy}")
        with tarfile.open(folder / packed.stdout.split()[-1]) as content:
            content.extract("package/axe.min.js", folder, filter="data")
        whole = file.with_suffix(f".{os.getpid()}")  # another worker may do the same
        shutil.copy(folder / "package" / "axe.min.js", whole)
        whole.replace(file)
    return file.read_text("utf-8")


def findings(browser, axe):
    browser.driver.set_script_timeout(60)
    browser.run(axe)
    return browser.driver.execute_async_script(RUN)


@pytest.mark.slow
@pytest.mark.parametrize("visit", VISITS)
def test_no_serious_finding(browser, url, axe, visit):
    link, width, dark, error = VISITS[visit]
    browser.open(url + link, width=width, dark=dark, still=True)
    browser.driver.find_element("css selector", "summary").click()
    browser.find("run").click()
    if error:
        browser.until(lambda: browser.text("error"))
        assert browser.text("error").startswith(error)
        assert len(browser.complaints()) == 1  # Chromium reports the answer of 400
    else:
        browser.until_over()
    assert findings(browser, axe) == []


@pytest.mark.slow
def test_a_planted_fault_is_found(browser, url, axe):
    browser.open(url)
    browser.run("document.getElementById('start').parentElement.replaceWith(document.getElementById('start'))")
    assert any(finding.startswith("label: ") for finding in findings(browser, axe))
