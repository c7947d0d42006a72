"""The process of a stage: it prints results as lines of JSON, and is killed with all processes that it started."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

GPU = Path(__file__).parents[1]  # the parent folder of this package
ROOT = GPU.parents[1]
WORK = ("-m", "session.work")
END_SECONDS = 10  # time for a killed process to end; a process blocked in the driver is abandoned
OUTPUT = 4000  # characters kept of a process's output
Found = dict[str, Any]

_running: set[Child] = set()


class Late(Exception):
    """A process returned nothing before its time was up."""


class Child:
    """work.py in its own process group, with its results and the end of its other output."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        self._output = tempfile.TemporaryFile()  # noqa: SIM115  (closed by end)
        paths = [str(GPU), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = subprocess.Popen(
            [sys.executable, *WORK, *arguments],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._output,
            text=True,
            start_new_session=True,
        )
        _running.add(self)
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._lines.put(line)
        self._lines.put(None)

    def next(self, until: float) -> Found | None:
        """Return the next result, None after the end; raise Late at `until`, in seconds of time.monotonic()."""
        try:
            line = self._lines.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            raise Late from None
        return None if line is None else json.loads(line)

    def found(self, until: float) -> Iterator[Found]:
        """Yield all results; raise Late at `until`."""
        while (line := self.next(until)) is not None:
            yield line

    def code(self) -> int | None:
        """Wait for the end; return the exit code, minus the signal that ended it, or None if it does not end."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(END_SECONDS)
        return None

    def output(self) -> str:
        """Return the end of the output, without the names of this machine's folders."""
        size = self._output.seek(0, os.SEEK_END)
        self._output.seek(max(0, size - OUTPUT))
        text = self._output.read().decode(errors="replace").strip()
        for folder, name in ((ROOT, "."), (sys.prefix, "<python>"), (sys.base_prefix, "<python>")):
            text = text.replace(str(folder), name)
        return text

    def last_words(self) -> str:
        """Return one line with the exit code and the last line of output."""
        return f"ended with code {self.code()}: {(self.output().splitlines() or ['no output'])[-1]}"

    def end(self) -> None:
        """Kill the process group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self.code()
        self._output.close()
        _running.discard(self)


@contextlib.contextmanager
def child(*arguments: str, environment: Mapping[str, str] | None = None) -> Iterator[Child]:
    """Run a process for the duration of the block."""
    made = Child(arguments, environment or {})
    try:
        yield made
    finally:
        made.end()


def end_all() -> None:
    """End all running processes, including those that a signal kept from ending with their block."""
    for made in list(_running):
        made.end()
