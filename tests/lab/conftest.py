"""Browser for the tests of the page: headless Chromium, driven by Selenium."""

from __future__ import annotations

import shutil
import threading
import time

import pytest

from gpugrad.lab.serve import PageServer

WAIT = 15  # seconds for anything to happen


class Browser:
    """A page in Chromium, with the actions of tests."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, url, *, width=1200, height=900, dark=False, still=False):
        """Open a page in a window of this size; wait until it has drawn its surface."""
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if still else "no-preference"},
        ]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        self.driver.get("about:blank")
        self.driver.get(url)
        self.until(lambda: self.text("status") or self.text("error"))

    def find(self, name):
        return self.driver.find_element("id", name)

    def text(self, name):
        return self.run("return document.getElementById(arguments[0]).textContent", name)

    def value(self, name):
        return self.run("return document.getElementById(arguments[0]).value", name)

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def set(self, name, value):
        """Type a value into a field, or choose it from a list."""
        from selenium.webdriver.common.keys import Keys

        field = self.find(name)
        if field.tag_name == "select":
            field.find_element("xpath", f"option[.='{value}']").click()
        else:
            field.send_keys(Keys.CONTROL, "a")  # clear() would be a change of its own
            field.send_keys(value, "\t")

    def press(self, *keys):
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def click_at(self, x, y):
        """Click on the saddle's picture at a point: it is a square with sides of 2.4 around the origin."""
        from selenium.webdriver import ActionChains

        plane = self.find("plane")
        self.run("arguments[0].scrollIntoView({block: 'center'})", plane)
        width, height = plane.size["width"], plane.size["height"]
        side, top, left = height - 50, 8, 52  # axes take the rest
        across = left + (width - left - 10) / 2 + x / 2.4 * side - width / 2
        down = top + side / 2 - y / 2.4 * side - height / 2
        ActionChains(self.driver).move_to_element_with_offset(plane, round(across), round(down)).click().perform()

    def until(self, condition):
        end = time.monotonic() + WAIT
        while not condition():
            assert time.monotonic() < end, f"waited in vain: {self.text('status')!r}, {self.text('error')!r}"
            time.sleep(0.02)

    def until_over(self):
        self.until(lambda: self.text("status").startswith("Finished."))

    def table(self):
        """Return {optimizer: texts of its cells} of the table."""
        bodies = self.run(
            "return [...document.querySelectorAll('tbody')].map("
            "body => [...body.querySelectorAll('th, tr:first-child td, b, span')].map(cell => cell.textContent))"
        )
        names = ("step", "value", "norm", "verdict", "reason")
        return {head.split(",")[0]: dict(zip(names, cells, strict=True)) for head, *cells in bodies}

    def complaints(self):
        """Return the warnings and errors of the console since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] in ("WARNING", "SEVERE")]


@pytest.fixture(scope="module")
def server():
    """Provide a server of the page."""
    with PageServer(port=0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def url(server):
    """Return the address of the server."""
    return server.url


@pytest.fixture(scope="session")
def chromium():
    """Provide one Chromium per session; skip tests without Chromium or Selenium."""
    webdriver = pytest.importorskip(
        "selenium.webdriver", reason='Selenium is not installed: pip install "gpugrad[test]"'
    )
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    service = shutil.which("chromedriver")
    if program is None or service is None:
        pytest.skip("Chromium or its driver is not installed: on Debian apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for option in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(service))
    yield driver
    driver.quit()


@pytest.fixture
def browser(chromium):
    """Provide the browser; a test fails if it leaves errors or warnings in the console."""
    made = Browser(chromium)
    made.complaints()
    yield made
    assert made.complaints() == []
