"""Random numbers: one generator on the host for initial weights, one per device for dropout, which counts."""

from __future__ import annotations

import operator
import os
from typing import Any

import numpy as np

from ..errors import ArgumentError
from .device import Device

_host = np.random.default_rng()
_defaults: dict[Device, Generator] = {}


class Generator:
    """State of the counter-based generator Philox4x32-10 on a device: a seed and a count of draws.

    The count is stored on the device, so that a replayed recording draws new numbers. The numbers depend on seed and
    count alone: they are the same on every device.

    Parameters
    ----------
    seed : int
        The seed, in [0, 2**63).
    device : Device
        The device.

    Attributes
    ----------
    seed : int
        The seed.
    calls : array, (1,)
        Number of draws so far, int64, on the device.
    """

    def __init__(self, seed: int, device: Device) -> None:
        self.seed = check_seed(seed)
        self.device = device
        self.calls: Any = device.empty(1, np.int64)
        self.set_calls(0)

    def __repr__(self) -> str:
        return f"Generator(seed={self.seed}, {self.get_calls()} draws on {self.device.name})"

    def get_calls(self) -> int:
        """Return the number of draws so far.

        Returns
        -------
        int
            The count.
        """
        return int(self.device.download(self.calls)[0])

    def set_calls(self, calls: int) -> None:
        """Set the number of draws so far.

        Parameters
        ----------
        calls : int
            The count.
        """
        self.device.write(self.calls, calls)

    def to(self, device: Device) -> None:
        """Move to another device, with the count.

        Parameters
        ----------
        device : Device
            The device.
        """
        if device is not self.device:
            calls = self.get_calls()
            self.device, self.calls = device, device.empty(1, np.int64)
            self.set_calls(calls)


def check_seed(seed: int) -> int:
    """Return a seed as an int.

    Parameters
    ----------
    seed : int
        An integer in [0, 2**63).

    Returns
    -------
    int
        The seed.

    Raises
    ------
    ArgumentError
        If it is anything else.
    """
    try:
        value = operator.index(seed)
    except TypeError:
        value = -1
    if not 0 <= value < 2**63:
        raise ArgumentError(f"seed is {seed!r}, expected an integer in [0, 2**63)")
    return value


def manual_seed(seed: int) -> None:
    """Seed everything without a seed: initial weights, `randn`, and dropout outside a Trainer.

    Parameters
    ----------
    seed : int
        An integer in [0, 2**63).

    Raises
    ------
    ArgumentError
        If the seed is anything else.
    """
    global _host
    seed = check_seed(seed)
    _host = np.random.default_rng(seed)
    for generator in _defaults.values():
        generator.seed = seed
        generator.set_calls(0)
    _seed_of_new[0] = seed


def _renew_host() -> None:
    """Continue the host's generator without its lock, which another thread may hold, in the child of a fork."""
    global _host
    old = _host.bit_generator
    new = type(old)()
    new.state = old.state
    _host = np.random.Generator(new)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_host)

_seed_of_new: list[int | None] = [None]


def host_generator(seed: int | np.random.Generator | None = None) -> np.random.Generator:
    """Return the generator of initial weights.

    Parameters
    ----------
    seed : int or numpy.random.Generator, optional
        By default the generator that `manual_seed` seeds.

    Returns
    -------
    numpy.random.Generator
        The generator.
    """
    if isinstance(seed, np.random.Generator):
        return seed
    return _host if seed is None else np.random.default_rng(check_seed(seed))


def default_generator(device: Device) -> Generator:
    """Return the generator that dropout uses on a device unless it is given another.

    Parameters
    ----------
    device : Device
        The device.

    Returns
    -------
    Generator
        The generator.
    """
    if device not in _defaults:
        seed = _seed_of_new[0]
        _defaults[device] = Generator(int(_host.integers(2**63)) if seed is None else seed, device)
    return _defaults[device]
