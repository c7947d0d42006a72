"""The old name of `gpugrad.lab`, for one release."""

import warnings

from .lab import NAMES, SURFACES, NetworkLoss, Path, Surface, minimize, network_loss, surface

__all__ = ["NAMES", "SURFACES", "NetworkLoss", "Path", "Surface", "minimize", "network_loss", "surface"]

warnings.warn("gpugrad.descent is now gpugrad.lab: import it by that name", DeprecationWarning, stacklevel=2)
