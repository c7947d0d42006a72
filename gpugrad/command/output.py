"""Standard output and error of the command: neither a full disk nor a character that one cannot encode stops a run."""

from __future__ import annotations

import os
import sys
from typing import Any


class Output:
    """Text stream that drops everything after a failed write, and keeps the error.

    A reader that ends, as `head` does, is no failure of that kind: it ends the command, as usual.

    Parameters
    ----------
    stream : text file
        The standard output or error.

    Attributes
    ----------
    error : OSError or None
        The error of the first write that failed.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.error: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write text."""
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            raise
        except OSError as error:
            self._give_up(error)
        return len(text)

    def flush(self) -> None:
        """Write what is buffered."""
        try:
            self._stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self.error = self.error or error
        self.drop()

    def drop(self) -> None:
        """Let all further output, and what is buffered, go nowhere."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())


def open_output() -> Output:
    """Make standard output and error `Output`s, which escape what they cannot encode; return standard output.

    A closed one, which is None, goes nowhere.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name) or open(os.devnull, "w")  # noqa: SIM115
        stream.reconfigure(errors="backslashreplace")
        setattr(sys, name, Output(stream))
    return sys.stdout  # type: ignore[return-value]
