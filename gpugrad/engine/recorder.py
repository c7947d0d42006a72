"""Recorder: collects the launches of a step, and the host state that a replay depends on."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Hashable, Iterable
from typing import Any

from .surroundings import Surroundings


class Recorder:
    """Collector of the launches of a step and of the host state that they depend on.

    Parameters
    ----------
    around : Surroundings
        What the step reads around it.

    Attributes
    ----------
    launches : list
        (launch, arrays, scalars) in the order of the calls.
    before_replay, after_replay : list of function
        Actions on the host around a replay.
    """

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self.launches: list[tuple[Any, tuple, dict[str, Any]]] = []
        self.before_replay: list[Callable[[], None]] = []
        self.after_replay: list[Callable[[], None]] = []
        self._requirements: list[Callable[[], bool]] = []
        self._read: list[tuple[Any, str, Any]] = []
        self._written: list[tuple[Any, str]] = []
        self._noted: list[tuple[Any, dict[str, Any]]] = []  # owner, its options before the step
        self._options: list[tuple[Any, Callable[[Any], Any], Any]] = []  # owner, function that reads some, their values
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
            self._read.append((owner, name, getattr(owner, name)))

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

    def read_options(self, owner: Any, names: Iterable[str]) -> None:
        """Note that the step may depend on attributes of an owner, except on those that it changes itself.

        What the code of an owner of the user's reads around it is watched too.

        Parameters
        ----------
        owner : object
            The owner.
        names : iterable of str
            The attributes, or attributes of attributes ("weight.version"), whose values can be compared.
        """
        if self.first((id(owner), "options")):
            self._around.look_into(owner)
            self._noted.append((owner, {name: operator.attrgetter(name)(owner) for name in names}))

    def finish(self) -> None:
        """End the recording: note the values of the attributes that the step set, and of those that it left alone."""
        for owner, name in self._written:
            self.after_replay.append(functools.partial(setattr, owner, name, getattr(owner, name)))
        self._around.forget_changes()  # such as a list that the step appends to
        for owner, before in self._noted:
            kept = [name for name, value in before.items() if _equals(operator.attrgetter(name), owner, value)]
            if kept:
                read = operator.attrgetter(*kept)
                self._options.append((owner, read, read(owner)))

    def valid(self) -> bool:
        """Return whether a replay is valid now.

        Returns
        -------
        bool
            Whether all conditions hold.
        """
        # Before each step: loops cost half as much as a function per condition.
        for owner, name, value in self._read:
            if getattr(owner, name) != value:
                return False
        for owner, read, values in self._options:
            if not _equals(read, owner, values):
                return False
        return all(holds() for holds in self._requirements) and self._around.unchanged()


def _equals(read: Callable[[Any], Any], owner: Any, value: Any) -> bool:
    try:
        return bool(read(owner) == value)
    except AttributeError:
        return False
