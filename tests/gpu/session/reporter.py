"""A pytest plugin that reports the number of tests and the outcome of each one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

TRACEBACK = 2000  # characters kept of a failed test's traceback


class Reporter:
    """Calls `emit` with collected=…, or with test=…, outcome=…, why=…, and traceback=… for a failed test."""

    def __init__(self, emit: Callable[..., None]) -> None:
        self._emit = emit

    def pytest_collection_finish(self, session: Any) -> None:
        if session.items:
            self._emit(collected=len(session.items))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        self._emit(collected=len(ids))

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self._fail(report)

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self._fail(report)
        elif report.skipped:
            why = report.longrepr[-1] if isinstance(report.longrepr, tuple) else "expected to fail"
            self._emit(test=report.nodeid, outcome="skipped", why=why.removeprefix("Skipped: "))
        elif report.when == "call":
            self._emit(test=report.nodeid, outcome="passed", why="")

    def _fail(self, report: Any) -> None:
        text = report.longreprtext
        crash = getattr(report.longrepr, "reprcrash", None)
        why = (crash.message if crash else text).strip().splitlines() or ["no message"]
        self._emit(test=report.nodeid, outcome="failed", why=why[0], traceback=text[-TRACEBACK:])
