"""Which launches take place: what tools read to know which kernels and template instances there are."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Generic, TypeVar

Launch = TypeVar("Launch")


class LaunchLog(Generic[Launch]):
    """The launches of one toolchain, for whoever listens. `dry`: launches are noted and not carried out."""

    def __init__(self) -> None:
        self.dry = False
        self._listeners: list[list[Launch]] = []

    @property
    def listening(self) -> bool:
        return bool(self._listeners)

    def note(self, launch: Launch) -> None:
        for seen in self._listeners:
            seen.append(launch)

    @contextlib.contextmanager
    def launches(self) -> Iterator[list[Launch]]:
        """Within the block, collect every launch in the list."""
        seen: list[Launch] = []
        self._listeners.append(seen)
        try:
            yield seen
        finally:
            # By identity: another list may hold the same launches.
            self._listeners = [other for other in self._listeners if other is not seen]

    @contextlib.contextmanager
    def dry_run(self) -> Iterator[list[Launch]]:
        """Within the block, collect every launch in the list, its arguments checked, and carry none out."""
        before, self.dry = self.dry, True
        try:
            with self.launches() as seen:
                yield seen
        finally:
            self.dry = before
