"""A plugin of pytest that says how many tests there are, and how each one ended, as it ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

TRACEBACK = 2000  # characters of a failed test's that are kept


class Reporter:
    """Calls `say` with collected=…, or with test=…, outcome=… and why=…, and for a failed one traceback=…"""

    def __init__(self, say: Callable[..., None]) -> None:
        self._say = say

    def pytest_collection_finish(self, session: Any) -> None:
        if session.items:
            self._say(collected=len(session.items))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        self._say(collected=len(ids))

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self._fail(report)

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self._fail(report)
        elif report.skipped:
            why = report.longrepr[-1] if isinstance(report.longrepr, tuple) else "it is expected to fail"
            self._say(test=report.nodeid, outcome="skipped", why=why.removeprefix("Skipped: "))
        elif report.when == "call":
            self._say(test=report.nodeid, outcome="passed", why="")

    def _fail(self, report: Any) -> None:
        text = report.longreprtext
        crash = getattr(report.longrepr, "reprcrash", None)
        why = (crash.message if crash else text).strip().splitlines() or ["it said nothing"]
        self._say(test=report.nodeid, outcome="failed", why=why[0], traceback=text[-TRACEBACK:])
