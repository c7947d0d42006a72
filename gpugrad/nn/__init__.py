"""Building blocks: modules, layers, losses, initial weights, import and export of PyTorch's weights."""

from __future__ import annotations

import sys
from typing import NoReturn

from ..engine.elsewhere import NN, has_no
from ..engine.parameter import Parameter
from . import init, losses
from .activations import GELU, MODULES, Identity, LeakyReLU, ReLU, Sigmoid, SiLU, Tanh
from .containers import MLP, Sequential
from .layers import Dense, Dropout, Flatten
from .linear import Linear
from .losses import BCEWithLogitsLoss, CrossEntropyLoss, HuberLoss, L1Loss, MSELoss, PoissonNLLLoss
from .module import Module
from .pytorch import load_pytorch, to_pytorch
from .state import StateDict
from .summary import Summary, summary

__all__ = [
    "GELU",
    "MLP",
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "Dense",
    "Dropout",
    "Flatten",
    "HuberLoss",
    "Identity",
    "L1Loss",
    "LeakyReLU",
    "Linear",
    "MSELoss",
    "Module",
    "Parameter",
    "PoissonNLLLoss",
    "ReLU",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "StateDict",
    "Summary",
    "Tanh",
    "init",
    "load_pytorch",
    "losses",
    "summary",
    "to_pytorch",
]

# A row of an activation is enough for `nn.Mish`.
globals().update(MODULES)
__all__ += [name for name in MODULES if name not in __all__]


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> NoReturn:
    raise AttributeError(has_no(__name__, name, NN), name=name, obj=sys.modules[__name__])
