"""Train multilayer perceptrons with handwritten CUDA kernels; the same program also runs without a GPU.

    import gpugrad as gg

    digits = gg.data.load("digits")
    model = gg.nn.MLP(64, [128], 10)
    trainer = gg.Trainer(model)
    trainer.fit(digits.x_train, digits.y_train, scale=digits.scale)
    trainer.evaluate(digits.x_test, digits.y_test)

Trainer                   fit, evaluate, predict, checkpoints
nn, optim, data           layers and losses, optimizers and schedules, data sets
tensor, zeros, exp, …     arrays on a device, their operators on the tape, backward()
MLPClassifier, …          estimators for scikit-learn
minimize, lab             paths of optimizers on surfaces, with verdicts and pictures
device, record, Profile   CPU or GPU; a step recorded once and replayed; the time of each launch
export                    ONNX, safetensors, PyTorch
"""

import importlib.util
import signal
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

_program = sys.orig_argv[2:3] if sys.orig_argv[1:2] == ["-m"] else sys.orig_argv[1:2]
if [Path(name).name for name in _program] == ["gpugrad"]:  # until the command begins, Ctrl-C prints no traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)

# kernels/ is next to this folder in a checkout and inside it once installed: import it as gpugrad.kernels either way.
_folder = Path(__file__).parents[1] / "kernels"
if not (Path(__file__).parent / "kernels").is_dir() and f"{__name__}.kernels" not in sys.modules:
    _spec = importlib.util.spec_from_file_location(
        f"{__name__}.kernels", _folder / "__init__.py", submodule_search_locations=[str(_folder)]
    )
    assert _spec is not None
    assert _spec.loader is not None
    kernels = sys.modules[_spec.name] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(kernels)

from . import data, errors, nn, optim
from . import emulator as _emulator  # noqa: F401  (it registers its kind of device)
from . import machine as _machine  # noqa: F401  (the same)
from .engine import functional
from .engine.arithmetic import (
    abs,
    argmax,
    clip,
    concatenate,
    cos,
    exp,
    log,
    log_softmax,
    matmul,
    max,
    maximum,
    mean,
    min,
    minimum,
    sin,
    softmax,
    sqrt,
    stack,
    sum,
    where,
)
from .engine.creation import arange, full, ones, ones_like, randn, tensor, zeros, zeros_like
from .engine.device import Device, device
from .engine.elsewhere import FUNCTIONS, has_no
from .engine.functional import gelu, leaky_relu, relu, sigmoid, silu, tanh
from .engine.gradcheck import gradcheck
from .engine.interop import from_dlpack
from .engine.precision import precision
from .engine.profiling import Profile
from .engine.random import Generator, manual_seed
from .engine.recording import record
from .engine.tape import no_grad
from .engine.tensor import Tensor
from .engine.version import __version__
from .kernels.activation import ACTIVATIONS
from .training.callbacks import Callback, EarlyStopping
from .training.checkpoint import load_model, save_model
from .training.history import History
from .training.tracking import CSVLogger, TensorBoardLogger
from .training.trainer import Trainer

if TYPE_CHECKING:
    from . import export, lab
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
    "abs",
    "arange",
    "argmax",
    "clip",
    "concatenate",
    "cos",
    "data",
    "device",
    "errors",
    "exp",
    "export",
    "from_dlpack",
    "full",
    "functional",
    "gelu",
    "gradcheck",
    "lab",
    "leaky_relu",
    "load_model",
    "log",
    "log_softmax",
    "manual_seed",
    "matmul",
    "max",
    "maximum",
    "mean",
    "min",
    "minimize",
    "minimum",
    "nn",
    "no_grad",
    "ones",
    "ones_like",
    "optim",
    "precision",
    "randn",
    "record",
    "relu",
    "save_model",
    "sigmoid",
    "silu",
    "sin",
    "softmax",
    "sqrt",
    "stack",
    "sum",
    "tanh",
    "tensor",
    "where",
    "zeros",
    "zeros_like",
]

# Each row of the table of activations becomes a function of its name.
_ACTIVATIONS = [name for name in functional.__all__ if name in ACTIVATIONS and name not in __all__]
globals().update({name: getattr(functional, name) for name in _ACTIVATIONS})

sys.modules[f"{__name__}.functional"] = functional  # for `import gpugrad.functional as F`


def __getattr__(name: str) -> Any:
    """Import modules that few programs need at their first use; scikit-learn, for the estimators, takes longest."""
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
    raise AttributeError(has_no(__name__, name, FUNCTIONS), name=name, obj=sys.modules[__name__])


def __dir__() -> list[str]:
    """List the public names."""
    return sorted([*__all__, *_ACTIVATIONS])
