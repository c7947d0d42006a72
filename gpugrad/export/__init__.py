"""Exports: models as ONNX, safetensors, a state_dict of PyTorch's, and NumPy arrays."""

from typing import TYPE_CHECKING, Any

from . import pipeline
from .onnx_file import to_onnx
from .pytorch import to_pytorch

if TYPE_CHECKING:
    from ..estimators.exports import Exports
    from ..estimators.stored import load_safetensors, to_numpy, to_safetensors

__all__ = ["Exports", "load_safetensors", "register", "to_numpy", "to_onnx", "to_pytorch", "to_safetensors"]


def register() -> None:
    """Register the estimators with skl2onnx, for its own `to_onnx` and `convert_sklearn`."""
    from .. import estimators  # noqa: F401  (registers their classes)

    pipeline.register()


def __getattr__(name: str) -> Any:
    """Import exports of estimators on first access, since scikit-learn takes a second to import."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ..estimators import exports, stored

    return getattr(exports if name == "Exports" else stored, name)


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
