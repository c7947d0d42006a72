"""gpugrad: train multilayer perceptrons with handwritten CUDA kernels, and the same program with no GPU."""

import importlib.util
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

# In a checkout the folder kernels/ is next to this one, installed it is inside: either way it is gpugrad.kernels.
_folder = Path(__file__).parents[1] / "kernels"
if not (Path(__file__).parent / "kernels").is_dir() and f"{__name__}.kernels" not in sys.modules:
    _spec = importlib.util.spec_from_file_location(
        f"{__name__}.kernels", _folder / "__init__.py", submodule_search_locations=[str(_folder)]
    )
    assert _spec is not None
    assert _spec.loader is not None
    kernels = sys.modules[_spec.name] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(kernels)

from . import data, nn, optim
from . import emulator as _emulator  # noqa: F401  (it registers its kind of device)
from .engine import functional
from .engine.arithmetic import (
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
from .engine.creation import tensor
from .engine.device import Device, device
from .engine.functional import relu, sigmoid, tanh
from .engine.gradcheck import gradcheck
from .engine.interop import from_dlpack
from .engine.precision import precision
from .engine.profiling import Profile
from .engine.random import Generator, manual_seed
from .engine.recording import record
from .engine.tape import no_grad
from .engine.tensor import Tensor
from .engine.version import __version__
from .training.callbacks import Callback, EarlyStopping
from .training.checkpoint import load_model, save_model
from .training.history import History
from .training.tracking import CSVLogger, TensorBoardLogger
from .training.trainer import Trainer

if TYPE_CHECKING:
    from . import export
    from .estimators import MLPClassifier, MLPRegressor
    from .lab.minimize import minimize

__all__ = [
    "CSVLogger",
    "Callback",
    "Device",
    "EarlyStopping",
    "Generator",
    "History",
    "MLPClassifier",
    "MLPRegressor",
    "Profile",
    "Tensor",
    "TensorBoardLogger",
    "Trainer",
    "__version__",
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


sys.modules[f"{__name__}.functional"] = functional  # for `import gpugrad.functional as F`


def __getattr__(name: str) -> Any:
    """What is imported when it is first asked for; scikit-learn, for the estimators, takes longer than all the rest."""
    if name in ("MLPClassifier", "MLPRegressor"):
        from . import estimators

        return getattr(estimators, name)
    if name == "minimize":
        from . import lab

        return lab.minimize
    if name == "descent":
        warnings.warn("gpugrad.descent is now gpugrad.lab: use it by that name", DeprecationWarning, stacklevel=2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return importlib.import_module(".descent", __name__)
    if name in ("export", "lab"):
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
