"""Recorder: collects the launches of a step, and the host state that a replay depends on."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from typing import Any


class Recorder:
    """Collector of the launches of a step and of the host state that they depend on.

    Attributes
    ----------
    launches : list
        (launch, arrays, scalars) in the order of the calls.
    before_replay, after_replay : list of function
        Actions on the host around a replay.
    """

    def __init__(self) -> None:
        self.launches: list[tuple[Any, tuple, dict[str, Any]]] = []
        self.before_replay: list[Callable[[], None]] = []
        self.after_replay: list[Callable[[], None]] = []
        self._requirements: list[Callable[[], bool]] = []
        self._written: list[tuple[Any, str]] = []
        self._seen: set[Hashable] = set()

    def __call__(self, launch: Any, arrays: tuple, scalars: dict[str, Any]) -> None:
        self.launches.append((launch, arrays, scalars))

    def first(self, key: Hashable) -> bool:
        """Return whether this is the first call with this key in this recording.

        Parameters
        ----------
        key : hashable
            The key.

        Returns
        -------
        bool
            Whether the key is new.
        """
        new = key not in self._seen
        self._seen.add(key)
        return new

    def require(self, holds: Callable[[], bool]) -> None:
        """Allow a replay only while a condition holds; otherwise the step is recorded again.

        Parameters
        ----------
        holds : function
            Returns whether the condition holds.
        """
        self._requirements.append(holds)

    def read_attribute(self, owner: Any, name: str) -> None:
        """Note that the step depends on the value that `owner.name` has before the step.

        Parameters
        ----------
        owner : object
            The owner.
        name : str
            The attribute.
        """
        if self.first((id(owner), name)):
            value = getattr(owner, name)
            self.require(lambda: getattr(owner, name) == value)

    def write_attribute(self, owner: Any, name: str) -> None:
        """Note that the step sets `owner.name`, so that a replay sets it too.

        Parameters
        ----------
        owner : object
            The owner.
        name : str
            The attribute.
        """
        self.first((id(owner), name))
        if self.first((id(owner), name, "written")):
            self._written.append((owner, name))

    def finish(self) -> None:
        """End the recording: note the values of the attributes that the step set."""
        for owner, name in self._written:
            self.after_replay.append(functools.partial(setattr, owner, name, getattr(owner, name)))

    def valid(self) -> bool:
        """Return whether a replay is valid now.

        Returns
        -------
        bool
            Whether all conditions hold.
        """
        return all(holds() for holds in self._requirements)
