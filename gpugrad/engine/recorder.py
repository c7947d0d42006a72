"""Recorder: what a step says, while it is recorded, of the launches and the host state that a replay depends on."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from typing import Any


class Recorder:
    """Collects what one run of a step launches, and on which state of the host that depended.

    Attributes: `launches` as they were made; `before_replay` and `after_replay`, actions on the host around a replay.
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
        """True the first time it is called with this key in this recording."""
        new = key not in self._seen
        self._seen.add(key)
        return new

    def require(self, holds: Callable[[], bool]) -> None:
        """A replay is only valid while `holds()` is true before it; otherwise the step is recorded anew."""
        self._requirements.append(holds)

    def read_attribute(self, owner: Any, name: str) -> None:
        """The step depends on `owner.name` as it is before the step: a replay needs the same value."""
        if self.first((id(owner), name)):
            value = getattr(owner, name)
            self.require(lambda: getattr(owner, name) == value)

    def write_attribute(self, owner: Any, name: str) -> None:
        """The step sets `owner.name`: a replay leaves it as the step did."""
        self.first((id(owner), name))
        if self.first((id(owner), name, "written")):
            self._written.append((owner, name))

    def finish(self) -> None:
        """The step is over: note what it leaves in the attributes that it wrote."""
        for owner, name in self._written:
            self.after_replay.append(functools.partial(setattr, owner, name, getattr(owner, name)))

    def valid(self) -> bool:
        return all(holds() for holds in self._requirements)
