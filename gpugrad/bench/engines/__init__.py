"""The engines that training is measured with, each in its own best way, behind one small interface."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from ...engine.version import installed_version
from ..measure.networks import Problem, Weights


class Engine(Protocol):
    """A network in training. Made from a problem and a device's name, "cpu" or "cuda:0"; the data is resident there."""

    def train(self, epoch: int) -> None:
        """Train over `problem.order(epoch)`, and wait until it is done."""

    def weights(self) -> Weights:
        """(w, b) of each layer, w (n_in, n_out), on the host."""


@dataclass(frozen=True)
class Entry:
    """How an engine is made. package: what it needs; kinds: the devices on which it is measured unless asked for."""

    name: str
    package: str
    module: str
    options: tuple[tuple[str, Any], ...] = ()
    kinds: tuple[str, ...] = ("cpu", "cuda")

    @property
    def key(self) -> str:
        """Its name in the command, without commas and spaces."""
        return key(self.name)

    @property
    def installed(self) -> bool:
        return self.package == "gpugrad" or installed_version(self.package) is not None

    def supports(self, kind: str) -> bool:
        """Whether its package, as it is installed here, computes on this kind of device."""
        if kind != "cuda" or self.package == OWN:
            return True
        if self.package == "torch":
            return not str(installed_version("torch")).endswith("+cpu")
        return self.package == "jax" and any(map(installed_version, JAX_PLUGINS))

    def make(self, problem: Problem, device: str) -> Engine:
        make: Callable[..., Engine] = importlib.import_module(f"{__name__}.{self.module}").make
        return make(problem, device, **dict(self.options))


def key(name: str) -> str:
    return name.lower().replace(",", "").replace(" ", "-")


OWN = "gpugrad"
JAX_PLUGINS = ("jax-cuda12-plugin", "jax-cuda13-plugin")
# torch.compile is PyTorch's best way on a GPU; on a CPU it compiles C++ for a minute and is measured if asked for.
ENGINES = (
    Entry(OWN, "gpugrad", "own"),
    Entry("PyTorch", "torch", "pytorch"),
    Entry("PyTorch, fused Adam", "torch", "pytorch", (("fused", True),)),
    Entry("PyTorch, compiled", "torch", "pytorch", (("fused", True), ("compiled", True)), kinds=("cuda",)),
    Entry("JAX scan", "jax", "jax_scan"),
    Entry("scikit-learn", "scikit-learn", "scikit", kinds=("cpu",)),
)
