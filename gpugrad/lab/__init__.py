"""The optimization lab: the optimizers that train networks, let loose on functions one can see.

minimize        the whole path, its verdict and the reason
surfaces        the catalogue of functions
network_loss    the loss of a real network on a plane through its parameters
verdict         what became of a descent
hessian         second derivatives, and the kind of a point
pictures        paths, values, surfaces, basins, grids; animation beside it
race            optimizers, rates and starts asked for in words
page            the interactive page, as a document or a file with recorded paths; serve is its server
command         gpugrad descend
"""

from .minimize import Path, minimize
from .network_loss import NetworkLoss, network_loss
from .surfaces import NAMES, SURFACES, Surface, surface

__all__ = ["NAMES", "SURFACES", "NetworkLoss", "Path", "Surface", "minimize", "network_loss", "surface"]
