"""Ways out: models as ONNX, safetensors, a state_dict of PyTorch's, and NumPy arrays."""

from .mixin import Exports
from .onnx_file import to_onnx
from .pipeline import register
from .pytorch import to_pytorch
from .stored import load_safetensors, to_numpy, to_safetensors

__all__ = ["Exports", "load_safetensors", "register", "to_numpy", "to_onnx", "to_pytorch", "to_safetensors"]
