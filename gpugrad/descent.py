"""Old name of `gpugrad.lab`, kept for one release."""

import importlib
import pkgutil
import sys
import warnings

from . import lab
from .lab import NAMES, SURFACES, NetworkLoss, Path, Surface, minimize, network_loss, surface

__all__ = ["NAMES", "SURFACES", "NetworkLoss", "Path", "Surface", "minimize", "network_loss", "surface"]

warnings.warn("gpugrad.descent is now gpugrad.lab: import gpugrad.lab instead", DeprecationWarning, stacklevel=2)

__path__: list[str] = []  # makes this a package: gpugrad.descent.surfaces is gpugrad.lab.surfaces
for _module in pkgutil.iter_modules(lab.__path__):
    sys.modules[f"{__name__}.{_module.name}"] = importlib.import_module(f"{lab.__name__}.{_module.name}")
