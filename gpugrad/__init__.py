"""gpugrad: train multilayer perceptrons with handwritten CUDA kernels, and the same program with no GPU."""

import importlib
from typing import TYPE_CHECKING, Any

from . import data, functional, nn, optim
from .arithmetic import (
    argmax,
    clip,
    concatenate,
    cos,
    exp,
    log,
    log_softmax,
    maximum,
    minimum,
    sin,
    softmax,
    sqrt,
    where,
)
from .callbacks import Callback, EarlyStopping
from .checkpoint import load_model, save_model
from .device import Device, device
from .functional import relu, sigmoid, tanh
from .gradcheck import gradcheck
from .interop import from_dlpack
from .precision import precision
from .profiling import Profile
from .random import Generator, manual_seed
from .recording import record
from .tape import no_grad
from .tensor import Tensor, tensor
from .tracking import CSVLogger, TensorBoardLogger
from .trainer import Trainer

if TYPE_CHECKING:
    from . import export
    from .descent.minimize import minimize
    from .estimators import MLPClassifier, MLPRegressor

__version__ = "0.1.0"

__all__ = [
    "CSVLogger",
    "Callback",
    "Device",
    "EarlyStopping",
    "Generator",
    "MLPClassifier",
    "MLPRegressor",
    "Profile",
    "Tensor",
    "TensorBoardLogger",
    "Trainer",
    "argmax",
    "clip",
    "concatenate",
    "cos",
    "data",
    "device",
    "exp",
    "export",
    "from_dlpack",
    "functional",
    "gradcheck",
    "load_model",
    "log",
    "log_softmax",
    "manual_seed",
    "maximum",
    "minimize",
    "minimum",
    "nn",
    "no_grad",
    "optim",
    "precision",
    "record",
    "relu",
    "save_model",
    "sigmoid",
    "sin",
    "softmax",
    "sqrt",
    "tanh",
    "tensor",
    "where",
]


def __getattr__(name: str) -> Any:
    """What is imported when it is first asked for; scikit-learn, for the estimators, takes longer than all the rest."""
    if name in ("MLPClassifier", "MLPRegressor"):
        from . import estimators

        return getattr(estimators, name)
    if name == "minimize":
        from . import descent

        return descent.minimize
    if name == "export":
        return importlib.import_module(".export", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
