"""Random numbers: one generator on the host for initial weights, counter-based ones on the devices for dropout."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..errors import ArgumentError
from .device import Device

_host = np.random.default_rng()
_defaults: dict[Device, Generator] = {}


class Generator:
    """The state of the counter-based Philox4x32-10 on a device: a seed, and how many times it was drawn from.

    The count lives on the device, so that a replayed recording draws new numbers; the numbers depend on seed and count
    alone, so they are the same on every device. Attributes: `seed`, `calls` (a device array (1,) int64).
    """

    def __init__(self, seed: int, device: Device) -> None:
        self.seed = check_seed(seed)
        self.device = device
        self.calls: Any = device.empty(1, np.int64)
        self.set_calls(0)

    def get_calls(self) -> int:
        """How many times it was drawn from."""
        return int(self.device.download(self.calls)[0])

    def set_calls(self, calls: int) -> None:
        self.device.write(self.calls, calls)

    def to(self, device: Device) -> None:
        if device is not self.device:
            calls = self.get_calls()
            self.device, self.calls = device, device.empty(1, np.int64)
            self.set_calls(calls)


def check_seed(seed: int) -> int:
    """Return the seed as an int; raise ArgumentError unless it is an integer in [0, 2**63)."""
    try:
        value = operator.index(seed)
    except TypeError:
        value = -1
    if not 0 <= value < 2**63:
        raise ArgumentError(f"seed is {seed!r}, expected an integer in [0, 2**63)")
    return value


def manual_seed(seed: int) -> None:
    """Seed everything that has no seed of its own: initial weights, and dropout outside a Trainer."""
    global _host
    seed = check_seed(seed)
    _host = np.random.default_rng(seed)
    for generator in _defaults.values():
        generator.seed = seed
        generator.set_calls(0)
    _seed_of_new[0] = seed


_seed_of_new: list[int | None] = [None]


def host_generator(seed: int | np.random.Generator | None = None) -> np.random.Generator:
    """The generator of initial weights: of this seed, or the one that `manual_seed` seeds."""
    if isinstance(seed, np.random.Generator):
        return seed
    return _host if seed is None else np.random.default_rng(check_seed(seed))


def default_generator(device: Device) -> Generator:
    """The generator of a device that dropout uses unless it is given another."""
    if device not in _defaults:
        seed = _seed_of_new[0]
        _defaults[device] = Generator(int(_host.integers(2**63)) if seed is None else seed, device)
    return _defaults[device]
