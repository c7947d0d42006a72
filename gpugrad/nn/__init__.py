"""Building blocks: modules, layers, losses, initial weights, and PyTorch's weights in and out."""

from ..engine.parameter import Parameter
from . import init, losses
from .containers import MLP, Sequential
from .layers import GELU, Dense, Dropout, Flatten, Identity, LeakyReLU, Linear, ReLU, Sigmoid, SiLU, Tanh
from .losses import BCEWithLogitsLoss, CrossEntropyLoss, HuberLoss, L1Loss, MSELoss, PoissonNLLLoss
from .module import Module
from .pytorch import load_pytorch, to_pytorch
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
    "Summary",
    "Tanh",
    "init",
    "load_pytorch",
    "losses",
    "summary",
    "to_pytorch",
]
