"""The engines that train in benchmarks, each used the way it is fastest, behind one interface."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from ...engine.version import installed_version
from ..measure.networks import Problem, Weights


class Engine(Protocol):
    """A network in training, made from a problem and a device name; the data is resident on the device."""

    def train(self, epoch: int) -> None:
        """Train over `problem.order(epoch)` and wait until it is done."""

    def weights(self) -> Weights:
        """Return (w, b) of each layer on the host, w (n_in, n_out)."""

    def predict(self, x: np.ndarray) -> Any:
        """Return the classes of rows (n, features) float32, scaled, on the host."""


@dataclass(frozen=True)
class Entry:
    """An engine that can be made.

    Parameters
    ----------
    name : str
        Name in tables.
    package : str
        The package that it needs.
    module : str
        The file of this folder that makes it.
    options : tuple of (str, Any)
        Keyword arguments for ``make``.
    kinds : tuple of str
        Device kinds on which it is measured by default.
    """

    name: str
    package: str
    module: str
    options: tuple[tuple[str, Any], ...] = ()
    kinds: tuple[str, ...] = ("cpu", "cuda")

    @property
    def key(self) -> str:
        """Name in the command, without commas and spaces."""
        return key(self.name)

    @property
    def installed(self) -> bool:
        """Whether the package is installed."""
        return self.package == "gpugrad" or installed_version(self.package) is not None

    def supports(self, kind: str) -> bool:
        """Return whether the installed package can compute on this kind of device."""
        if kind != "cuda" or self.package == OWN:
            return True
        if self.package == "torch":
            return not str(installed_version("torch")).endswith("+cpu")
        return self.package == "jax" and any(map(installed_version, JAX_PLUGINS))

    def make(self, problem: Problem, device: str) -> Engine:
        """Make the engine."""
        make: Callable[..., Engine] = importlib.import_module(f"{__name__}.{self.module}").make
        return make(problem, device, **dict(self.options))


def key(name: str) -> str:
    """Return an engine's name as the command spells it: "jax-scan" for "JAX scan"."""
    return name.lower().replace(",", "").replace(" ", "-")


OWN = "gpugrad"
JAX_PLUGINS = ("jax-cuda12-plugin", "jax-cuda13-plugin")
# torch.compile is PyTorch's fastest way on a GPU; on a CPU it compiles C++ for a minute, so it runs only on request.
ENGINES = (
    Entry(OWN, "gpugrad", "own"),
    Entry("PyTorch", "torch", "pytorch"),
    Entry("PyTorch, fused Adam", "torch", "pytorch", (("fused", True),)),
    Entry("PyTorch, compiled", "torch", "pytorch", (("fused", True), ("compiled", True)), kinds=("cuda",)),
    Entry("JAX scan", "jax", "jax_scan"),
    Entry("scikit-learn", "scikit-learn", "scikit", kinds=("cpu",)),
)
# Each library once, by its own name: how a network was trained makes no difference to its predictions.
LIBRARIES = tuple(
    replace(entry, name=entry.name.removesuffix(" scan"))
    for i, entry in enumerate(ENGINES)
    if entry.package not in [earlier.package for earlier in ENGINES[:i]]
)
