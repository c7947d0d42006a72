"""The machine's limits, measured in the same run as the kernels: copies and large matrix products."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ...engine.device import Device
from ...engine.version import installed_version
from ...kernels.contract import Cost
from .machine import usable_cores
from .timing import Budget, Timing, repeat, sampler

SMALLEST_COPY = 1 << 20  # bytes read and written; a smaller copy mostly measures its launch
LARGEST_COPY = 1 << 29  # bytes read and written; larger than every cache
PRODUCT_SIDE = {"cpu": 2048, "cuda": 8192}


@dataclass(frozen=True)
class Ceiling:
    """A measured limit: bytes/s of a copy of `size` bytes, or operations/s of a product of `size` × `size` matrices."""

    name: str  # "copy", or the precision of a product
    size: int
    cache: str  # "hot" or "cold"
    rate: float
    timing: Timing


class Ceilings:
    """The limits of a device, each measured at its first use."""

    def __init__(self, device: Device, budget: Budget) -> None:
        self._device = device
        self._budget = budget
        self._found: dict[tuple, Ceiling | None] = {}

    def copy(self, size: int, *, cold: bool = False) -> Ceiling:
        """Return the limit of a copy that reads and writes about `size` bytes in total."""
        size = min(max(1 << math.ceil(math.log2(max(size, 1))), SMALLEST_COPY), LARGEST_COPY)
        found = self._get("copy", size, cold)
        assert found is not None
        return found

    def product(self, precision: str) -> Ceiling | None:
        """Return the limit of a large product by the machine's library; None if none supports the precision."""
        return self._get(precision, PRODUCT_SIDE[self._device.kind], False)

    def measure_again(self) -> None:
        """Measure all limits again and keep the faster ones: another program may have slowed the first down."""
        for key, before in self._found.items():
            after = self._measure(*key) if before else None
            if before and after and after.rate > before.rate:
                self._found[key] = after

    def _get(self, *key: Any) -> Ceiling | None:
        if key not in self._found:
            self._found[key] = self._measure(*key)
        return self._found[key]

    def _measure(self, name: str, size: int, cold: bool) -> Ceiling | None:
        if name == "copy":
            timing = self._copy(size // 2, cold)
            return Ceiling("copy", size, "cold" if cold else "hot", size / timing.median, timing)
        call = _product(self._device, size, name)
        if call is None:
            return None
        timing = repeat(sampler(self._device, call, captured=False), self._budget)
        return Ceiling(name, size, "hot", 2 * size**3 / timing.median, timing)

    def share(self, cost: Cost, seconds: float, precision: str, *, cold: bool = False) -> tuple[str, float | None]:
        """Return what limits a launch, "memory" or "arithmetic", and the fraction of that limit it reaches.

        The limit is the longer of the times of a copy of as many bytes and a product of as many operations. The
        fraction is None if the product cannot be measured here.
        """
        memory = cost.bytes / self.copy(cost.bytes, cold=cold).rate
        product = self.product(precision)
        arithmetic = cost.operations / product.rate if product else 0.0
        if product is None and precision != "float32":
            return "arithmetic", None
        limit, time = max(("memory", memory), ("arithmetic", arithmetic), key=lambda pair: pair[1])
        return limit, time / seconds

    def records(self) -> list[dict[str, Any]]:
        """Return JSON-able rows of all measured limits."""
        return [asdict(ceiling) for ceiling in self._found.values() if ceiling]

    def _copy(self, size: int, cold: bool) -> Timing:
        """Time the fastest way to copy: on a CPU one core, the kernels' team of threads, or a thread pool."""
        source, target = self._device.zeros(size, np.uint8), self._device.zeros(size, np.uint8)
        source.fill(1)  # unwritten memory maps to one page of zeros, which stays in the cache
        copyto = self._device.xp.copyto
        ways = [repeat(sampler(self._device, lambda: copyto(target, source), cold=cold), self._budget)]
        if self._device.kind == "cpu" and usable_cores() > 1:
            from .copying import copy_by_the_team

            words = source.view(np.float32), target.view(np.float32)
            ways.append(repeat(sampler(self._device, lambda: copy_by_the_team(*words)), self._budget))
            with ThreadPoolExecutor(usable_cores()) as pool:
                cuts = np.linspace(0, size, usable_cores() + 1).astype(int)
                parts = [(target[a:b], source[a:b]) for a, b in itertools.pairwise(cuts)]
                together = sampler(self._device, lambda: list(pool.map(lambda part: copyto(*part), parts)))
                ways.append(repeat(together, self._budget))
        return min(ways, key=lambda timing: timing.median)


def _product(device: Device, side: int, precision: str) -> Callable[[], Any] | None:
    """Return a call that multiplies two square matrices with NumPy or CuPy, in lower precisions with PyTorch."""
    if precision == "float32":
        a, b, out = (device.upload(np.random.default_rng(i).random((side, side), np.float32)) for i in range(3))
        return lambda: device.xp.matmul(a, b, out=out)
    if device.kind != "cuda" or not installed_version("torch"):
        return None
    from .libraries import torch_product

    return torch_product(device, side, precision)
