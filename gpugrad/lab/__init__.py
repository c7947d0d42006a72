"""The optimization lab: the optimizers that train networks, run on functions that can be plotted.

minimize        paths, verdicts and reasons
expression      functions of x and y from text
own_function    a surface from a text
objective       values and gradients of a function
surfaces        the catalogue of functions
network_loss    the loss of a real network on a plane through its parameters
running         the descent of many starts as one batch
verdict         the verdict on a path
hessian         second derivatives, and the kind of a point
view            contour lines, colours and labels
theme           pictures for white or dark paper, as a context
pictures        paths, values, surfaces, basins and grids
animation       races as GIF or HTML
basins          the minimum that each start leads to
points          the points of the lecture, as races of the page
script          a script of the lecture: question, answer and pictures
race            optimizers, rates and starts as texts
page            the interactive page, as a document or a file that needs no server
serve           the server of the page
connections     HTTP connections with limits of number, size and time
"""

from ..training.theme import theme
from .minimize import Path, minimize
from .network_loss import NetworkLoss, network_loss
from .surfaces import NAMES, SURFACES, Surface, surface

__all__ = ["NAMES", "SURFACES", "NetworkLoss", "Path", "Surface", "minimize", "network_loss", "surface", "theme"]
