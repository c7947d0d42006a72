"""LaunchLog: the launches of a toolchain, for tools that list the kernels and template instances in use."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Generic, TypeVar

Launch = TypeVar("Launch")


class LaunchLog(Generic[Launch]):
    """Collects the launches of one toolchain for its listeners.

    Attributes
    ----------
    dry : bool
        Whether launches are collected but not run.
    """

    def __init__(self) -> None:
        self.dry = False
        self._listeners: list[list[Launch]] = []

    @property
    def listening(self) -> bool:
        """Whether any block collects launches."""
        return bool(self._listeners)

    def note(self, launch: Launch) -> None:
        """Add a launch to the list of every listener.

        Parameters
        ----------
        launch : Launch
            The launch.
        """
        for seen in self._listeners:
            seen.append(launch)

    @contextlib.contextmanager
    def launches(self) -> Iterator[list[Launch]]:
        """Within the block, collect every launch.

        Yields
        ------
        list
            The launches so far.
        """
        seen: list[Launch] = []
        self._listeners.append(seen)
        try:
            yield seen
        finally:
            # By identity: another list may hold equal launches.
            self._listeners = [other for other in self._listeners if other is not seen]

    @contextlib.contextmanager
    def dry_run(self) -> Iterator[list[Launch]]:
        """Within the block, check and collect every launch, but run none.

        Yields
        ------
        list
            The launches so far.
        """
        before, self.dry = self.dry, True
        try:
            with self.launches() as seen:
                yield seen
        finally:
            self.dry = before
