"""The methods of estimators that write them in other formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any


class Exports:
    """Ways out of an estimator: each is the function of `gpugrad.export` of that name, which says more."""

    def export_onnx(self, path: str | Path, *, dtype: Any = "float32") -> None:
        """Write an .onnx file with the whole model, for onnxruntime."""
        from ..export.onnx_file import to_onnx

        to_onnx(self, path, dtype=dtype)

    def export_safetensors(self, path: str | Path) -> None:
        """Write a .safetensors file, from which `gpugrad.export.load_safetensors` makes the same estimator."""
        from .stored import to_safetensors

        to_safetensors(self, path)

    def export_pytorch(self, path: str | Path) -> None:
        """Write a state_dict for `torch.nn.Sequential(Linear, activation, Linear, …)`, .pt or .safetensors."""
        from ..export.pytorch import to_pytorch

        to_pytorch(self, path)

    def export_numpy(self, path: str | Path) -> None:
        """Write an .npz file with weights, intercepts, classes and a JSON text."""
        from .stored import to_numpy

        to_numpy(self, path)
